package sim

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing/fstest"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/ha"
	"keepgo/internal/status"
	"keepgo/vip"
	"keepgo/vrrp"
)

// Node is a machine with a director: its interfaces, the addresses on them, and
// the process that may run.
type Node struct {
	world *World
	name  string
	place byte // last byte of its own addresses

	config *confparse.Config
	plan   *ha.Plan
	mind   *ha.Node // nil while no process runs

	names   []string // of its interfaces, in the order they came
	links   map[string]ha.Link
	sockets map[ha.Wire]uint8
	kernel  kernel
	scripts map[string]Outcome
	runs    []run

	clock     clock
	mortal    int               // it dies before this many more actions; 0 does not
	thaw      vrrp.Time         // when it is scheduled again; 0 while it is
	suspended bool              // its clock stands still until then
	drained   bool              // it reads its packets before its clock when it wakes
	later     []func()          // what it finds then
	masters   map[string]bool   // instances that the process has told are MASTER
	former    []*ha.Plan        // that it was to leave when it told them last
	reborn    vrrp.Time         // when its parent starts another; 0 while it need not
	counted   map[string]uint32 // sequence numbers that the process has told, by instance
}

// Add adds a machine with a configuration that is read from text. Lines that
// begin with @NAME count on the node of that name. Every interface that the
// configuration names is there and up.
func (w *World) Add(name, text string) (*Node, error) {
	n := &Node{
		world: w, name: name, place: byte(len(w.nodes) + 1),
		links: map[string]ha.Link{}, scripts: map[string]Outcome{},
		kernel: kernel{claims: map[int]vip.Set{}},
	}
	if err := n.read(text); err != nil {
		return nil, err
	}
	w.nodes = append(w.nodes, n)
	return n, nil
}

// Name is the node's name.
func (n *Node) Name() string { return n.name }

// read parses and plans a configuration. One with faults is refused.
func (n *Node) read(text string) error {
	const file = "keepalived.conf"
	fsys := fstest.MapFS{file: {Data: []byte(text)}}
	cfg, errs := confparse.Load(fsys, file, syntax.Env{ConfigID: n.name})
	if errs.Count(syntax.Failure) > 0 {
		return fmt.Errorf("node %s: %v", n.name, errs)
	}
	n.config, n.plan = cfg, ha.Build(cfg)
	for _, in := range n.plan.Instances {
		n.Plug(in.Key.Link)
		for _, t := range in.Links {
			n.Plug(t.Link)
		}
		for _, a := range in.Addresses {
			n.Plug(a.Link)
		}
	}
	for _, a := range n.plan.Static.Addresses {
		n.Plug(a.Link)
	}
	return nil
}

// Plug adds an interface with addresses of its own, unless it is there: the
// first wire's are 10.0.0.x, the second's 10.0.1.x.
func (n *Node) Plug(name string) {
	if _, known := n.links[name]; known || name == "" {
		return
	}
	n.names = append(n.names, name)
	n.links[name] = ha.Link{
		Name: name, Index: len(n.names), Exists: true, Up: true, MTU: 1500,
		Addresses: []netip.Addr{
			netip.AddrFrom4([4]byte{10, 0, byte(n.world.Wire(name).number), n.place}),
			netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: n.place}),
		},
	}
}

// Link is an interface as it is now.
func (n *Node) Link(name string) ha.Link { return n.links[name] }

// SetLink changes an interface. Addresses on one that does not exist are gone.
func (n *Node) SetLink(l ha.Link) {
	if _, known := n.links[l.Name]; !known {
		n.names = append(n.names, l.Name)
	}
	n.links[l.Name] = l
	n.kernel.left = slices.DeleteFunc(n.kernel.left, func(a vip.Address) bool { return !n.links[a.Link].Exists })
	n.settle()
	n.react(func() {
		n.step(ha.Event{Kind: ha.EventLink, Link: n.links[l.Name]})
		n.hearFrames()
	})
}

// react lets the process hear of something, when it is scheduled again if it
// is not now.
func (n *Node) react(f func()) {
	switch {
	case n.Frozen():
		n.later = append(n.later, f)
	case n.mind != nil:
		f()
	}
}

// Running tells whether a process runs.
func (n *Node) Running() bool { return n.mind != nil }

// Start starts the process. What an earlier one left on the interfaces goes.
func (n *Node) Start() error {
	n.masters = nil
	return n.begin(nil)
}

// Resume starts the process as the parent does when it has died a moment ago:
// the instances that were MASTER go on.
func (n *Node) Resume() error { return n.begin(n.counted) }

func (n *Node) begin(counted map[string]uint32) error {
	if n.mind != nil || n.Frozen() {
		return fmt.Errorf("node %s cannot start: it runs", n.name)
	}
	plan := *n.plan
	for _, p := range n.former {
		plan.Left.Addresses = append(plan.Left.Addresses, p.Places().Addresses...)
	}
	n.reborn, n.former = 0, nil
	n.mind = ha.New(&plan)
	n.mind.Resume(slices.Collect(maps.Keys(n.masters)))
	n.mind.Continue(counted)
	n.counted = map[string]uint32{}
	if n.masters == nil {
		n.masters = map[string]bool{}
	}
	for _, name := range n.names {
		n.mind.Step(n.Clock(), ha.Event{Kind: ha.EventLink, Link: n.links[name]}, nil)
	}
	n.step(ha.Event{Kind: ha.EventStart})
	n.hearFrames()
	n.runs = nil
	n.schedule()
	return nil
}

// hearFrames lets the mind hear that others talk on the wires that are not
// silent.
func (n *Node) hearFrames() {
	for _, name := range n.names {
		if n.links[name].Up && !n.world.Wire(name).Silent {
			n.step(ha.Event{Kind: ha.EventFrames, Name: name})
		}
	}
}

// Reload reads another text. One with faults leaves the old in force.
func (n *Node) Reload(text string) error {
	was := n.plan
	if err := n.read(text); err != nil {
		return err
	}
	if n.mind != nil {
		n.former = append(n.former, was)
	}
	n.react(func() {
		for _, name := range n.names { // interfaces that only the new text names
			n.step(ha.Event{Kind: ha.EventLink, Link: n.links[name]})
		}
		n.hearFrames()
		n.step(ha.Event{Kind: ha.EventReload, Plan: n.plan.Since(n.mind.Plan().Sums(), n.plan.Sums()).Onto(n.mind.Plan())})
		n.know()
		n.schedule()
	})
	return nil
}

// Stop ends the process in good order.
func (n *Node) Stop() error {
	if n.mind == nil || n.Frozen() {
		return fmt.Errorf("node %s cannot stop: it does not run", n.name)
	}
	n.step(ha.Event{Kind: ha.EventStop})
	n.masters, n.reborn = nil, 0 // its parent goes too
	n.end()
	return nil
}

// Crash ends the process without a word. Its addresses stay.
func (n *Node) Crash() {
	n.end()
	n.former = nil
	n.orphan()
}

// CrashAfter has the process crash before it has done so many more actions,
// wherever in the middle of its work that is. Its parent replaces it.
func (n *Node) CrashAfter(actions int) { n.mortal = actions }

// Masters are the names of the instances that are MASTER; none while no process
// runs.
func (n *Node) Masters() []string {
	if n.mind == nil {
		return nil
	}
	return n.mind.Masters()
}

// know is the parent's look at who is MASTER after a reload: instances may have
// other names.
func (n *Node) know() {
	if n.mind == nil {
		return // it died over it
	}
	n.masters, n.former = map[string]bool{}, nil
	for _, name := range n.Masters() {
		n.masters[name] = true
	}
}

// learn is what the parent makes of a notification.
func (n *Node) learn(e ha.Edge) {
	switch {
	case e.Group:
	case e.State == vrrp.Master.String():
		n.masters[e.Name] = true
	case e.State == vrrp.Backup.String(), e.State == vrrp.Fault.String(), e.State == "STOP":
		delete(n.masters, e.Name)
	}
}

// PowerOff ends the machine: its addresses are gone as well.
func (n *Node) PowerOff() {
	n.end()
	n.masters, n.former, n.reborn = nil, nil, 0
	n.kernel.claims, n.kernel.left = map[int]vip.Set{}, nil
	n.settle()
}

// end forgets the process.
func (n *Node) end() {
	n.mind, n.sockets, n.runs, n.later, n.mortal = nil, nil, nil, nil, 0
	n.thaw, n.suspended = 0, false
}

// Freeze takes the processor away for a while; the clock runs on. When the
// node is scheduled again it sees its clock first, or with drained its packets.
func (n *Node) Freeze(d time.Duration, drained bool) {
	n.thaw, n.drained = n.world.now+d, drained
}

// Suspend stops the machine with its clock; what is sent to it meanwhile is
// lost.
func (n *Node) Suspend(d time.Duration) {
	n.Freeze(d, true)
	n.clock.stop(n.world.now, d)
	n.suspended = true
}

// Frozen tells whether the node is not scheduled now.
func (n *Node) Frozen() bool { return n.thaw != 0 }

// wake lets a node find what happened while it was not scheduled.
func (n *Node) wake() {
	later := n.later
	n.thaw, n.suspended, n.later = 0, false, nil
	if n.mind == nil {
		return
	}
	if !n.drained && n.mind.Next() <= n.Clock() {
		n.step(ha.Event{Kind: ha.EventTick})
	}
	for _, f := range later {
		f()
	}
}

// next is what happens on the node by itself.
func (n *Node) next() (vrrp.Time, func()) {
	switch {
	case n.Frozen():
		return n.thaw, n.wake
	case n.Replacing():
		return n.reborn, func() { n.Resume() } // nothing else runs
	}
	at, do := n.nextRun()
	if n.mind == nil || n.mind.Next() == vrrp.Never {
		return at, do
	}
	if tick := n.clock.when(n.mind.Next()); tick < at {
		return tick, func() { n.step(ha.Event{Kind: ha.EventTick}) }
	}
	return at, do
}

// step lets the mind hear an event and does what it wants in the daemon's three
// beats: adverts, addresses and their announcement, words.
func (n *Node) step(ev ha.Event) {
	if n.mind == nil {
		return
	}
	acts := n.mind.Step(n.Clock(), ev, nil)
	for _, beat := range []func(ha.Action){n.speak, n.put, n.say} {
		for _, a := range acts {
			if n.dies() {
				return
			}
			beat(a)
		}
	}
}

// dies tells whether the process dies now.
func (n *Node) dies() bool {
	if n.mortal == 0 {
		return false
	}
	if n.mortal--; n.mortal > 0 {
		return false
	}
	n.tell(Event{Kind: Dies})
	n.end()
	n.orphan()
	n.reborn = n.world.now + replaced
	return true
}

// replaced is how long the parent takes to replace a process that died.
const replaced = 10 * time.Millisecond

// Replacing tells whether the parent is about to replace a process that died.
func (n *Node) Replacing() bool { return n.reborn != 0 }

// speak is the beat of adverts and their sockets.
func (n *Node) speak(a ha.Action) {
	switch a.Kind {
	case ha.ActSend:
		n.send(&a)
	case ha.ActWires:
		n.sockets = map[ha.Wire]uint8{}
		for key, use := range n.mind.Wires() {
			n.sockets[key] = use.TTL
		}
	case ha.ActReserve:
		name, number := n.mind.Reserved(a.ID)
		n.counted[name] = number
	}
}

// put is the beat of addresses.
func (n *Node) put(a ha.Action) {
	switch a.Kind {
	case ha.ActSettle:
		n.claim(a.ID, n.mind.Addresses(a.ID))
	case ha.ActClean:
		n.clean(n.mind.Placed(a.ID).Addresses)
	}
}

// say announces, logs and notifies.
func (n *Node) say(a ha.Action) {
	name := ""
	if in := n.mind.Planned(a.ID); in != nil {
		name = in.Name
	}
	switch a.Kind {
	case ha.ActAnnounce:
		n.tell(Event{Kind: Announces, Name: name})
		n.world.hosts.announced(n, n.mind.Addresses(a.ID))
	case ha.ActRepeat:
		n.tell(Event{Kind: Repeats, Name: name})
		n.world.hosts.announced(n, n.mind.Addresses(a.ID))
	case ha.ActSilence:
		n.tell(Event{Kind: Silent, Name: name})
	case ha.ActNotify:
		n.learn(a.Edge)
		n.tell(Event{Kind: Notifies, Edge: a.Edge})
	case ha.ActLog:
		n.tell(Event{Kind: Logs, Text: a.Text})
	}
}

// tell tells an event of this node.
func (n *Node) tell(e Event) {
	if n.world.Tell != nil {
		e.At, e.Node = n.world.now, n.name
		n.world.Tell(e)
	}
}

// Plan is the plan that was read last; read only.
func (n *Node) Plan() *ha.Plan { return n.plan }

// States are the states of the node's instances, none while no process runs.
func (n *Node) States() []status.Instance {
	if n.mind == nil {
		return nil
	}
	return n.mind.Status(n.Clock(), time.Time{})
}

func sortedSockets(m map[ha.Wire]uint8) []ha.Wire {
	return slices.SortedFunc(maps.Keys(m), func(a, b ha.Wire) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), a.Source.Compare(b.Source), a.Group.Compare(b.Group))
	})
}

func sortedKeys[V any](m map[int]V) []int { return slices.Sorted(maps.Keys(m)) }

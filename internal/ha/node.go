package ha

import (
	"net/netip"
	"slices"
	"time"

	"keepgo/vip"
	"keepgo/vrrp"
)

// EventKind says what a Node hears.
type EventKind uint8

// The events of a Node.
const (
	EventStart   EventKind = iota // links and plan are known: begin
	EventTick                     // Next has come
	EventPacket                   // Event.Packet arrived
	EventLink                     // Event.Link is how an interface is now
	EventScript                   // Event.Script ended, well or not (Event.OK)
	EventFile                     // the tracked file Event.Name says Event.Value
	EventBFD                      // the BFD session Event.Name is up, or not (Event.OK)
	EventProcess                  // the tracked process Event.Name is as it should be, or not (Event.OK)
	EventDevice                   // the device Event.Device of Event.ID stands as Event.Link; without a name it is gone
	EventLost                     // another hand removed Event.Lost of Event.ID; it stands again
	EventClaim                    // the station Event.Name claims the address Event.Lost of Event.ID
	EventFrames                   // a frame of another station came in on the interface Event.Name
	EventHold                     // Event.Names are the instances that hold back, and no others
	EventYield                    // those that hold back give mastership up at once
	EventReload                   // Event.Plan replaces the plan
	EventStop                     // hand over and end
)

// Event is one thing that happened; fields its kind does not use are zero.
type Event struct {
	Kind   EventKind
	Packet *Packet
	Link   Link
	ID     int
	Device DeviceKey
	Script int
	Name   string
	Names  []string
	Source netip.Addr // the link-local address that a device was given
	Value  int
	OK     bool
	Lost   netip.Prefix // not valid for a route or a rule
	Words  string       // how Event.Script ended, for the log; "" says succeeded or failed
	Plan   *Plan
}

// ActionKind says what a Node wants done.
type ActionKind uint8

// The actions of a Node.
const (
	ActSend     ActionKind = iota // send an advert of instance ID with Priority to Wire
	ActSettle                     // Addresses(ID) changed: the set that should stand
	ActAnnounce                   // start announcing ID's addresses once they stand
	ActGreet                      // announce what ID's adverts are sent from, once: its peers may have another station for it
	ActRevise                     // the schedule of ID's announcements may have changed; the addresses are as before
	ActSilence                    // stop announcing ID's addresses
	ActRepeat                     // announce ID's addresses again now, Repeat times, and after Delay
	ActNotify                     // tell Edge
	ActFault                      // tell of a packet for ID from the address Text, which was refused for Fault
	ActLog                        // write Text
	ActWires                      // the set of sockets needed changed
	ActDevice                     // Devices(ID) are the interfaces that should be there for ID, and Promoted(ID) counts
	ActSync                       // Sync() is the sync daemon that should run
	ActClean                      // Placed(ID) may stand from an earlier life, or plan, and must not
	ActReserve                    // Reserved(ID) is what a process that replaces this one needs
)

// Action is one thing to do.
type Action struct {
	Kind     ActionKind
	ID       int
	Priority uint8
	Fault    vrrp.PacketError
	Edge     Edge
	Text     string // of ActLog; why, of ActNotify
	Detail   bool   // with Text: of interest only to those who ask for details (-D)

	speaker *member // of ActSend: Compose looks for nobody
}

// Edge is a change of state to tell scripts and people about.
type Edge struct {
	Group    bool
	Name     string
	State    string
	Priority uint8
	Again    bool // the state is what it was: fifo_write_vrrp_states_on_reload
	Gone     bool // the plan does not have it any more
}

// member is an instance at work.
type member struct {
	id     int
	plan   *Instance
	router vrrp.Router
	next   vrrp.Time // router.Next(), kept here for the heap
	phase  time.Duration
	group  *group
	number int32 // among the deadlines
	place  int32 // within the group
	index  int32 // of link, 0 while there is none
	socket int32 // that adverts leave through, as the loop numbers them; 0 for none

	made     *devices   // those of its own; nil for none
	link     string     // the interface adverts leave through
	ground   ground     // where it is heard
	buffer   int        // its part of the receive buffer, in bytes
	source   netip.Addr // what adverts are sent from
	cause    string     // why it is in FAULT, "" while nothing is wrong
	since    vrrp.Time
	up       vrrp.Time // since when it is BACKUP or MASTER
	reason   string
	master   netip.Addr // whom it last heard as master
	peers    peers
	codec    vrrp.Codec
	stats    vrrp.Tally
	rival    *rivalry  // nil while there is none
	rare     *rarities // nil while there are none
	told     uint32    // packet faults logged since the state or the master changed
	reserved uint32    // the highest sequence number that was told
	// started: every script that may hold it back has ended once.
	started bool
	resumed bool // it was MASTER when its last process died
	held    bool // it holds back by order
	left    bool // addresses of an earlier life may stand, and nobody was told that they go
	gone    bool // the plan does not have it any more
}

// script is a tracked script's damped result.
type script struct {
	plan  Script
	known bool // it has ended at least once
	count int  // 0..Rise-1 down, Rise..Rise+Fall-1 up
}

// Node is the whole VRRP half of one director. Make one with New.
type Node struct {
	plan      *Plan
	members   []*member // parallel to plan.Instances
	steps     int       // taken so far
	byID      map[int]*member
	byWire    map[Wire]audience
	last      lookup
	byLink    map[string][]*member // who depends on an interface
	roaming   []*member            // who depends on addresses of any interface
	byTracker map[tracker][]*member
	links     map[string]Link
	vips      []netip.Addr       // every address of an instance, sorted: never a source
	routers   map[neighbour]bool // those that are configured, where strangers are told of
	pending   map[string]pending // of interfaces: changes that have to last
	onceUp    map[string]bool    // interfaces that were up since they are there
	kinds     map[string]string  // what interfaces shared the wire of when they were first seen
	grounds   map[ground][]*member
	strangers map[neighbour]stranger // those that are heard beside them
	scripts   []script
	files     map[string]int
	processes map[string]bool
	bfds      map[string]bool
	groups    []*group
	due       deadlines
	leading   int           // members that are MASTER
	skew      time.Duration // the least Skew_Time
	lastID    int
	running   bool
	began     vrrp.Time
	quiet     vrrp.Time // nobody becomes MASTER before
	framesBy  vrrp.Time // nor before, where framed does not have the interface
	framed    map[string]bool
}

// New makes a node that has not started: it waits for EventLink of every
// interface and then EventStart.
func New(plan *Plan) *Node {
	n := &Node{
		pending: map[string]pending{}, onceUp: map[string]bool{}, kinds: map[string]string{},
		links: map[string]Link{}, byID: map[int]*member{},
		files: map[string]int{}, processes: map[string]bool{}, bfds: map[string]bool{}, framed: map[string]bool{},
	}
	n.adopt(plan, nil)
	return n
}

// adopt puts a plan in force. Members of old that the plan has too are kept. Who
// listens where is known once what they speak from is.
func (n *Node) adopt(plan *Plan, old map[*Instance]*member) {
	n.adoptScripts(plan.Scripts)
	n.plan = plan
	n.strangers = map[neighbour]stranger{}
	n.members = n.members[:0:0]
	n.due.clear()
	n.skew = time.Hour
	for i, p := range plan.Instances {
		m := old[p]
		if m == nil {
			n.lastID++
			m = &member{id: n.lastID, router: vrrp.New(p.Router), next: vrrp.Never}
			n.byID[m.id] = m
		}
		m.adopt(p)
		m.held = slices.Contains(plan.Held, p.Name)
		m.codec.Configure(&p.Advert, &p.Expect)
		m.reserved = 0 // it may have another name now
		m.phase = phase(i, len(plan.Instances), p.Router.Interval)
		n.members = append(n.members, m)
		n.due.add(m)
		n.skew = min(n.skew, p.Router.Skew())
	}
	n.adoptGroups(plan.Groups)
	n.indexTrackers()
	n.indexSources()
	n.indexLinks()
	n.landAll()
}

// adopt gives a member its plan. Of its further devices those stay known that
// the new plan has too.
func (m *member) adopt(p *Instance) {
	if m.made != nil || p.Device != nil || len(p.Extra) > 0 {
		made := &devices{own: m.device(), extra: make([]stands, len(p.Extra))}
		for i := range p.Extra {
			if j := slices.Index(m.known(), p.Extra[i]); j >= 0 {
				made.extra[i] = m.made.extra[j]
			}
		}
		m.made = made
	}
	m.plan = p
}

// known are the further devices of the plan a member had until now.
func (m *member) known() []Device {
	if m.plan == nil {
		return nil
	}
	return m.plan.Extra
}

// Plan is the plan in force; read only.
func (n *Node) Plan() *Plan { return n.plan }

// Next is the instant of the next EventTick.
func (n *Node) Next() vrrp.Time { return min(n.due.next(), n.lasting()) }

// dispute is how long two may be MASTER because one has not looked yet.
const dispute = time.Millisecond

// Patience is how long an advert may wait to be heard. What a backup does about
// one comes a Skew_Time later anyway; a master may have to give way at once.
func (n *Node) Patience() time.Duration {
	if n.leading > 0 {
		return min(n.skew, dispute)
	}
	return n.skew
}

// Want is what should stand for an instance now. ID 0 is what is static.
func (n *Node) Want(id int) vip.Want {
	if id == 0 && n.running {
		return n.plan.Static
	}
	m := n.byID[id]
	if m == nil {
		return vip.Want{}
	}
	if m.router.State() == vrrp.Master {
		return m.placed()
	}
	return vip.Want{}
}

// Addresses is the addresses of Want.
func (n *Node) Addresses(id int) vip.Set { return n.Want(id).Addresses }

// Devices are the interfaces that should be made for an instance.
func (n *Node) Devices(id int) []Device {
	m := n.byID[id]
	if m == nil || m.gone || !n.running {
		return nil
	}
	return m.plan.Devices()
}

// Promoted is the link on which the other addresses of a network are to stay
// when its first one goes (promote_secondaries), "" for none: for as long as the
// instance is there, and at the stop until all of its addresses are gone.
func (n *Node) Promoted(id int) string {
	if m := n.byID[id]; m != nil && m.plan.Promote && !m.gone {
		return m.plan.Key.Link
	}
	return ""
}

// Placed is where an instance's addresses belong, whether or not they should
// stand now. ID 0 is what earlier plans left.
func (n *Node) Placed(id int) vip.Want {
	if id == 0 {
		return n.plan.Left
	}
	if m := n.byID[id]; m != nil {
		return m.placed()
	}
	return vip.Want{}
}

// Drop is the addresses that packets are to be kept away from now.
func (n *Node) Drop(id int) vip.Set {
	if m := n.byID[id]; m != nil && m.plan.Drop && m.router.State() == vrrp.Master {
		return m.placed().Addresses
	}
	return nil
}

// Resume marks the named instances as MASTER when their last process died a
// moment ago: their addresses stand, nobody else has been elected yet, and they
// go on speaking. It comes before EventStart.
func (n *Node) Resume(names []string) {
	masters := make(map[string]bool, len(names))
	for _, name := range names {
		masters[name] = true
	}
	for _, m := range n.members {
		m.resumed = masters[m.plan.Name]
	}
}

// Leads tells whether any instance is MASTER.
func (n *Node) Leads() bool { return n.leading > 0 }

// Masters are the names of the instances that are MASTER, for Resume.
func (n *Node) Masters() []string {
	names := []string{}
	for _, m := range n.members {
		if m.resumed || m.router.State() == vrrp.Master {
			names = append(names, m.plan.Name)
		}
	}
	return names
}

// Planned is the plan of an instance, nil for one that is gone.
func (n *Node) Planned(id int) *Instance {
	if m := n.byID[id]; m != nil {
		return m.plan
	}
	return nil
}

// Step lets the node hear an event and appends what is to be done to acts.
func (n *Node) Step(now vrrp.Time, ev Event, acts []Action) []Action {
	n.steps++
	switch ev.Kind {
	case EventStart:
		return n.start(now, acts)
	case EventTick:
		return n.tick(now, acts)
	case EventPacket:
		return n.receive(now, ev.Packet, acts)
	case EventLink:
		return n.link(now, ev.Link, acts)
	case EventScript:
		return n.result(now, ev.Script, ev.OK, ev.Words, acts)
	case EventFile:
		return n.file(now, ev.Name, ev.Value, acts)
	case EventProcess:
		return n.process(now, ev.Name, ev.OK, acts)
	case EventBFD:
		return n.bfd(now, ev.Name, ev.OK, acts)
	case EventDevice:
		return n.made(now, &ev, acts)
	case EventLost:
		return n.lost(now, ev.ID, ev.Lost, acts)
	case EventClaim:
		return n.claimed(now, ev.ID, ev.Lost.Addr(), ev.Name, acts)
	case EventFrames:
		return n.frames(now, ev.Name, acts)
	case EventHold:
		return n.hold(now, ev.Names, acts)
	case EventYield:
		return n.yield(now, acts)
	case EventReload:
		return n.reload(now, ev.Plan, acts)
	case EventStop:
		return n.stop(now, acts)
	}
	return acts
}

// tick wakes every router whose time has come.
func (n *Node) tick(now vrrp.Time, acts []Action) []Action {
	for m := n.due.first(); m != nil && m.next <= now; m = n.due.first() {
		if m.rival.due() <= now {
			acts = n.revisit(now, m, acts)
		}
		acts = n.step(now, m, vrrp.Event{Kind: vrrp.EventTick, Phase: m.phase}, acts)
		if m.next <= now { // a router must move its deadline; never spin on one that did not
			m.next = now + 1
		}
	}
	return n.settled(now, acts)
}

// stop hands every mastership over and empties the interfaces.
func (n *Node) stop(now vrrp.Time, acts []Action) []Action {
	if n.plan.Sync != nil {
		acts = append(acts, Action{Kind: ActSync})
	}
	for _, g := range n.groups {
		g.busy = true // it tells of its stop, not of its members'
	}
	for _, m := range n.members {
		acts = n.step(now, m, vrrp.Event{Kind: vrrp.EventStop}, acts)
	}
	n.running = false
	if !n.plan.Static.Empty() {
		acts = append(acts, Action{Kind: ActSettle})
	}
	for _, m := range n.members {
		if m.plan.equipped() {
			acts = append(acts, Action{Kind: ActDevice, ID: m.id})
		}
	}
	for _, m := range n.members {
		acts = append(acts, m.notify("STOP"))
	}
	for _, g := range n.groups {
		acts = append(acts, Action{Kind: ActNotify, Edge: g.edge("STOP")})
	}
	return acts
}

// notify tells the member's state, and why it is in it.
func (m *member) notify(state string) Action {
	return Action{Kind: ActNotify, ID: m.id, Edge: m.edge(state), Text: m.reason}
}

// edge is a change of the member's state as scripts hear of it.
func (m *member) edge(state string) Edge {
	return Edge{Name: m.plan.Name, State: state, Priority: m.router.Priority(), Gone: m.gone}
}

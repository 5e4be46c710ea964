package daemon

import (
	"maps"
	"slices"
	"sync"

	"keepgo/internal/ha"
	"keepgo/vip"
	"keepgo/vip/filter"
)

// firewall keeps packets away from addresses that are not to be accepted, and
// VMACs quiet. Its tables exist only while somebody needs them. An address comes
// once its rule is in force, and its rule goes once the address is gone.
type firewall struct {
	log   func(format string, args ...any)
	plan  ha.Firewall
	door  filterDoor
	links addressDoor

	mu    sync.Mutex // also the goroutines of both doors come here
	wards map[int]*ward
	after []func() // what to call once what is wanted now stands
	begun bool     // before, what is wanted goes on from an earlier life, rules and all
	blind bool     // the tables cannot be changed: addresses do not wait for them
}

// filterDoor is filter.Door.
type filterDoor interface {
	Set(owner int, want filter.Want)
	Close() error
}

// addressDoor is rtnl.Door.
type addressDoor interface {
	SetAll(owner int, want vip.Want)
	After(do func())
}

// ward is what there is to keep away for one instance.
type ward struct {
	guards map[ha.DeviceKey]filter.Guard // of the VMACs that stand
	quiet  []filter.Guard                // of those, the ones that are wanted
	keep   []filter.Address              // of addresses that are wanted
	going  []filter.Address              // of addresses that may stand still
	force  []filter.Address              // what the tables keep away
	waits  *vip.Want                     // for what is kept to be in force; or nil
}

func newFirewall(log func(format string, args ...any)) *firewall {
	return &firewall{log: log, wards: map[int]*ward{}}
}

// ward is that of an instance, which may be new.
func (f *firewall) ward(id int) *ward {
	w := f.wards[id]
	if w == nil {
		w = &ward{guards: map[ha.DeviceKey]filter.Guard{}}
		f.wards[id] = w
	}
	return w
}

// guard notes the VMAC that an event tells of, or with an empty name that it is
// gone.
func (f *firewall) guard(ev *ha.Event, base int, d *ha.Device) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &ev.Link
	if w := f.wards[ev.ID]; w != nil {
		delete(w.guards, d.Key())
	}
	if l.Name == "" || d.IPVLAN {
		return
	}
	f.ward(ev.ID).guards[d.Key()] = filter.Guard{
		Link: l.Name, Index: l.Index, Base: base,
		IPv4: !d.IPv6, IPv6: d.IPv6 || !d.NoIPv6, Shared: ev.Source,
	}
}

// hush keeps those of an instance's VMACs quiet that are wanted.
func (f *firewall) hush(id int, devices []ha.Device) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.wards[id]
	if w == nil {
		return
	}
	w.quiet = nil
	for _, d := range devices {
		if g, ok := w.guards[d.Key()]; ok {
			w.quiet = append(w.quiet, g)
		}
	}
	f.ask(id, w)
}

// begin has addresses wait for their rules from now on.
func (f *firewall) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun = true
}

// settle has what an instance wants stand, and packets kept away from drop: at
// once where nothing is, or what was.
func (f *firewall) settle(id int, want vip.Want, drop vip.Set) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.wards[id]
	if w == nil && len(drop) == 0 {
		f.links.SetAll(id, want)
		return
	}
	w = f.ward(id)
	w.going = among(w.all(), want.Addresses, false)
	w.keep = addresses(drop)
	w.waits = nil
	if f.ask(id, w) && len(drop) > 0 && f.begun && !f.blind && !slices.Equal(w.all(), w.force) {
		w.waits = new(want)
		return
	}
	f.links.SetAll(id, want)
	f.passOn()
}

// settled has do called once all that is wanted now stands, and what is not
// wanted any more has gone.
func (f *firewall) settled(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = append(f.after, do)
	f.passOn()
}

// passOn hands on what is to be called, if no address waits.
func (f *firewall) passOn() {
	if len(f.after) == 0 {
		return
	}
	for _, w := range f.wards { // in any order: of many that wait one is found soon
		if w.waits != nil {
			return
		}
	}
	for _, do := range f.after {
		f.links.After(do)
	}
	f.after = nil
}

// all is what the tables are to keep away.
func (w *ward) all() []filter.Address { return slices.Concat(w.keep, w.going) }

// ask asks the tables for an instance's part of them, and reports whether they
// could be.
func (f *firewall) ask(id int, w *ward) bool {
	if err := f.open(); err != nil {
		f.log("%v", err)
		return false
	}
	all := w.all()
	f.door.Set(id, filter.Want{Drop: all, Guards: w.quiet})
	if len(all)+len(w.quiet) == 0 {
		delete(f.wards, id)
	}
	return true
}

// inForce hears what packets are kept away from now: addresses that waited for
// it may come.
func (f *firewall) inForce(id int, drop []filter.Address) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blind = false
	w := f.wards[id]
	if w == nil {
		return
	}
	if w.force = drop; w.waits != nil && slices.Equal(w.all(), drop) {
		f.let(id, w)
	}
}

// let has the addresses stand that waited.
func (f *firewall) let(id int, w *ward) {
	f.links.SetAll(id, *w.waits)
	w.waits = nil
	f.passOn()
}

// fails hears that the tables cannot be changed. An address that anybody may
// reach is better than none.
func (f *firewall) fails() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blind = true
	for _, id := range slices.Sorted(maps.Keys(f.wards)) {
		if w := f.wards[id]; w.waits != nil {
			f.let(id, w)
		}
	}
}

// stands hears which of an instance's addresses stand: what was kept away from
// others need not be any more.
func (f *firewall) stands(id int, set vip.Set) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.wards[id]
	if w == nil || len(w.going) == 0 {
		return
	}
	if still := among(w.going, set, true); len(still) < len(w.going) {
		w.going = still
		f.ask(id, w)
	}
}

// addresses says it in the door's words.
func addresses(set vip.Set) (list []filter.Address) {
	for _, a := range set {
		list = append(list, filter.Address{Addr: a.Prefix.Addr(), Link: a.Link})
	}
	return list
}

// among are those of a list that are in a set, or those that are not.
func among(list []filter.Address, set vip.Set, in bool) []filter.Address {
	if len(list) == 0 {
		return nil
	}
	has := make(map[filter.Address]bool, len(set))
	for _, a := range addresses(set) {
		has[a] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(a filter.Address) bool { return has[a] != in })
}

func (f *firewall) open() error {
	if f.door != nil {
		return nil
	}
	door, err := filter.Open(filter.Options{
		Notify: f.hear, Table: f.plan.Table, Priority: f.plan.Priority, ByIndex: f.plan.ByIndex, Counters: f.plan.Counters,
	})
	if err == nil {
		f.door = door
	}
	return err
}

// hear hears the door, on its goroutine.
func (f *firewall) hear(ev filter.Event) {
	switch ev.Kind {
	case filter.Applied:
		f.inForce(ev.Owner, ev.Drop)
	case filter.Restored:
		f.log("nftables: our tables were changed by %s and are built anew", by(ev.By))
	case filter.Failed:
		f.log("%v", ev.Err)
		f.fails()
	case filter.Warned:
		f.log("%v", ev.Err)
	}
}

// clean takes away what a process before left in the tables.
func (f *firewall) clean() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open() == nil { // else the kernel has no tables
		f.door.Set(0, filter.Want{})
	}
}

func by(who string) string {
	if who == "" {
		return "another hand"
	}
	return who
}

// close takes the tables away, unless they are to be kept.
func (f *firewall) close(keep bool) error {
	if f.door == nil {
		return nil
	}
	f.mu.Lock()
	for id := range f.wards {
		if !keep {
			f.door.Set(id, filter.Want{})
		}
	}
	f.mu.Unlock() // it hears the door until that is closed
	return f.door.Close()
}

package daemon

import (
	"keepgo/internal/ha"
	"keepgo/vip/filter"
)

// firewall keeps packets away from addresses that are not to be accepted, and
// VMACs quiet. Its tables exist only while somebody needs them.
type firewall struct {
	log    func(format string, args ...any)
	plan   ha.Firewall
	door   *filter.Door
	guards map[int]map[ha.DeviceKey]filter.Guard // of the VMACs that stand, by instance
	owners map[int]bool
}

func newFirewall(log func(format string, args ...any)) *firewall {
	return &firewall{log: log, guards: map[int]map[ha.DeviceKey]filter.Guard{}, owners: map[int]bool{}}
}

// guard notes the VMAC that an event tells of, or with an empty name that it is
// gone.
func (f *firewall) guard(ev *ha.Event, base int, d *ha.Device) {
	l, id := &ev.Link, ev.ID
	delete(f.guards[id], d.Key())
	if l.Name == "" || d.IPVLAN {
		return
	}
	if f.guards[id] == nil {
		f.guards[id] = map[ha.DeviceKey]filter.Guard{}
	}
	f.guards[id][d.Key()] = filter.Guard{
		Link: l.Name, Index: l.Index, Base: base,
		IPv4: !d.IPv6, IPv6: d.IPv6 || !d.NoIPv6, Shared: ev.Source,
	}
}

// set brings an instance's part of the tables in line.
func (f *firewall) set(id int, n *ha.Node) {
	var w filter.Want
	for _, a := range n.Drop(id) {
		w.Drop = append(w.Drop, filter.Address{Addr: a.Prefix.Addr(), Link: a.Link})
	}
	for _, d := range n.Devices(id) {
		if g, ok := f.guards[id][d.Key()]; ok {
			w.Guards = append(w.Guards, g)
		}
	}
	if len(w.Drop)+len(w.Guards) == 0 && !f.owners[id] {
		return
	}
	if err := f.open(); err != nil {
		f.log("%v", err)
		return
	}
	f.door.Set(id, w)
	if f.owners[id] = true; len(w.Drop)+len(w.Guards) == 0 {
		delete(f.owners, id)
		delete(f.guards, id)
	}
}

func (f *firewall) open() error {
	if f.door != nil {
		return nil
	}
	var err error
	f.door, err = filter.Open(filter.Options{
		Notify: f.hear, Table: f.plan.Table, Priority: f.plan.Priority, ByIndex: f.plan.ByIndex, Counters: f.plan.Counters,
	})
	return err
}

// hear hears the door, on its goroutine.
func (f *firewall) hear(ev filter.Event) {
	switch ev.Kind {
	case filter.Restored:
		f.log("nftables: our tables were changed by %s and are built anew", by(ev.By))
	case filter.Failed, filter.Warned:
		f.log("%v", ev.Err)
	}
}

// clean takes away what a process before left in the tables.
func (f *firewall) clean() {
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
	for id := range f.owners {
		if !keep {
			f.door.Set(id, filter.Want{})
		}
	}
	return f.door.Close()
}

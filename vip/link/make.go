package link

import (
	"errors"
	"fmt"
	"net"

	rtnetlink "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// maxDumps bounds how often a list is read again because it changed meanwhile.
const maxDumps = 8

// view is the kernel's interfaces as they were at one look, and which entry
// each stands for.
type view struct {
	index   map[int]rtnetlink.Link
	name    map[string]rtnetlink.Link
	mac     map[onWire]rtnetlink.Link // the macvlans
	claimed map[int]*entry
	addrs   map[int][]rtnetlink.Addr // by interface, where any were asked for
	planned map[string]bool          // names of interfaces about to be made
}

// onWire is what makes a macvlan unique: its MAC on its parent.
type onWire struct {
	parent int
	mac    [6]byte
}

// look reads the interfaces.
func (d *Door) look() (*view, error) {
	links, err := again(d.handle.LinkList)
	if err != nil {
		return nil, err
	}
	v := &view{
		index: make(map[int]rtnetlink.Link), name: make(map[string]rtnetlink.Link),
		mac: make(map[onWire]rtnetlink.Link), claimed: make(map[int]*entry), planned: make(map[string]bool),
	}
	for _, l := range links {
		v.put(l)
	}
	for _, e := range d.state.order {
		if e.index != 0 {
			v.claimed[e.index] = e
		}
	}
	return v, nil
}

// again reads a list until it did not change meanwhile.
func again[T any](list func() ([]T, error)) (all []T, err error) {
	for range maxDumps {
		if all, err = list(); !errors.Is(err, rtnetlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

func (v *view) put(l rtnetlink.Link) {
	a := l.Attrs()
	v.index[a.Index], v.name[a.Name] = l, l
	if _, ok := l.(*rtnetlink.Macvlan); ok {
		v.mac[onWire{a.ParentIndex, hardware(l)}] = l
	}
}

func (v *view) forget(l rtnetlink.Link) {
	a := l.Attrs()
	delete(v.index, a.Index)
	delete(v.name, a.Name)
	delete(v.mac, onWire{a.ParentIndex, hardware(l)})
	delete(v.claimed, a.Index)
}

func (v *view) taken(name string) bool { return v.name[name] != nil || v.planned[name] }

// base is the interface that a link on parent will stand on: the kernel puts a
// macvlan on a macvlan beside it. nil means that it is not there.
func (v *view) base(parent string) rtnetlink.Link {
	l := v.name[parent]
	switch l.(type) {
	case *rtnetlink.Macvlan, *rtnetlink.IPVlan:
		return v.index[l.Attrs().ParentIndex]
	}
	return l
}

// hardware is an interface's MAC; zero where it has none of six bytes.
func hardware(l rtnetlink.Link) (mac [6]byte) {
	if a := l.Attrs().HardwareAddr; len(a) == len(mac) {
		mac = [6]byte(a)
	}
	return mac
}

// is reports whether l is of the kind e wants, on that base.
func (e *entry) is(l, base rtnetlink.Link) bool {
	ok := false
	switch l := l.(type) {
	case *rtnetlink.Macvlan:
		ok = e.want.Kind == VMAC
	case *rtnetlink.IPVlan:
		ok = e.want.Kind == IPVLAN && l.Mode == rtnetlink.IPVLAN_MODE_L2
	}
	return ok && l.Attrs().ParentIndex == base.Attrs().Index
}

// bind finds the interface that stands for an entry, or the name under which to
// make one.
func (d *Door) bind(v *view, e *entry) {
	base := v.base(e.want.Parent)
	if l := v.index[e.index]; e.index != 0 && (base == nil || l == nil || !e.is(l, base)) {
		d.unbind(v, e)
	}
	if base == nil {
		d.fail(e, fmt.Errorf("there is no interface %s; %s is made on it when it appears", e.want.Parent, e.want.what()))
		return
	}
	e.base, e.baseIx, e.parent = base.Attrs().Name, base.Attrs().Index, hardware(base)
	if e.index == 0 {
		d.find(v, e, base)
	}
	if l := v.index[e.index]; l != nil && l.Attrs().Name != e.name { // renamed by another hand
		d.state.strike(e.name)
		if e.name = l.Attrs().Name; !e.spare {
			d.state.record(e.name, e.address())
		}
	}
}

// find looks for a matching interface; where there is none, it plans one.
func (d *Door) find(v *view, e *entry, base rtnetlink.Link) {
	if e.want.Kind == VMAC {
		if l := v.mac[onWire{e.baseIx, e.want.mac()}]; l != nil && v.claimed[l.Attrs().Index] == nil && !d.misnamed(v, e, l) {
			d.adopt(v, e, l)
			return
		}
	}
	name := e.want.Name
	if name != "" && v.name[name] != nil {
		name = d.named(v, e, base, v.name[name])
	}
	if e.index != 0 {
		return
	}
	if name == "" || v.planned[name] {
		name = e.want.freeName(func(name string) bool { return v.taken(name) && !d.leftover(v, e, base, name) })
	}
	if l := v.name[name]; l != nil {
		d.adopt(v, e, l)
		return
	}
	e.name = name
	v.planned[name] = true
	d.state.record(name, e.address())
}

// misnamed deletes a VMAC that an earlier life made under another name than it
// would get now, and reports whether it did: two cannot have the same MAC.
func (d *Door) misnamed(v *view, e *entry, l rtnetlink.Link) bool {
	name := l.Attrs().Name
	if _, ours := d.state.ledger.Links[name]; !ours || e.want.mayBeCalled(name) || d.handle.LinkDel(l) != nil {
		return false
	}
	d.state.strike(name)
	v.forget(l)
	return true
}

// leftover reports whether the interface of that name is of the door's making,
// free, and such as e wants.
func (d *Door) leftover(v *view, e *entry, base rtnetlink.Link, name string) bool {
	mac, ours := d.state.ledger.Links[name]
	l := v.name[name]
	return ours && l != nil && v.claimed[l.Attrs().Index] == nil && mac == e.address() && e.is(l, base)
}

// named deals with an interface that bears the configured name: one of the kind
// is adopted and set right, or deleted where it stands on another parent; any
// other is somebody else's. It returns the name that may be used, if any.
func (d *Door) named(v *view, e *entry, base, l rtnetlink.Link) string {
	name := l.Attrs().Name
	_, macvlan := l.(*rtnetlink.Macvlan)
	switch {
	case v.claimed[l.Attrs().Index] != nil:
		d.warn(e, fmt.Errorf("the name %s is another instance's; %s gets another", name, e.want.what()))
		return ""
	case e.is(l, base):
		d.adopt(v, e, l)
	case macvlan && e.want.Kind == VMAC:
		if err := d.handle.LinkDel(l); err != nil {
			d.warn(e, fmt.Errorf("%s stands on another interface than %s and cannot be deleted: %w; the VMAC gets another name", name, e.want.Parent, err))
			return ""
		}
		v.forget(l)
	default:
		d.warn(e, fmt.Errorf("there is an interface %s already and it is no %s on %s; the one that is made gets another name", name, e.want.kind(), e.want.Parent))
		return ""
	}
	return name
}

// adopt takes an interface that was there. Only what the ledger has is ours to
// delete.
func (d *Door) adopt(v *view, e *entry, l rtnetlink.Link) {
	a := l.Attrs()
	e.index, e.name, e.up = a.Index, a.Name, false
	_, ours := d.state.ledger.Links[a.Name]
	e.spare = !ours
	v.claimed[a.Index] = e
}

// unbind notes that an entry's interface is gone, or stands for it no more.
func (d *Door) unbind(v *view, e *entry) {
	delete(v.claimed, e.index)
	if v.index[e.index] == nil {
		d.state.strike(e.name)
	}
	if e.made != (Event{}) {
		d.tell(e, Event{Kind: Gone, Name: e.name, Index: e.index})
	}
	*e = entry{want: e.want, owners: e.owners, failed: e.failed, warned: e.warned}
}

// address is the entry's MAC in writing, as the ledger has it.
func (e *entry) address() string {
	if e.want.Kind == IPVLAN {
		return ""
	}
	mac := e.want.mac()
	return net.HardwareAddr(mac[:]).String()
}

// create makes what bind planned.
func (d *Door) create(v *view, e *entry) {
	if e.index != 0 || e.baseIx == 0 || e.name == "" {
		return
	}
	attrs := rtnetlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = e.name, e.baseIx
	err := d.handle.LinkAdd(e.want.link(attrs))
	var l rtnetlink.Link
	if err == nil {
		l, err = d.handle.LinkByName(e.name)
	}
	if err != nil {
		d.state.strike(e.name)
		d.fail(e, explain(e, fmt.Errorf("cannot make %s %s on %s: %w", e.want.kind(), e.name, e.want.Parent, err)))
		return
	}
	e.index = l.Attrs().Index
	v.put(l)
	v.claimed[e.index] = e
}

// link is what the kernel is asked for.
func (l Link) link(attrs rtnetlink.LinkAttrs) rtnetlink.Link {
	if l.Kind == IPVLAN {
		return &rtnetlink.IPVlan{LinkAttrs: attrs, Mode: rtnetlink.IPVLAN_MODE_L2, Flag: rtnetlink.IPVlanFlag(l.Mode)}
	}
	mac := l.mac()
	attrs.HardwareAddr = mac[:]
	return &rtnetlink.Macvlan{LinkAttrs: attrs, Mode: rtnetlink.MACVLAN_MODE_PRIVATE}
}

// drop deletes the interface of an entry nobody wants any more, if it is ours.
func (d *Door) drop(v *view, e *entry) {
	if e.index != 0 && !e.spare {
		d.remove(v, v.index[e.index], e.name, e.address())
	}
	delete(v.claimed, e.index)
}

// dropLeftovers deletes what an earlier life made and nobody wants.
func (d *Door) dropLeftovers(v *view) {
	if !d.state.cleaned {
		return
	}
	for name, mac := range d.state.ledger.Links {
		l := v.name[name]
		if !v.planned[name] && (l == nil || v.claimed[l.Attrs().Index] == nil) {
			d.remove(v, l, name, mac)
		}
	}
}

// remove deletes an interface of ours, unless another stands in its place.
func (d *Door) remove(v *view, l rtnetlink.Link, name, mac string) {
	d.state.strike(name)
	if l == nil || !sameMake(l, mac) {
		return
	}
	if err := d.handle.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
		d.notify(Event{Kind: Failed, Owner: NoOwner, Name: name, Err: fmt.Errorf("cannot delete %s: %w; ip link delete %s does it by hand", name, err, name)})
	}
	v.forget(l)
}

// sameMake reports whether an interface is of the kind and MAC the ledger has.
func sameMake(l rtnetlink.Link, mac string) bool {
	if _, ok := l.(*rtnetlink.IPVlan); ok {
		return mac == ""
	}
	_, ok := l.(*rtnetlink.Macvlan)
	return ok && l.Attrs().HardwareAddr.String() == mac
}

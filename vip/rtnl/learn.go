package rtnl

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// learn takes in what the kernel reported.
func (d *Door) learn(batch []change) {
	now := time.Now()
	for i := range batch {
		c := &batch[i]
		switch {
		case c.lost:
			d.state.resyncAt, d.state.unsteady = now, false
		case c.link.Index != 0 && c.linkGone:
			d.linkGone(c.link.Index)
		case c.link.Index != 0:
			d.linkSeen(c.link, now)
		case c.config.index != 0:
			d.forwardingSeen(c.config, now)
		case c.policy.body != nil:
			d.policySeen(c.policy, now)
		case c.addrGone:
			d.tellAddress(c.addr, true)
			d.addrGone(c.addr, c.port, now)
		default:
			d.tellAddress(c.addr, false)
			d.addrSeen(c.addr, now)
		}
	}
}

// linkSeen notes a link's description. Addresses that are absent are added when
// the link appears, gets its name or comes up: going down takes IPv6 addresses.
func (d *Door) linkSeen(l Link, now time.Time) {
	old, known := d.links.put(l)
	if known && old == l {
		return
	}
	d.state.touched = append(d.state.touched, l.Index)
	renamed := known && old.Name != l.Name
	if renamed {
		d.nameGone(old, true)
	}
	if !known || renamed || l.Admin && !old.Admin || l.Up && !old.Up {
		d.state.missingOn(l.Name, now)
	}
	if old.Name != l.Name || old.Admin != l.Admin || old.Up != l.Up || old.Table != l.Table {
		d.state.recheck(now)
	}
}

// forwardingSeen notes that a link became one of a router, or ceased to be:
// the kernel tells it apart from the link.
func (d *Door) forwardingSeen(c linkConfig, now time.Time) {
	if l, ok := d.links.indexed(c.index); ok {
		l.Forwarding = c.forwarding
		d.linkSeen(l, now)
	}
}

func (d *Door) linkGone(index int) {
	if old, known := d.links.remove(index); known {
		d.nameGone(old, false)
		d.state.recheck(time.Now())
	}
}

// nameGone notes that no link of that name stands at old's index any more. A
// link that only changed its name still carries the addresses.
func (d *Door) nameGone(old Link, renamed bool) {
	for e := range d.state.on(old.Name) {
		if e.index != old.Index {
			continue
		}
		if renamed {
			d.state.queue = append(d.state.queue, request{kind: vip.Remove, entry: e, index: old.Index, owner: e.owners[0]})
		}
		d.state.misses(e, time.Time{})
	}
	d.notify(Event{Kind: LinkGone, Link: old})
}

// wanted finds the entry of a reported address.
func (d *Door) wanted(a standing) (*entry, Link) {
	link, ok := d.links.indexed(a.index)
	if !ok {
		return nil, link
	}
	return d.state.find(vip.Key{Link: link.Name, Prefix: a.prefix, Peer: a.peer}), link
}

// tellAddress tells of an address that the kernel reported.
func (d *Door) tellAddress(a standing, gone bool) {
	if link, ok := d.links.indexed(a.index); ok {
		d.notify(Event{Kind: AddressChanged, Address: vip.Address{Link: link.Name, Prefix: a.prefix}, Gone: gone})
	}
}

func (d *Door) addrSeen(a standing, now time.Time) {
	e, _ := d.wanted(a)
	if a.flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
		d.state.recheckMissing(now) // routes may have waited for it
	}
	switch {
	case e != nil && a.flags&unix.IFA_F_DADFAILED != 0:
		d.duplicate(e, a.index, now)
	case e != nil && e.checking && a.flags&unix.IFA_F_TENTATIVE != 0: // not known yet
	case e != nil:
		refusals := e.refusals
		d.state.stands(e, a.index)
		if e.own {
			d.ownSeen(a)
		}
		if refusals > 0 { // somebody else did what we could not
			d.tellRestored(e, 0, false)
		}
		d.checked(e, a)
	default:
		d.ownSeen(a)
	}
}

// ownSeen notes an address of the link's own once it can be used.
func (d *Door) ownSeen(a standing) {
	usable := a.flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0
	if usable && d.links.addAddress(a.index, a.prefix) {
		d.state.touched = append(d.state.touched, a.index)
	}
}

// checked tells the owners of an address anew what stands once the kernel has
// found that no other host has it.
func (d *Door) checked(e *entry, a standing) {
	if !e.checking {
		return
	}
	e.checking = false
	for _, owner := range e.owners {
		d.notify(Event{Kind: Applied, Owner: owner, Set: d.state.applied(owner)})
	}
}

// duplicate deals with an address the kernel refuses to use because another
// host answered for it. Where no detection was asked for, it is added afresh
// without; else its owners are told, and it is tried again later: the other host
// may give it up.
func (d *Door) duplicate(e *entry, index int, now time.Time) {
	d.state.queue = append(d.state.queue, request{kind: vip.Remove, entry: e, index: index, owner: e.owners[0]})
	if !e.address.DAD {
		d.state.loses(e, 0, now)
		return
	}
	e.checking = false
	err := fmt.Errorf("another host on %s uses %v: duplicate address detection failed; the address is of no use here and is tried again until that host gives it up, see 'ip neigh' for who it is", e.address.Link, e.address.Prefix.Addr())
	d.refused(e, err, now.Add(e.patience()))
}

func (d *Door) addrGone(a standing, port uint32, now time.Time) {
	e, link := d.wanted(a)
	d.state.recheck(now)
	if (e == nil || e.own) && d.links.removeAddress(a.index, a.prefix) {
		d.state.touched = append(d.state.touched, a.index)
	}
	switch {
	case e != nil && e.index == 0: // known, and what is to be done about it
	case e != nil && link.Admin && (!e.noTrack || port == d.commands.port):
		d.state.loses(e, port, now)
	case e != nil:
		d.state.misses(e, time.Time{})
	}
}

// load reads the links, then the addresses, as they are now.
func (d *Door) load() error {
	now := time.Now()
	err := d.commands.dump(unix.RTM_GETLINK, make([]byte, linkmsgLen), d.links.reset, func(m message) {
		if l, ok := decodeLink(m.body); ok && m.kind == unix.RTM_NEWLINK {
			d.links.put(l)
		}
	})
	if err != nil {
		return fmt.Errorf("reading the interfaces: %w", err)
	}
	err = d.commands.dump(unix.RTM_GETADDR, make([]byte, addrmsgLen), d.state.forget, func(m message) {
		if a, ok := decodeAddr(m.body); ok && m.kind == unix.RTM_NEWADDR {
			d.addrSeen(a, now)
		}
	})
	if errors.Is(err, errUnsteady) { // as while thousands go: the rest comes as notifications
		d.state.unsteady, d.state.resyncAt = true, now.Add(longPause)
		err = nil
	}
	if err != nil {
		return fmt.Errorf("reading the addresses: %w", err)
	}
	d.state.touched = d.state.touched[:0]
	return nil
}

// forget notes of every address that it is not known to stand.
func (s *state) forget() {
	for link := range s.byLink {
		for e := range s.on(link) {
			s.misses(e, time.Time{})
		}
	}
}

// resync reads everything anew after notifications were lost, or where it changed
// while it was read, and repairs what went unseen.
func (d *Door) resync(now time.Time) {
	before, lost := d.Links(), !d.state.unsteady
	d.state.resyncAt, d.state.unsteady = time.Time{}, false
	err := d.load()
	if err != nil {
		d.state.resyncAt = now.Add(longPause)
	}
	if lost {
		d.notify(Event{Kind: Resynced, Err: err})
	}
	for _, old := range before {
		if l, ok := d.links.indexed(old.Index); !ok || l.Name != old.Name {
			d.nameGone(old, ok)
		}
	}
	for _, l := range d.links.all() {
		d.state.touched = append(d.state.touched, l.Index)
		d.state.missingOn(l.Name, now)
	}
	d.state.policy.forget(&d.state, now)
}

package link

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Settings of linux Documentation/networking/ip-sysctl.rst, below
// net/ipv4/conf/INTERFACE and net/ipv6/conf/INTERFACE.
const (
	ipv4 = "net/ipv4/conf/"
	ipv6 = "net/ipv6/conf/"

	allReversePath     = ipv4 + "all/rp_filter"
	defaultReversePath = ipv4 + "default/rp_filter"
)

// validPath reports whether a path stays below /proc/sys/net.
func validPath(path string) bool {
	return strings.HasPrefix(path, "net/") && filepath.Clean(path) == path
}

// readSysctl and writeSysctl work on the namespace of the calling thread.
func readSysctl(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join("/proc/sys", path))
	return strings.TrimSpace(string(text)), err
}

func writeSysctl(path, value string) error {
	f, err := os.OpenFile(filepath.Join("/proc/sys", path), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// needs lists every setting that is needed now, with the index of the interface
// it belongs to. Of two for one path the first counts.
func (d *Door) needs(v *view) (list []setting) {
	reverse := false
	for _, e := range d.state.order {
		if e.index == 0 {
			continue
		}
		list = e.needs(list)
		reverse = reverse || e.want.Kind == VMAC && !e.want.IPv6
	}
	for _, owner := range slices.Sorted(maps.Keys(d.state.wants)) {
		for _, s := range d.state.wants[owner].Sysctls {
			list = append(list, setting{Path: s.Path, Set: s.Value, Index: indexOf(v, s.Path)})
		}
	}
	if reverse {
		list = d.moveReversePath(v, list)
	}
	return list
}

// needs lists the settings of one interface. A VMAC shares its wire with its
// base, so each of them answers for its own addresses alone (arp_ignore,
// arp_filter); the director's own packets come back to it (accept_local) from
// where no route leads (rp_filter).
func (e *entry) needs(list []setting) []setting {
	set := func(family, link, name, value string, index int) {
		list = append(list, setting{Path: family + link + "/" + name, Set: value, Index: index})
	}
	set(ipv6, e.name, "addr_gen_mode", "1", e.index) // IN6_ADDR_GEN_MODE_NONE
	switch {
	case e.want.IPv6:
		set(ipv6, e.name, "disable_ipv6", "0", e.index)
	case e.want.NoIPv6:
		set(ipv6, e.name, "disable_ipv6", "1", e.index)
	}
	if e.want.Kind == IPVLAN {
		return list
	}
	set(ipv4, e.name, "arp_ignore", "1", e.index)
	if e.want.IPv6 {
		return list
	}
	set(ipv4, e.name, "accept_local", "1", e.index)
	set(ipv4, e.name, "rp_filter", "0", e.index)
	set(ipv4, e.name, "promote_secondaries", "1", e.index)
	set(ipv4, e.base, "arp_ignore", "1", e.baseIx)
	set(ipv4, e.base, "arp_filter", "1", e.baseIx)
	return list
}

// moveReversePath moves all.rp_filter to every interface but the VMACs. The
// kernel uses the higher of the two, so as long as "all" filters, a VMAC does.
// "default" goes before everything else: the kernel copies it to every interface
// whose own value nobody wrote yet, VMACs among them.
func (d *Door) moveReversePath(v *view, list []setting) []setting {
	all := d.original(allReversePath, 0)
	if all <= 0 {
		return list
	}
	raise := func(path string, index int) {
		if was := d.original(path, index); was >= 0 && was < all {
			list = append(list, setting{Path: path, Set: strconv.Itoa(all), Index: index})
		}
	}
	for name, l := range v.name {
		if e := v.claimed[l.Attrs().Index]; e == nil || e.want.Kind != VMAC || e.want.IPv6 {
			raise(ipv4+name+"/rp_filter", l.Attrs().Index)
		}
	}
	first := len(list)
	raise(defaultReversePath, 0)
	list = append(list[first:len(list):len(list)], list[:first]...)
	return append(list, setting{Path: allReversePath, Set: "0"})
}

// original is a setting's value without the door's doing, -1 if it has none.
func (d *Door) original(path string, index int) int {
	text := ""
	if s := d.state.held[path]; s != nil && s.Index == index {
		text = s.Old
	} else {
		text, _ = readSysctl(path)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// indexOf is the index of the interface that a path names, 0 if none.
func indexOf(v *view, path string) int {
	parts := strings.Split(path, "/")
	if len(parts) != 5 || parts[2] != "conf" || v.name[parts[3]] == nil {
		return 0
	}
	return v.name[parts[3]].Attrs().Index
}

// settleSysctls sets what is needed and puts back what is not any more, each
// noted in the ledger before. It reports whether all of it worked.
func (d *Door) settleSysctls(v *view) bool {
	s := &d.state
	needed := make(map[string]bool)
	var fresh []*setting
	for _, n := range d.needs(v) {
		if needed[n.Path] {
			continue
		}
		needed[n.Path] = true
		if held := s.held[n.Path]; held != nil && held.Set == n.Set && held.Index == n.Index && !held.inherited {
			continue
		}
		if x := d.prepare(n); x != nil {
			fresh = append(fresh, x)
		}
	}
	d.save()
	whole := true
	for _, x := range fresh {
		whole = d.apply(v, x) && whole
	}
	d.putBack(v, needed)
	return whole
}

// prepare notes what a setting is now. nil means that the kernel has no such
// setting: of IPv6 where that is switched off, and of an interface just gone.
func (d *Door) prepare(n setting) *setting {
	if !validPath(n.Path) {
		d.fault(n.Path, fmt.Errorf("%s is no setting below /proc/sys/net", n.Path))
		return nil
	}
	now, err := readSysctl(n.Path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			d.fault(n.Path, fmt.Errorf("cannot read %s: %w", n.Path, err))
		}
		return nil
	}
	s, x := &d.state, &setting{Path: n.Path, Old: now, Set: n.Set, Index: n.Index}
	if held := s.held[n.Path]; held != nil && held.Index == n.Index && held.Set == now {
		x.Old = held.Old
	}
	s.forget(n.Path)
	s.held[n.Path] = x
	if x.Old != x.Set {
		s.ledger.Sysctls, s.dirty = append(s.ledger.Sysctls, x), true
	}
	return x
}

// apply writes a setting. One that cannot be written is forgotten, so that it
// is tried again.
func (d *Door) apply(v *view, x *setting) bool {
	now, err := readSysctl(x.Path)
	if err == nil && now != x.Set {
		if err = writeSysctl(x.Path, x.Set); err == nil {
			d.tellSysctl(v, x, now, x.Set)
		}
	}
	if err != nil {
		d.state.forget(x.Path)
		err = fmt.Errorf("cannot set %s to %s: %w; set it by hand, or make /proc/sys writable", x.Path, x.Set, err)
	}
	d.fault(x.Path, err)
	return err == nil
}

// forget takes a setting off the ledger.
func (s *state) forget(path string) {
	x := s.held[path]
	if x == nil {
		return
	}
	delete(s.held, path)
	if i := slices.Index(s.ledger.Sysctls, x); i >= 0 {
		s.ledger.Sysctls = slices.Delete(s.ledger.Sysctls, i, i+1)
		s.dirty = true
	}
}

// putBack restores what nobody needs any more, the last first, unless somebody
// else changed it meanwhile. What an earlier life set waits for Clean.
func (d *Door) putBack(v *view, needed map[string]bool) {
	s := &d.state
	for path, x := range s.held {
		if !needed[path] && x.Old == x.Set {
			delete(s.held, path)
		}
	}
	kept := s.ledger.Sysctls[:0:0]
	for _, x := range slices.Backward(s.ledger.Sysctls) {
		if needed[x.Path] || !s.cleaned && x.inherited {
			kept = append(kept, x)
			continue
		}
		delete(s.held, x.Path)
		s.dirty = true
		d.restore(v, x)
	}
	slices.Reverse(kept)
	s.ledger.Sysctls = kept
}

// restore puts one setting back, if it is still the door's, on the interface
// it was made for.
func (d *Door) restore(v *view, x *setting) {
	if x.Index != 0 && v.index[x.Index] == nil {
		return
	}
	now, err := readSysctl(x.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err == nil && now != x.Set:
		d.notify(Event{Kind: Warned, Owner: NoOwner, Path: x.Path, Err: fmt.Errorf("%s was changed to %s by another hand and is left so; before it was set to %s it was %s", x.Path, now, x.Set, x.Old)})
		return
	case err == nil:
		err = writeSysctl(x.Path, x.Old)
	}
	if err != nil {
		d.fault(x.Path, fmt.Errorf("cannot put %s back to %s: %w; set it by hand", x.Path, x.Old, err))
		return
	}
	d.tellSysctl(v, x, x.Set, x.Old)
}

func (d *Door) tellSysctl(v *view, x *setting, old, now string) {
	ev := Event{Kind: SysctlChanged, Owner: NoOwner, Path: x.Path, Old: old, New: now}
	if e := v.claimed[x.Index]; x.Index != 0 && e != nil {
		ev.Name = e.name
	}
	d.notify(ev)
}

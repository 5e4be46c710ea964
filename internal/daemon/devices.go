package daemon

import (
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"keepgo/internal/ha"
	viplink "keepgo/vip/link"
)

// devices makes the interfaces instances have of their own, once the first one
// wants any, and brings what is made of them to the loop.
type devices struct {
	log  func(format string, args ...any)
	file string // the door's state file
	door *viplink.Door

	mu   sync.Mutex
	made map[int]ha.Event // what the loop has not heard yet, by instance
	C    chan struct{}
}

func newDevices(log func(format string, args ...any)) *devices {
	return &devices{log: log, made: map[int]ha.Event{}, C: make(chan struct{}, 1)}
}

// open opens the door. It is opened too when an earlier life left something to
// put back.
func (d *devices) open() error {
	if d.door != nil {
		return nil
	}
	var err error
	d.door, err = viplink.Open(viplink.Options{Notify: d.hear, StateFile: d.file})
	return err
}

// set asks for an instance's device, or gives it up.
func (d *devices) set(id int, want *ha.Device) {
	if want == nil && d.door == nil {
		return
	}
	if err := d.open(); err != nil {
		d.log("%v", err)
		return
	}
	var w viplink.Want
	if want != nil {
		w.Links = []viplink.Link{translate(want)}
	}
	d.door.Set(id, w)
}

// translate says it in the door's words.
func translate(w *ha.Device) viplink.Link {
	l := viplink.Link{
		Parent: w.Parent, Name: w.Name, Prefix: w.Prefix, VRID: w.VRID, IPv6: w.IPv6, MAC: w.MAC,
		NoIPv6: w.NoIPv6, LinkLocal: w.IPv6 && !w.XmitBase && !w.IPVLAN, Address: w.Address, Notify: w.Notify,
		Group: w.Group, OwnGroup: w.OwnGroup,
	}
	if w.IPVLAN {
		l.Kind = viplink.IPVLAN
		l.Mode = map[string]viplink.Mode{"private": viplink.Private, "vepa": viplink.VEPA}[w.Mode]
	}
	return l
}

// hear hears the door, on its goroutine.
func (d *devices) hear(ev viplink.Event) {
	switch ev.Kind {
	case viplink.Made:
		d.post(ev.Owner, ha.Link{Name: ev.Name, Index: ev.Index}, ev.Source)
	case viplink.Gone:
		d.post(ev.Owner, ha.Link{}, netip.Addr{})
	case viplink.Failed, viplink.Warned:
		d.log("%v", ev.Err)
	case viplink.Tested:
		if ev.Err != nil {
			d.log("%v", ev.Err)
		}
	case viplink.SysctlChanged:
		d.log("sysctl %s: %s -> %s", ev.Path, ev.Old, ev.New)
	}
}

func (d *devices) post(id int, l ha.Link, source netip.Addr) {
	d.mu.Lock()
	d.made[id] = ha.Event{Kind: ha.EventDevice, ID: id, Link: l, Source: source}
	d.mu.Unlock()
	select {
	case d.C <- struct{}{}:
	default:
	}
}

// take is what the loop has not heard yet.
func (d *devices) take() []ha.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	var events []ha.Event
	for _, ev := range d.made {
		events = append(events, ev)
	}
	clear(d.made)
	return events
}

// clean deletes what an earlier life left and nobody wants.
func (d *devices) clean() {
	if _, err := os.Stat(d.file); d.door == nil && err != nil {
		return
	}
	if err := d.open(); err != nil {
		d.log("%v", err)
		return
	}
	d.door.Clean()
}

// close carries out what was set last.
func (d *devices) close() error {
	if d.door == nil {
		return nil
	}
	return d.door.Close()
}

// stateFile is where the VRRP process keeps what it must put back, beside its
// pid file: it lives as long as the machine does.
func stateFile(o Options) string {
	return filepath.Join(filepath.Dir(o.VRRPPIDFile), "keepgo_links.json")
}

package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"sync"

	"keepgo/internal/ha"
	"keepgo/internal/status"
	viplink "keepgo/vip/link"
	"keepgo/vip/rtnl"
)

// devices makes the interfaces instances have of their own, once the first one
// wants any, and brings what is made of them to the loop.
type devices struct {
	log  func(format string, args ...any)
	file string // the door's state file
	door *viplink.Door

	quiet  bool          // IGMP is kept from reporting
	hushed chan struct{} // it does by now, or never will

	promotes map[int]bool // instances that want promote_secondaries

	mu   sync.Mutex
	made map[deviceID]ha.Event // what the loop has not heard yet
	test map[string]string     // how the first frame of each device fared
	C    chan struct{}
}

// deviceID is a device of an instance.
type deviceID struct {
	instance int
	key      ha.DeviceKey
}

func newDevices(log func(format string, args ...any)) *devices {
	return &devices{log: log, made: map[deviceID]ha.Event{}, promotes: map[int]bool{}, test: map[string]string{},
		hushed: make(chan struct{}, 1), C: make(chan struct{}, 1)}
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

// set asks for the devices of an instance, and for promote_secondaries on a link,
// and gives up what it had beside.
func (d *devices) set(id int, want []ha.Device, promoted string) {
	if len(want) == 0 && promoted == "" && d.door == nil {
		return
	}
	if err := d.open(); err != nil {
		d.log("%v", err)
		return
	}
	var w viplink.Want
	for i := range want {
		w.Links = append(w.Links, translate(&want[i]))
	}
	if delete(d.promotes, id); promoted != "" {
		d.promotes[id] = true
		w.Sysctls = []viplink.Sysctl{{Path: "net/ipv4/conf/" + promoted + "/promote_secondaries", Value: "1"}}
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
		d.post(ev, ha.Link{Name: ev.Name, Index: ev.Index})
	case viplink.Gone:
		d.post(ev, ha.Link{})
	case viplink.Failed, viplink.Warned:
		d.log("%v", ev.Err)
	case viplink.Tested:
		d.tested(ev)
	case viplink.SysctlChanged:
		d.log("sysctl %s: %s -> %s", ev.Path, ev.Old, ev.New)
	}
	if ev.Kind == viplink.Failed || ev.Path == igmpReports {
		select {
		case d.hushed <- struct{}{}:
		default:
		}
	}
}

// tested notes and tells how the first frame of a device fared.
func (d *devices) tested(ev viplink.Event) {
	result := "heard"
	if ev.Err != nil {
		result = ev.Err.Error()
		d.log("%v", ev.Err)
	} else {
		d.log("%s stands on %s: a frame sent from it was heard leaving there", ev.Name, ev.Base)
	}
	d.mu.Lock()
	d.test[ev.Name] = result
	d.mu.Unlock()
}

// outcomes completes a status with how the first frames fared.
func (d *devices) outcomes(instances []status.Instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range instances {
		for k := range instances[i].Devices {
			dev := &instances[i].Devices[k]
			dev.Test = d.test[dev.Name]
		}
	}
}

func (d *devices) post(ev viplink.Event, l ha.Link) {
	id := deviceID{ev.Owner, ha.DeviceKey{Parent: ev.Link.Parent, IPv6: ev.Link.IPv6}}
	d.mu.Lock()
	delete(d.test, ev.Name)
	d.made[id] = ha.Event{Kind: ha.EventDevice, ID: id.instance, Device: id.key, Link: l, Source: ev.Source}
	d.mu.Unlock()
	d.poke()
}

// take is what the loop has not heard yet, but for devices that are not known
// yet where addresses are put on them: those wait for recheck.
func (d *devices) take(known func(name string) (rtnl.Link, bool)) []ha.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	var events []ha.Event
	for id, ev := range d.made {
		if k, _ := known(ev.Link.Name); ev.Link.Name != "" && k.Index != ev.Link.Index {
			continue
		}
		events = append(events, ev)
		delete(d.made, id)
	}
	return events
}

// recheck has what waits taken again.
func (d *devices) recheck() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.made) > 0 {
		d.poke()
	}
}

func (d *devices) poke() {
	select {
	case d.C <- struct{}{}:
	default:
	}
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

// close carries out what was set last, once all addresses are gone.
func (d *devices) close() error {
	if d.door == nil {
		return nil
	}
	for id := range d.promotes {
		d.door.Set(id, viplink.Want{})
	}
	return d.door.Close()
}

// stateFile is where the VRRP process keeps what it must put back, beside its
// pid file: it lives as long as the machine does.
func stateFile(o Options) string {
	dir, name := filepath.Split(o.VRRPPIDFile)
	return dir + "keepgo_" + strings.TrimSuffix(name, ".pid") + "_links.json"
}

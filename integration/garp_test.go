package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

const announceConf = `global_defs {
	vrrp_version 3
	vrrp_garp_master_repeat 3
	vrrp_garp_master_delay 1
}
vrrp_instance four {
	interface eth0
	virtual_router_id 51
	priority 200
	advert_int 1
	virtual_ipaddress {
		10.0.0.100/24
		10.0.0.101/24
	}
	virtual_ipaddress_excluded {
		10.0.0.102/24
		fd00::102/64
		fd00::103
	}
}
vrrp_instance virtual {
	interface eth0
	virtual_router_id 52
	priority 200
	advert_int 1
	use_vmac
	virtual_ipaddress {
		10.0.0.110/24
		10.0.0.111
	}
}
vrrp_instance six {
	interface eth0
	virtual_router_id 53
	priority 200
	advert_int 1
	use_vmac
	virtual_ipaddress {
		fe80::110
		fd00::110/64
	}
}
`

// announcements are the frames that announced addresses unasked, in their
// order, by the station and the protocol: a lane each.
func announcements(w *world, d *director, since time.Time, addrs ...string) map[string][]string {
	lanes := map[string][]string{}
	for _, a := range w.sniff.ARPs(since) {
		if a.From == d.Host && a.Gratuitous() && slices.Contains(addrs, a.Sender.String()) {
			lane := fmt.Sprintf("%v %v", a.MAC, a.Sender.Is6())
			lanes[lane] = append(lanes[lane], fmt.Sprintf("%x", a.Frame))
		}
	}
	return lanes
}

func count(lanes map[string][]string) (n int) {
	for _, frames := range lanes {
		n += len(frames)
	}
	return n
}

// TestAnnouncementsEqualKeepalived: after a takeover the same frames go out in
// the same order, byte for byte, from hosts and from routers.
func TestAnnouncementsEqualKeepalived(t *testing.T) {
	for _, forwarding := range []string{"0", "1"} {
		t.Run("forwarding "+forwarding, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, theirs, ours)
			w.do(w.a.Sysctl("net/ipv6/conf/all/forwarding", forwarding))
			w.a.configure(announceConf)
			addrs := []string{"10.0.0.100", "10.0.0.101", "10.0.0.102", "10.0.0.110", "10.0.0.111", "fd00::102", "fd00::103", "fe80::110", "fd00::110"}
			var said [2]map[string][]string
			for i, program := range []daemon{theirs, ours} {
				w.a.daemon = program
				since := time.Now()
				w.a.start()
				w.eventually(string(program)+" announces all twice", func() bool {
					return count(announcements(w, w.a, since, addrs...)) >= 2*3*len(addrs)
				})
				w.a.stop()
				said[i] = announcements(w, w.a, since, addrs...)
			}
			if len(said[0]) != 4 {
				t.Errorf("keepalived speaks in %d lanes", len(said[0]))
			}
			for lane, want := range said[0] {
				if got := said[1][lane]; !slices.Equal(got, want) {
					t.Errorf("%s\n got %s\nwant %s", lane, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
				}
			}
		})
	}
}

// gaps are the distances between the announcements of a set of addresses, in
// the order they came.
func gaps(arps []netlab.ARP, of func(netlab.ARP) bool) (all []time.Duration) {
	var last time.Time
	for _, a := range arps {
		if !a.Gratuitous() || !of(a) {
			continue
		}
		if !last.IsZero() {
			all = append(all, a.At.Sub(last))
		}
		last = a.At
	}
	return all
}

// TestGarpGroupSpacesInterfacesTogether: two interfaces of a group, one of them
// with a VMAC, share the distance; a third has its own.
func TestGarpGroupSpacesInterfacesTogether(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "2.2.7 counts VMACs apart")
	w := newWorld(t, ours, ours)
	for i, link := range []string{"eth1", "eth2"} {
		lan := must(w.lab.Switch(link))(t)
		w.do(w.a.Attach(link, lan, netip.MustParsePrefix(fmt.Sprintf("10.%d.0.1/24", i+1))))
	}
	const instance = `vrrp_instance on_%s {
	interface %s
	virtual_router_id 51
	priority 255
	garp_master_delay 0
	garp_master_repeat 4
	%s
	virtual_ipaddress {
		10.%d.0.100/24
		10.%d.0.101/24
	}
}
`
	const spacing = 100 * time.Millisecond
	w.a.configure("global_defs {\n vrrp_garp_interval 0.02\n}\ngarp_group slow {\n garp_interval 0.1\n interfaces {\n eth0 eth1\n }\n}\n" +
		fmt.Sprintf(instance, "eth0", "eth0", "", 0, 0) + fmt.Sprintf(instance, "eth1", "eth1", "use_vmac", 1, 1) + fmt.Sprintf(instance, "eth2", "eth2", "", 2, 2))
	since := time.Now()
	w.a.start()
	ofGroup := func(a netlab.ARP) bool {
		return a.From == w.a.Host && a.Sender.Is4() && a.Sender.As4()[1] < 2 && a.Sender.As4()[3] >= 100
	}
	alone := func(a netlab.ARP) bool {
		return a.From == w.a.Host && strings.HasPrefix(a.Sender.String(), "10.2.0.10")
	}
	w.eventually("all announcements", func() bool {
		all := w.sniff.ARPs(since)
		return len(gaps(all, ofGroup)) >= 15 && len(gaps(all, alone)) >= 7
	})
	// The pacer's clock is read before the frame leaves: frames may come closer
	// than they were spaced by as much as the machine is late with one of them.
	var total time.Duration
	for _, gap := range gaps(w.sniff.ARPs(since), ofGroup) {
		total += gap
	}
	if least := 14 * spacing; total < least {
		t.Errorf("16 announcements of the group took %v, want at least %v", total, least)
	}
	total = 0
	for _, gap := range gaps(w.sniff.ARPs(since), alone) {
		total += gap
	}
	if least := 6 * 20 * time.Millisecond; total < least {
		t.Errorf("8 announcements on eth2 took %v, want at least %v", total, least)
	}
}

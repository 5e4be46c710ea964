package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// shape is a configuration of many alike instances.
type shape struct {
	instances int
	interval  time.Duration
	priority  int // 255 owns its addresses and is MASTER at once
	vips      int // of each instance; beyond the first they are not advertised
	group     bool
	changed   int // instances with one address more
}

// wide is one instance with many addresses.
func wide(vips int) shape {
	return shape{instances: 1, interval: 100 * time.Millisecond, priority: 100, vips: vips}
}

// perLink is how many instances stand on one interface.
const perLink = 250

// links is how many interfaces the shape takes.
func (s *shape) links() int { return (s.instances + perLink - 1) / perLink }

// voice is the router of an instance.
func voiceOf(i int) voice { return voice{link: i / perLink, vrid: uint8(i%perLink + 1)} }

func voices(n int) []voice {
	all := make([]voice, n)
	for i := range all {
		all[i] = voiceOf(i)
	}
	return all
}

// String is the text of it.
func (s *shape) String() string {
	var b strings.Builder
	b.WriteString("global_defs {\n router_id bench\n vrrp_version 3\n}\n")
	if s.group {
		b.WriteString("vrrp_sync_group G {\n group {\n")
		for i := range s.instances {
			fmt.Fprintf(&b, "  I%d\n", i)
		}
		b.WriteString(" }\n}\n")
	}
	for i := range s.instances {
		s.instance(&b, i)
	}
	return b.String()
}

func (s *shape) instance(b *strings.Builder, i int) {
	v := voiceOf(i)
	state := "BACKUP"
	if s.priority == 255 {
		state = "MASTER"
	}
	fmt.Fprintf(b, "vrrp_instance I%d {\n state %s\n interface %s\n virtual_router_id %d\n priority %d\n advert_int %g\n garp_master_delay 1\n virtual_ipaddress {\n  %s/32\n }\n",
		i, state, linkName(v.link), v.vrid, s.priority, s.interval.Seconds(), s.vip(i, 0))
	if s.vips > 1 || i < s.changed {
		b.WriteString(" virtual_ipaddress_excluded {\n")
		for n := 1; n < max(s.vips, 1); n++ {
			fmt.Fprintf(b, "  %s/32\n", s.vip(i, n))
		}
		if i < s.changed {
			fmt.Fprintf(b, "  10.250.0.%d/32\n", i+1)
		}
		b.WriteString(" }\n")
	}
	b.WriteString("}\n")
}

// vip is the n-th address of an instance. A single instance spreads its
// addresses over the third byte.
func (s *shape) vip(i, n int) netip.Addr {
	v := voiceOf(i)
	if s.vips > 250 {
		return vipOf(v.link, 1+n/250, n%250)
	}
	return vipOf(v.link, int(v.vrid), n)
}

// skew is the time of RFC 9568 section 6.1 that a backup waits beyond three
// intervals, or, after priority 0, at all.
func (s *shape) skew() time.Duration {
	return time.Duration(256-s.priority) * s.interval / 256
}

// down is Master_Down_Interval, RFC 9568 section 6.1.
func (s *shape) down() time.Duration { return 3*s.interval + s.skew() }

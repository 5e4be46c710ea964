package integration

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"keepgo/internal/netlab"
)

// richConf has every option of an address that is more than its own words, on
// VMACs and off, and routes and rules of the common kinds.
const richConf = `global_defs {
	vrrp_version 3
	vmac_addr_prefix xtra
}
static_ipaddress {
	10.4.0.1/24 dev eth1 label eth1:own brd + scope link
	fd04::1/64 dev eth1 mngtmpaddr noprefixroute preferred_lft forever
}
static_routes {
	10.14.0.0/16 via 10.2.0.9 dev eth1 metric 5 mtu 1400
	fd14::/64 via fd02::9 dev eth1 pref high
	blackhole 10.15.0.0/16 table 200
}
static_rules {
	from 10.14.0.0/16 table 200 preference 50
	to fd14::/64 blackhole preference 51
}
track_group all {
	group {
		rich
	}
}
vrrp_instance rich {
	interface eth0
	virtual_router_id 51
	priority 255
	use_vmac
	use_vmac_addr
	virtual_ipaddress {
		10.0.0.100/24 brd 10.0.0.255
		10.2.0.100/24 dev eth1
	}
	virtual_ipaddress_excluded {
		10.2.0.101/24 dev eth1 noprefixroute
		fd02::100/64 dev eth1 -nodad
		fd02::101/64 dev eth1 home
		fd02::102 dev eth1
		239.1.1.1/32 dev eth1 autojoin
	}
	virtual_routes {
		10.11.0.0/16 via 10.0.0.9
		10.12.0.0/16 nexthop via 10.0.0.8 dev eth0 weight 3 nexthop via 10.2.0.9 dev eth1 weight 250
		10.13.0.0/16 encap ip id 7 dst 10.0.0.9 ttl 9 dev eth0
		fd11::/64 nexthop via fd00::8 dev eth0 weight 2 nexthop via fd00::9 dev eth0
		default via 10.0.0.9 table 300
	}
	virtual_rules {
		from 10.0.0.100 table 300 preference 60
		iif eth1 fwmark 5 table 300 preference 61
	}
}
vrrp_instance alone {
	interface eth1
	virtual_router_id 52
	priority 255
	virtual_ipaddress {
		10.2.0.110/24 use_vmac
		10.2.0.111/24
	}
}
`

// twoLinks gives a director a second interface.
func twoLinks(w *world, d *director) {
	lan := must(w.lab.Switch("second"))(w.t)
	w.do(d.Attach("eth1", lan, netip.MustParsePrefix("10.2.0.1/24"), netip.MustParsePrefix("fd02::1/64")))
}

// stood is what a host's ip(8) tells of it, each line once and without what is
// another at every run.
func stood(w *world, h *netlab.Host) map[string]bool {
	lines := map[string]bool{}
	for _, args := range []string{"-d addr", "-d route show table all", "-d -6 route show table all", "-d rule", "-d -6 rule"} {
		p := must(h.Start("sh", "-c", "ip "+args))(w.t)
		w.do(p.Err())
		link := ""
		for line := range strings.Lines(p.Log()) {
			if m := linkLine.FindStringSubmatch(line); m != nil {
				link = m[1]
			}
			line = passing.ReplaceAllString(line, "")
			lines[strings.Join(strings.Fields(args+" "+link+": "+line), " ")] = true
		}
	}
	return lines
}

var (
	linkLine = regexp.MustCompile(`^\d+: (\S+): `)
	// Indices, and the protocol that 2.2.7 does not yet give an address.
	passing = regexp.MustCompile(`^\d+:| proto (0x12|keepalived)| expires \d+sec|promiscuity \d+|(preferred_lft|valid_lft) [1-9]\d*sec`)
)

// TestWhatStandsEqualsKeepalived: of one rich configuration the same stands, and
// afterwards the same is left, which is what was there before.
func TestWhatStandsEqualsKeepalived(t *testing.T) {
	t.Parallel()
	w := newWorld(t, theirs, ours)
	twoLinks(w, w.a)
	w.a.configure(richConf)
	w.eventually("the links are ready", func() bool {
		now := stood(w, w.a.Host)
		return len(with(now, "inet6 fe80:")) == 2 && !has(now, "tentative")
	})
	before := stood(w, w.a.Host)
	var stands [2]map[string]bool
	for i, program := range []daemon{theirs, ours} {
		w.a.daemon = program
		w.a.start()
		whole := func() bool {
			now := stood(w, w.a.Host)
			return has(now, "10.0.0.100/24") && has(now, "10.2.0.111/24") && has(now, "fwmark 0x5") && has(now, "fd02::102/128") && !has(now, "tentative")
		}
		w.eventually(string(program)+" holds all", whole)
		netlab.Until(patience, func() bool { // nothing changes any more; ours comes to what keepalived has, or tells below what not
			last := stands[i]
			stands[i] = stood(w, w.a.Host)
			same := last
			if program == ours {
				same = stands[0]
			}
			return len(same) > 0 && len(extra(same, stands[i]))+len(extra(stands[i], same)) == 0
		})
		w.a.stop()
		if !netlab.Until(patience, func() bool { return len(extra(before, stood(w, w.a.Host))) == 0 }) {
			t.Errorf("%s leaves %v", program, extra(before, stood(w, w.a.Host)))
		}
	}
	for _, line := range extra(stands[0], stands[1]) {
		t.Errorf("keepalived has not %s", line)
	}
	for _, line := range extra(stands[1], stands[0]) {
		t.Errorf("keepalived alone has %s", line)
	}
}

func has(lines map[string]bool, text string) bool {
	for line := range lines {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// with are those lines that have a text.
func with(lines map[string]bool, text string) (some []string) {
	for line := range lines {
		if strings.Contains(line, text) {
			some = append(some, line)
		}
	}
	return some
}

// extra is what is in lines beside those of known.
func extra(known, lines map[string]bool) (more []string) {
	for line := range lines {
		if !known[line] {
			more = append(more, line)
		}
	}
	return more
}

// sysctls are all settings of interfaces, as they stand below /proc/sys/net.
func sysctls(w *world, h *netlab.Host) map[string]bool {
	lines := map[string]bool{}
	w.do(h.Do(func() error {
		for _, pattern := range []string{"/proc/sys/net/ipv4/conf/*/*", "/proc/sys/net/ipv6/conf/*/*"} {
			files, err := filepath.Glob(pattern)
			if err != nil {
				return err
			}
			for _, file := range files {
				text, _ := os.ReadFile(file) // some can only be written
				lines[fmt.Sprintf("%s = %s", file, text)] = true
			}
		}
		return nil
	}))
	return lines
}

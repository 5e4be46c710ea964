package rtnl

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// optionLines holds every option of a route that the running kernel takes, and
// how ip(8) shows it.
var optionLines = []struct{ line, shown string }{
	{"10.9.0.0/24 via 10.0.0.2", "unicast 10.9.0.0/24 via 10.0.0.2 dev v0 table main scope global"},
	{"10.9.1.0/24 dev v0 scope link src 10.0.0.1", "unicast 10.9.1.0/24 dev v0 table main scope link src 10.0.0.1"},
	{"10.9.2.0/24 via 10.0.0.2 tos 0x10 table 300 metric 7", "unicast 10.9.2.0/24 tos 0x10 via 10.0.0.2 dev v0 table 300 scope global metric 7"},
	{"10.9.3.0/24 via 10.0.0.2 realms 3/4", "unicast 10.9.3.0/24 via 10.0.0.2 dev v0 table main scope global realms 3/4"},
	{"10.9.4.0/24 nexthop via 10.0.0.2 weight 2 nexthop via 10.0.0.3 realms 5",
		"unicast 10.9.4.0/24 table main scope global nexthop via 10.0.0.2 dev v0 weight 2"},
	{"10.9.5.0/24 via 10.77.0.1 dev v0 onlink", "unicast 10.9.5.0/24 via 10.77.0.1 dev v0 table main scope global onlink"},
	{"10.9.6.0/24 via inet6 fd00::2", "unicast 10.9.6.0/24 via inet6 fd00::2 dev v0 table main scope global"},
	{"10.9.7.0/24 dev v0 features ecn quickack 1 fastopen_no_cookie 1 congctl reno hoplimit 5 initcwnd 4 initrwnd 6 reordering 4 ssthresh 9 cwnd 5 window 100 mtu lock 1400 advmss 1300",
		"unicast 10.9.7.0/24 dev v0 table main scope global mtu lock 1400 window 100 ssthresh 9 cwnd 5 advmss 1300 reordering 4 hoplimit 5 initcwnd 4 features ecn initrwnd 6 quickack 1 congctl reno fastopen_no_cookie 1"},
	{"10.9.8.0/24 dev v0 rtt 300ms rttvar lock 1s rto_min 20ms", "unicast 10.9.8.0/24 dev v0 table main scope global rtt 300ms rttvar lock 1s rto_min lock 20ms"},
	{"10.9.9.0/24 encap ip id 5 dst 1.2.3.4 src 1.2.3.5 tos 8 ttl 9 dev v0", "unicast 10.9.9.0/24 encap ip id 5 src 1.2.3.5 dst 1.2.3.4 ttl 9 tos 8 dev v0 table main scope global"},
	{"10.9.10.0/24 encap ip6 id 5 dst fd00::9 tc 3 hoplimit 4 dev v0", "unicast 10.9.10.0/24 encap ip6 id 5 src :: dst fd00::9 hoplimit 4 tc 3 dev v0 table main scope global"},
	{"10.9.11.0/24 via 10.0.0.2 ttl-propagate enabled", "unicast 10.9.11.0/24 via 10.0.0.2 dev v0 table main scope global"},
	{"blackhole 10.9.12.0/24", "blackhole 10.9.12.0/24 table main scope global"},
	{"unreachable 10.9.13.0/24 metric 7", "unreachable 10.9.13.0/24 table main scope global metric 7"},
	{"prohibit 10.9.14.0/24", "prohibit 10.9.14.0/24 table main scope global"},
	{"throw 10.9.15.0/24", "throw 10.9.15.0/24 table main scope global"},
	{"local 10.9.16.1 dev v0", "local 10.9.16.1 dev v0 table main scope host"},
	{"broadcast 10.9.17.255 dev v0", "broadcast 10.9.17.255 dev v0 table main scope link"},
	{"multicast 239.1.0.0/16 dev v0", "multicast 239.1.0.0/16 dev v0 table main scope global"},
	{"default via 10.0.0.2 metric 9 append", "unicast default via 10.0.0.2 dev v0 table main scope global metric 9"},
	{"10.9.18.0/24 via 10.0.0.2 add", "unicast 10.9.18.0/24 via 10.0.0.2 dev v0 table main scope global"},
	{"fd01::/64 via fd00::2", "unicast fd01::/64 via fd00::2 dev v0 table main scope global metric 1024 pref medium"},
	{"fd02::/64 dev v0 pref high expires 1000", "unicast fd02::/64 dev v0 table main scope global metric 1024 expires "},
	{"fd03::/64 from fd05::/64 via fd00::2 metric 3 src fd00::1", "unicast fd03::/64 from fd05::/64 via fd00::2 dev v0 table main scope global src fd00::1 metric 3 pref medium"},
	{"fd04::/64 nexthop via fd00::2 weight 2 nexthop via fd00::3 weight 5", "unicast fd04::/64 table main scope global metric 1024 pref medium nexthop via fd00::2 dev v0 weight 2"},
	{"blackhole fd06::/64", "blackhole fd06::/64 dev lo table main scope global metric 1024 pref medium"},
	{"fd07::/64 dev v0 mtu 1300 congctl lock reno table 400", "unicast fd07::/64 dev v0 table 400 scope global metric 1024 mtu 1300 congctl lock reno pref medium"},
	{"fd08::/64 encap ip6 id 7 dst fd00::9 dev v0", "unicast fd08::/64 encap ip6 id 7 src :: dst fd00::9 hoplimit 0 tc 0 dev v0 table main scope global metric 1024 pref medium"},
	{"inet6 default via fe80::9 dev v0 pref low", "unicast default via fe80::9 dev v0 table main scope global metric 1024 pref low"},
}

func TestEveryRouteOption(t *testing.T) {
	w := newRoutedWorld(t)
	var all vip.Want
	for _, o := range optionLines {
		all.Routes = append(all.Routes, route(t, o.line))
	}
	w.setAll(1, all)
	shown := make([]string, 0, len(optionLines))
	for _, line := range w.routes() {
		shown = append(shown, strings.Join(strings.Fields(line), " "))
	}
	for _, o := range optionLines {
		if !slices.ContainsFunc(shown, func(s string) bool { return strings.HasPrefix(s, o.shown) }) {
			t.Errorf("%s\nis not shown as %s", o.line, o.shown)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(shown, "\n"))
	}
	readsBackAsItself(t, w, all.Routes)
	again, err := Open(Options{Notify: w.note}) // another run adopts all of it
	w.must(err)
	again.SetAll(1, all)
	again.Set(bystander, nil)
	w.expect("the end of the second run", func(e Event) bool {
		if e.Kind == Failed || e.Kind == Restored {
			t.Errorf("adopting: %v %v", e.Route, e.Err)
		}
		return e.Kind == Applied && e.Owner == bystander
	})
	w.must(again.Close())
	w.setAll(1, vip.Want{})
	if left := w.routes(); len(left) != 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

// readsBackAsItself reads the kernel's table with the door's own eyes.
func readsBackAsItself(t *testing.T, w *world, routes []vip.Route) {
	t.Helper()
	c, err := newCommander()
	w.must(err)
	defer c.close()
	var stand []vip.Route
	for _, six := range []bool{false, true} {
		body := make([]byte, rtmsgLen)
		body[0] = familyOf(six)
		w.must(c.dump(unix.RTM_GETROUTE, body, func() {}, func(m message) {
			if r, ok := decodeRoute(m.body, w.door.links.name); ok {
				stand = append(stand, r)
			}
		}))
	}
	for _, r := range routes {
		if !slices.ContainsFunc(stand, r.StandsAs) {
			i := slices.IndexFunc(stand, func(k vip.Route) bool { return k.Key() == r.Key() })
			if i < 0 {
				t.Errorf("%s is not read back", r)
				continue
			}
			t.Errorf("%s\nis read back as %s", r, stand[i])
		}
	}
}

var ruleLines = []struct{ line, shown string }{
	{"from 10.1.0.0/16 table 100 preference 50", "50: from 10.1.0.0/16 lookup 100 proto keepalived"},
	{"to 10.3.0.1/16 blackhole pref 51", "51: from all to 10.3.0.1/16 blackhole proto keepalived"},
	{"from 10.4.0.0/16 iif v0 oif nosuch tos 0x10 fwmark 24/12 pref 39 goto 40", "39: from 10.4.0.0/16 tos 0x10 fwmark 0x18/0xc iif v0 oif nosuch [detached] goto 40 [unresolved] proto keepalived"},
	{"fwmark 5 table 100 realms 3/4 pref 52", "52: from all fwmark 0x5 lookup 100 realms 3/4 proto keepalived"},
	{"from 10.5.0.0/16 l3mdev pref 53", "53: from 10.5.0.0/16 lookup [l3mdev-table] proto keepalived"},
	{"to 10.6.0.0/16 uidrange 5-10 ipproto tcp sport 80-90 dport 5 table 100 suppress_prefixlength 3 suppress_ifgroup 5 pref 54",
		"54: from all to 10.6.0.0/16 uidrange 5-10 ipproto tcp sport 80-90 dport 5 lookup 100 suppress_prefixlength 3 suppress_ifgroup 5 proto keepalived"},
	{"tunnel-id 5 table 1000 pref 55", "55: from all tun_id 5 lookup 1000 proto keepalived"},
	{"not from 10.8.0.0/16 nop pref 56", "56: not from 10.8.0.0/16 nop proto keepalived"},
	{"from 10.9.0.0/16 type unreachable pref 57", "57: from 10.9.0.0/16 unreachable proto keepalived"},
	{"to 10.2.3.4 prohibit pref 58", "58: from all to 10.2.3.4 prohibit proto keepalived"},
	{"from fd00::/16 table 100 pref 59", "59: from fd00::/16 lookup 100 proto keepalived"},
	{"inet6 fwmark 9 sport 5 table main sup_pl 0 pref 60", "60: from all fwmark 0x9 sport 5 lookup main suppress_prefixlength 0 proto keepalived"},
	{"from 10.10.0.0/16 table 7", "16384: from 10.10.0.0/16 lookup 7 proto keepalived"},
	{"from 10.11.0.0/16 table 7", "16383: from 10.11.0.0/16 lookup 7 proto keepalived"},
}

func TestEveryRuleOption(t *testing.T) {
	w := newRoutedWorld(t)
	var all vip.Want
	for _, o := range ruleLines {
		all.Rules = append(all.Rules, rule(t, o.line))
	}
	w.setAll(1, all)
	var shown []string
	for _, line := range w.rules() {
		shown = append(shown, strings.Join(strings.Fields(line), " "))
	}
	for _, o := range ruleLines {
		if !slices.Contains(shown, o.shown) {
			t.Errorf("%s\nis not shown as %s", o.line, o.shown)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(shown, "\n"))
	}
	again, err := Open(Options{Notify: w.note})
	w.must(err)
	again.SetAll(1, all)
	again.Set(bystander, nil)
	w.expect("the end of the second run", func(e Event) bool {
		if e.Kind == Failed || e.Kind == Restored {
			t.Errorf("adopting: %v %v", e.Rule, e.Err)
		}
		return e.Kind == Applied && e.Owner == bystander
	})
	w.must(again.Close())
	if got := w.rules(); len(got) != len(ruleLines) {
		t.Errorf("%d rules after a second run, %d are wanted", len(got), len(ruleLines))
	}
	w.setAll(1, vip.Want{})
	if left := w.rules(); len(left) != 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

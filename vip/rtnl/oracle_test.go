package rtnl

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"keepgo/vip"
)

// oracleRoutes are lines whose effect is the same in keepalived 2.2.7. Left out
// is where it stumbles: local and broadcast routes, whose scope the kernel then
// refuses, rto_min, which is not locked and so of no effect, times below 200
// milliseconds, which it rounds up, and inet, which swallows a word.
var oracleRoutes = []string{
	"10.9.0.0/24 via 10.0.0.2", "10.9.1.0/24 dev v0", "10.9.2.0/24 via 10.0.0.2 src 10.0.0.100 table 300 metric 7",
	"10.9.3.0/24 gw 10.0.0.2 realms 3/4", "10.9.4.0/24 via 10.0.0.2 or 10.0.0.3", "10.9.5.0/24 via 10.77.0.1 dev v0 onlink",
	"10.9.6.0/24 nexthop via 10.0.0.2 weight 2 nexthop via 10.0.0.3 dev v0 weight 256 realms 5",
	"10.9.7.0/24 dev v0 features ecn quickack 1 fastopen_no_cookie 1 congctl reno hoplimit 5 initcwnd 4 initrwnd 6 reordering 4 ssthresh 9 cwnd 5 window 100 mtu lock 1400 advmss 1300",
	"10.9.8.0/24 dev v0 rtt 300ms rttvar lock 1s", "10.9.9.0/24 encap ip id 5 dst 1.2.3.4 src 1.2.3.5 tos 8 ttl 9 dev v0",
	"10.9.10.0/24 encap ip6 id 5 dst fd00::9 tc 3 hoplimit 4 dev v0", "10.9.11.0/24 dev v0 tos 0x10 scope link",
	"blackhole 10.9.12.0/24", "unreachable 10.9.13.0/24 metric 7", "prohibit 10.9.14.0/24", "throw 10.9.15.0/24", "multicast 239.1.0.0/16 dev v0",
	"default via 10.0.0.2 metric 9 append", "to 10.9.16.0/24 via 10.0.0.2 ttl-propagate enabled add", "10.9.17.0/24 via 10.0.0.2 table 010",
	"fd01::/64 via fd00::2", "fd02::/64 dev v0 pref high", "fd03::/64 from fd05::/64 via fd00::2 metric 3", "default6 via fd00::2",
	"fd04::/64 nexthop via fd00::2 weight 2 nexthop via fd00::3 weight 5", "blackhole fd06::/64", "fd07::1/64 dev v0 mtu 1300 congctl lock reno table 400",
}

// oracleRules leave out single ports, which it refuses, and inet.
var oracleRules = []string{
	"from 10.1.0.0/16 table 100", "from 10.2.0.0/16 table 100 preference 50", "to 10.3.0.1/16 blackhole", "from fd00::/16 table 100",
	"from 10.4.0.0/16 iif v0 oif v1 tos 16 fwmark 24/12 preference 39 goto 40", "from 10.5.0.0/16 l3mdev",
	"to 10.6.0.0/16 uidrange 5-10 ipproto tcp sport 80-90 dport 5-5 table 100 suppress_prefixlength 3 suppress_ifgroup 5",
	"tunnel-id 5 table 1000 from 10.7.0.0/16", "not from 10.8.0.0/16 nop", "from 10.9.0.0/16 type unreachable", "fwmark 5 lookup 100",
	"from 10.10.0.0/16 table main realms 3/4 sup_pl 0", "to 10.11.0.1 prohibit", "to fd00::/16 blackhole", "iif v0 table 44 order 7",
}

const oracleConf = `vrrp_instance VI {
 state MASTER
 interface v0
 virtual_router_id 7
 priority 200
 version 3
 advert_int 0.1
 virtual_ipaddress {
  10.0.0.100/24
 }
 virtual_routes {
  %s
 }
 virtual_rules {
  %s
 }
}
`

// keepalived runs it in the world's namespace and returns how to end it.
func (w *world) keepalived(conf string) (stop func()) {
	w.t.Helper()
	program, err := exec.LookPath("keepalived")
	if err != nil {
		w.t.Skip("needs keepalived")
	}
	dir := w.t.TempDir()
	file := filepath.Join(dir, "keepalived.conf")
	w.must(os.WriteFile(file, []byte(conf), 0o600))
	cmd := exec.Command(program, "--dont-fork", "--vrrp", "--log-console", "--no-syslog", "--use-file="+file,
		"--pid="+filepath.Join(dir, "pid"), "--vrrp_pid="+filepath.Join(dir, "vrrp.pid"))
	w.must(cmd.Start())
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // gone already is as good
		_ = cmd.Wait()
	})
	w.t.Cleanup(stop)
	return stop
}

// Of what keepalived 2.2.7 makes of the same lines, nothing differs.
func TestSameAsKeepalived(t *testing.T) {
	w := newRoutedWorld(t)
	w.running("v0", "v1")
	stop := w.keepalived(fmt.Sprintf(oracleConf, strings.Join(oracleRoutes, "\n  "), strings.Join(oracleRules, "\n  ")))
	w.until("all that keepalived adds", func() bool {
		return has(w.kernel("v0"), "10.0.0.100/24") && len(w.routes()) >= len(oracleRoutes) && len(w.rules()) == len(oracleRules)
	})
	routes, rules := w.routes(), w.rules()
	stop()
	w.until("all gone again", func() bool { return len(w.routes())+len(w.rules()) == 0 })

	all := vip.Want{Addresses: vip.Set{address("v0", "10.0.0.100/24")}}
	for _, line := range oracleRoutes {
		all.Routes = append(all.Routes, route(t, line))
	}
	for _, line := range oracleRules {
		all.Rules = append(all.Rules, rule(t, line))
	}
	w.setAll(1, all)
	same(t, "routes", w.routes(), routes)
	same(t, "rules", w.rules(), rules)
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s: keepalived has not %s", what, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s: keepalived alone has %s", what, line)
		}
	}
}

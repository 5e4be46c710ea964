package rtnl

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/vip"
)

var hostNames = vip.ReadNames(os.DirFS("/"), vip.NameDirs("", "")...)

func route(t testing.TB, line string) vip.Route {
	t.Helper()
	r, err := vip.ParseRoute(strings.Fields(line), hostNames)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return r
}

func rule(t testing.TB, line string) vip.Rule {
	t.Helper()
	r, err := vip.ParseRule(strings.Fields(line), hostNames)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return r
}

// ip runs ip(8) in the world's namespace, which is the thread's.
func (w *world) ip(args ...string) string {
	w.t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newRoutedWorld has addresses on v0, so that gateways are in reach.
func newRoutedWorld(t testing.TB) *world {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip(8)")
	}
	w := newWorld(t, Options{})
	w.ip("address", "add", "10.0.0.1/24", "dev", "v0")
	w.ip("address", "add", "fd00::1/64", "dev", "v0", "nodad")
	return w
}

// setAll makes the door want all and waits until it was carried out: the next
// owner's turn comes after all of this one's.
func (w *world) setAll(owner int, all vip.Want) {
	w.t.Helper()
	w.door.SetAll(owner, all)
	w.settled()
}

const bystander = 1 << 20

func (w *world) settled() {
	w.t.Helper()
	w.door.Set(bystander, nil)
	w.expect("the turn of the next", func(e Event) bool {
		if e.Kind == Failed {
			w.t.Errorf("told of %v", e.Err)
		}
		return e.Kind == Applied && e.Owner == bystander
	})
}

// routes lists the routes of protocol 18 in all tables, as ip(8) shows them.
func (w *world) routes() []string {
	w.t.Helper()
	var out []string
	for _, family := range []string{"-4", "-6"} {
		for line := range strings.Lines(strings.ReplaceAll(w.ip(family, "-d", "route", "show", "table", "all", "proto", "18"), "\n\t", " ")) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	slices.Sort(out)
	return slices.Compact(out) // ip(8) lists IPv6 routes of all tables twice
}

func (w *world) rules() []string {
	w.t.Helper()
	var out []string
	for _, family := range []string{"-4", "-6"} {
		for line := range strings.Lines(w.ip(family, "rule", "show")) {
			if strings.Contains(line, "proto keepalived") {
				out = append(out, strings.TrimSpace(line))
			}
		}
	}
	return out
}

// until waits for the kernel to agree.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: never; routes %v, rules %v", what, w.routes(), w.rules())
		}
		runtime.Gosched()
	}
}

// The order shows where a route needs the owner's own address, and a rule is
// shown with it by ip -j.
func TestOrderOfASet(t *testing.T) {
	w := newWorld(t, Options{})
	all := vip.Want{
		Addresses: vip.Set{address("v0", "10.5.0.1/24")},
		Routes:    []vip.Route{route(t, "10.6.0.0/24 via 10.5.0.9 src 10.5.0.1"), route(t, "default via 10.5.0.9 table 100")},
		Rules:     []vip.Rule{rule(t, "from 10.5.0.1 table 100")},
	}
	w.setAll(1, all)
	var shown []struct{ Dst, Gateway, Prefsrc string }
	w.must(json.Unmarshal([]byte(w.ip("-j", "route", "show", "proto", "18")), &shown))
	if len(shown) != 1 || shown[0].Dst != "10.6.0.0/24" || shown[0].Gateway != "10.5.0.9" || shown[0].Prefsrc != "10.5.0.1" {
		t.Errorf("routes %+v", shown)
	}
	var rules []struct {
		Priority   int
		Src, Table string
	}
	w.must(json.Unmarshal([]byte(w.ip("-j", "rule", "show", "pref", "16384")), &rules))
	if len(rules) != 1 || rules[0].Src != "10.5.0.1" || rules[0].Table != "100" {
		t.Errorf("rules %+v", rules)
	}
	w.setAll(1, vip.Want{})
	if len(w.routes())+len(w.rules())+len(w.kernel("v0")) != 0 {
		t.Errorf("left behind: %v %v %v", w.routes(), w.rules(), w.kernel("v0"))
	}
}

func TestForeignHandsOnRoutesAndRules(t *testing.T) {
	w := newRoutedWorld(t)
	w.setAll(7, vip.Want{
		Routes: []vip.Route{route(t, "10.9.0.0/24 via 10.0.0.2"), route(t, "fd01::/64 via fd00::2"),
			route(t, "fd02::/64 nexthop via fd00::2 weight 2 nexthop via fd00::3")},
		Rules: []vip.Rule{rule(t, "from 10.9.0.0/24 table 100")},
	})
	before := fmt.Sprint(w.routes(), w.rules())
	for _, tt := range []struct{ told, hand string }{
		{"10.9.0.0/24", "route del 10.9.0.0/24"},
		{"10.9.0.0/24", "route replace 10.9.0.0/24 via 10.0.0.9"},
		{"fd01::/64", "-6 route del fd01::/64"},
		{"fd02::/64", "-6 route del fd02::/64"},
		{"fd02::/64", "-6 route del fd02::/64 via fd00::3"},
		{"from 10.9.0.0/24", "rule del from 10.9.0.0/24"},
	} {
		w.ip(strings.Fields(tt.hand)...)
		e := w.expectKind(Restored)
		if e.Owner != 7 || e.Port == 0 {
			t.Errorf("%s: owner %d, port %d", tt.hand, e.Owner, e.Port)
		}
		if e.Route != nil && e.Route.Dst.String() != tt.told || e.Rule != nil && !strings.HasPrefix(e.Rule.String(), tt.told) || e.Route == nil && e.Rule == nil {
			t.Errorf("%s: told of %v %v", tt.hand, e.Route, e.Rule)
		}
		if strings.Contains(tt.hand, "replace") {
			w.ip("route", "del", "10.9.0.0/24", "via", "10.0.0.9")
		}
	}
	if after := fmt.Sprint(w.routes(), w.rules()); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}

func TestRoutesOfAnotherProtocolAreFollowed(t *testing.T) {
	w := newRoutedWorld(t)
	w.setAll(1, vip.Want{Routes: []vip.Route{route(t, "10.9.0.0/24 via 10.0.0.2")}})
	w.setAll(2, vip.Want{Routes: []vip.Route{route(t, "10.9.1.0/24 via 10.0.0.2 protocol 5")}})
	w.ip("route", "del", "10.9.1.0/24")
	if e := w.expectKind(Restored); e.Owner != 2 || e.Route.Protocol != 5 {
		t.Errorf("told of %+v", e)
	}
}

func TestNoTrackIsLeftAlone(t *testing.T) {
	w := newRoutedWorld(t)
	w.setAll(1, vip.Want{
		Routes: []vip.Route{route(t, "10.9.0.0/24 via 10.0.0.2 no_track"), route(t, "10.9.1.0/24 via 10.0.0.2")},
		Rules:  []vip.Rule{rule(t, "from 10.9.0.0/24 table 100 no_track")},
	})
	w.ip("rule", "del", "from", "10.9.0.0/24")
	w.ip("route", "del", "10.9.0.0/24")
	w.ip("route", "del", "10.9.1.0/24")
	if e := w.expectKind(Restored); e.Route == nil || e.Route.NoTrack {
		t.Errorf("told of %+v", e)
	}
	if got := w.routes(); len(got) != 1 || len(w.rules()) != 0 {
		t.Errorf("routes %v, rules %v", got, w.rules())
	}
}

func TestRoutesDroppedInSilence(t *testing.T) {
	w := newRoutedWorld(t)
	w.running("v0", "v1")
	w.setAll(1, vip.Want{Routes: []vip.Route{route(t, "10.9.0.0/24 via 10.0.0.2"), route(t, "10.9.1.0/24 dev v0 metric 5"), route(t, "fd01::/64 dev v0"),
		route(t, "10.9.2.0/24 nexthop dev v0 nexthop dev v1")}})
	back := func() bool { return len(w.routes()) == 4 }
	restored := func() {
		w.until("all of them back", back)
		w.expectKind(Restored)
	}

	w.must(w.hand.LinkSetDown(w.link("v0")))
	w.until("gone with the link", func() bool { return len(w.routes()) < 4 })
	w.must(w.hand.LinkSetUp(w.link("v0")))
	restored()

	w.ip("address", "add", "10.8.0.1/24", "dev", "v1")
	w.ip("address", "del", "10.8.0.1/24", "dev", "v1") // v1's last: all IPv4 routes over it go
	restored()

	w.ip("link", "del", "v0")
	w.until("gone with the link", func() bool { return len(w.routes()) == 0 })
	w.pair("v0", "v1")
	w.ip("address", "add", "10.0.0.1/24", "dev", "v0")
	restored()
}

// An owner that withdraws the last address of a link takes the routes of others
// along.
func TestOwnWithdrawalTakesNoRoutesAlong(t *testing.T) {
	w := newWorld(t, Options{})
	w.setAll(1, vip.Want{Routes: []vip.Route{route(t, "10.9.1.0/24 dev v0")}})
	w.set(2, vip.Set{address("v0", "10.5.0.1/24")})
	w.set(2, nil)
	w.expectKind(Restored)
	if got := w.routes(); len(got) != 1 {
		t.Errorf("routes %v", got)
	}
}

func TestRouteWaitsForItsGateway(t *testing.T) {
	w := newWorld(t, Options{})
	w.door.SetAll(1, vip.Want{Routes: []vip.Route{route(t, "10.9.0.0/24 via 10.0.0.2"), route(t, "10.9.1.0/24 dev later")}})
	for range 2 {
		e := w.expectKind(Failed)
		t.Log(e.Err)
		if e.Route == nil || e.Owner != 1 {
			t.Errorf("told %+v", e)
		}
	}
	if w.ip("address", "add", "10.0.0.1/24", "dev", "v0"); w.expectKind(Restored).Route.Dst.String() != "10.9.0.0/24" {
		t.Error("another route came back")
	}
	w.pair("later", "peer")
	if w.expectKind(Restored).Route.Dst.String() != "10.9.1.0/24" {
		t.Error("another route came back")
	}
}

func TestAnotherRouteInItsPlace(t *testing.T) {
	w := newRoutedWorld(t)
	w.ip("route", "add", "10.9.0.0/24", "via", "10.0.0.9")
	w.ip("-6", "route", "add", "fd01::/64", "via", "fd00::2", "mtu", "1300")
	w.ip("rule", "add", "not", "from", "10.9.0.0/24", "table", "100", "pref", "5", "protocol", "18")
	w.door.SetAll(1, vip.Want{Routes: []vip.Route{route(t, "10.9.0.0/24 via 10.0.0.2 add"), route(t, "fd01::/64 via fd00::2")},
		Rules: []vip.Rule{rule(t, "from 10.9.0.0/24 table 100 pref 5")}})
	for range 3 {
		e := w.expectKind(Failed)
		t.Log(e.Err)
		if e.Err == nil || !strings.Contains(e.Err.Error(), "stands there") {
			t.Errorf("told %v", e.Err)
		}
	}
	w.ip("route", "del", "10.9.0.0/24")
	w.ip("-6", "route", "del", "fd01::/64")
	w.ip("rule", "del", "pref", "5")
	w.until("all there", func() bool { return len(w.routes()) == 2 && len(w.rules()) == 1 })
}

func TestTwoOwnersOfARoute(t *testing.T) {
	w := newRoutedWorld(t)
	all := vip.Want{Routes: []vip.Route{route(t, "10.9.0.0/24 via 10.0.0.2")}, Rules: []vip.Rule{rule(t, "from 10.9.0.0/24 table 100 pref 7")}}
	w.setAll(1, all)
	w.setAll(2, all)
	w.setAll(1, vip.Want{})
	if len(w.routes()) != 1 || len(w.rules()) != 1 {
		t.Errorf("the second owner lost it: %v %v", w.routes(), w.rules())
	}
	w.setAll(2, vip.Want{})
	if len(w.routes())+len(w.rules()) != 0 {
		t.Errorf("nobody wants %v %v", w.routes(), w.rules())
	}
}

func TestCleanAll(t *testing.T) {
	w := newRoutedWorld(t)
	w.ip("route", "add", "10.9.0.0/24", "via", "10.0.0.2", "proto", "18")
	w.ip("rule", "add", "from", "10.9.0.0/24", "table", "100", "pref", "5", "protocol", "18")
	all := vip.Want{Routes: []vip.Route{route(t, "10.9.0.0/24 via 10.0.0.2"), route(t, "10.9.1.0/24 dev nosuch"), route(t, "10.9.2.0/24 dev v0"),
		route(t, "10.9.3.0/24 via 10.0.0.2")},
		Rules: []vip.Rule{rule(t, "from 10.9.0.0/24 table 100 pref 5"), rule(t, "from 10.9.0.0/24 table 100 pref 6")}}
	w.door.SetAll(1, vip.Want{Routes: all.Routes[2:3]})
	w.door.CleanAll(all)
	w.settled()
	if len(w.routes()) != 1 || len(w.rules()) != 0 {
		t.Errorf("left %v %v", w.routes(), w.rules())
	}
}

func TestManyRoutes(t *testing.T) {
	w := newRoutedWorld(t)
	var all vip.Want
	for i := range 600 {
		all.Routes = append(all.Routes, route(t, fmt.Sprintf("10.%d.%d.0/24 via 10.0.0.2", 100+i/256, i%256)))
	}
	w.setAll(1, all)
	if got := len(w.routes()); got != 600 {
		t.Errorf("%d routes", got)
	}
	w.ip("route", "flush", "proto", "18")
	w.until("all back", func() bool { return len(w.routes()) == 600 })
	w.setAll(1, vip.Want{})
	if got := len(w.routes()); got != 0 {
		t.Errorf("%d routes are left", got)
	}
}

func TestRepairsOfRoutesSlowDown(t *testing.T) {
	w := newRoutedWorld(t)
	w.setAll(1, vip.Want{Routes: []vip.Route{route(t, "10.9.0.0/24 via 10.0.0.2")}})
	start := time.Now()
	for range 3 { // at once, after 100 ms, after 200 ms
		w.ip("route", "del", "10.9.0.0/24")
		w.expectKind(Restored)
	}
	if d := time.Since(start); d < 300*time.Millisecond {
		t.Errorf("three repairs within %v", d)
	}
}

func BenchmarkThousandRoutes(b *testing.B) {
	w := newRoutedWorld(b)
	var all vip.Want
	for i := range 1000 {
		all.Routes = append(all.Routes, route(b, fmt.Sprintf("10.%d.%d.0/24 via 10.0.0.2", 100+i/256, i%256)))
	}
	for b.Loop() {
		w.setAll(1, all)
		w.setAll(1, vip.Want{})
	}
}

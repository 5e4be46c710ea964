package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"keepgo/confparse"
	"keepgo/internal/ha"
	"keepgo/internal/lb"
	"keepgo/ipvsctl"
	"keepgo/vip"
)

// bookkeeper is a parent that is told of a VRRP process which is not there. It is
// never complete, for want of the other one.
func bookkeeper() *parent {
	p := &parent{log: (&sink{opts: Options{NoSyslog: true}}).logger("", "", 1, scope{}), masters: map[string]bool{"VI_1": true}, lvs: &child{needed: true}}
	p.vrrp = &child{parent: p, name: VRRPProcess, needed: true}
	return p
}

// reloads puts a configuration in force that places the address 10.0.0.N.
func (p *parent) reloads(n byte) {
	if p.cfg != nil {
		p.former = append(p.former, p.cfg)
	}
	p.cfg = &confparse.Config{StaticAddresses: []confparse.Address{{Prefix: places(n)[0].Prefix, Interface: "eth0"}}}
	p.vrrp.hand(p.plan(p.vrrp, false))
}

// TestFormerPlacesAreKept: whenever the VRRP process dies over a reload, another is
// told of all that may stand still, and of nothing that has gone.
func TestFormerPlacesAreKept(t *testing.T) {
	for name, c := range map[string]struct {
		then  string // a number is a reload, r that a plan is in force, sN that all of the Nth stands
		left  string
		ready bool
	}{
		"before it has the second":             {"2", "[1]", false},
		"not all of the second stands":         {"2 r", "[1]", true},
		"all of the second stands":             {"2 r s2", "[]", true},
		"the third before the second is there": {"2 3 r", "[1 2]", false},
		"the second stands too late":           {"2 3 r s2", "[1 2]", false},
		"not all of the third stands":          {"2 3 r r s2", "[1 2]", true},
		"all of the third stands":              {"2 3 r r s2 s3", "[]", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := bookkeeper()
			for _, step := range strings.Fields("1 r s1 " + c.then) {
				var n int
				switch {
				case step == "r":
					p.heard(p.vrrp, fromChild{Ready: true})
				case step[0] == 's':
					_, _ = fmt.Sscanf(step, "s%d", &n)
					p.heard(p.vrrp, fromChild{Settled: n})
				default:
					_, _ = fmt.Sscan(step, &n)
					p.reloads(byte(n))
				}
			}
			if got := fmt.Sprint(bytesOf(addresses(p.left().Addresses))); p.vrrp.ready != c.ready || got != c.left {
				t.Errorf("left %s, ready: %v; want %s, %v", got, p.vrrp.ready, c.left, c.ready)
			}
		})
	}
}

// TestLeftIsToldHoweverLate: a process that begins anew, after a pause or because
// others may have been elected, is told of what stands as one that goes on is.
func TestLeftIsToldHoweverLate(t *testing.T) {
	for _, resumes := range []bool{false, true} {
		p := bookkeeper()
		p.reloads(1)
		p.reloads(2)
		p.vrrp.told, p.vrrp.died = nil, true
		m := toChild{HA: &ha.Plan{}}
		p.place(p.vrrp, &m, resumes)
		if got := bytesOf(addresses(m.HA.Left.Addresses)); fmt.Sprint(got) != "[1]" || !m.Replaces || (m.Resume != nil) != resumes {
			t.Errorf("resumes %v: told %v of %v, resume %v", resumes, m.Replaces, got, m.Resume)
		}
	}
}

// TestStoodIsKept: whenever the LVS process dies over a reload, another is told of
// all services that may stand still, and of none that have gone.
func TestStoodIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		then  string // a number is a reload, n none of services, t that the process tells of those it has, s that all is done, o all but the last plan
		stood string
	}{
		"before it told anything":       {"1", "[1]"},
		"at rest":                       {"1 t s", "[1]"},
		"before it has the second":      {"1 t s 2", "[1 1 2]"},
		"the third before the second":   {"1 t s 2 3", "[1 1 1 2 3]"},
		"it has set the second":         {"1 t s 2 t", "[1 2 2]"},
		"all is done":                   {"1 t s 2 t s", "[2]"},
		"all but the third is done":     {"1 t s 2 3 t o", "[1 1 2 3 3]"},
		"it is to take all away":        {"1 t s n", "[1]"},
		"it has not told of the second": {"1 t s 2 n", "[1 1 2]"},
	} {
		t.Run(name, func(t *testing.T) {
			p := bookkeeper()
			p.lvs = &child{parent: p, name: LVSProcess, needed: true}
			n := 0
			services := func() *lb.Plan {
				return &lb.Plan{Services: []lb.Service{{Key: ipvsctl.ServiceKey{Addr: places(byte(n))[0].Prefix.Addr(), Protocol: 6, Port: 80}}}}
			}
			for _, step := range strings.Fields(c.then) {
				switch step {
				case "n":
					p.withdrawn()
				case "t":
					p.heard(p.lvs, fromChild{State: (*lb.Packed)(nil).Beside(services().Stood())})
				case "s":
					p.heard(p.lvs, fromChild{Settled: n})
				case "o":
					p.heard(p.lvs, fromChild{Settled: n - 1})
				default:
					_, _ = fmt.Sscan(step, &n)
					p.lvs.handed = n
					p.handsOver(services())
				}
			}
			state, err := p.servers.Beside(p.stood).State()
			if err != nil {
				t.Fatal(err)
			}
			var stood []byte
			for _, k := range state.Stood {
				stood = append(stood, k.Addr.As4()[3])
			}
			if slices.Sort(stood); fmt.Sprint(stood) != c.stood {
				t.Errorf("it is told of %v, want %s", stood, c.stood)
			}
		})
	}
}

// TestStraysAreTakenAway: a VRRP process that dies while it is not needed any more
// has left what another must take away; one that ended in order has not.
func TestStraysAreTakenAway(t *testing.T) {
	for died, want := range map[error]bool{nil: false, errors.New("signal: killed"): true} {
		p := bookkeeper()
		p.reloads(1)
		p.former, p.cfg = append(p.former, p.cfg), &confparse.Config{}
		p.bequest = vip.Want{Addresses: places(3)}
		if p.vrrp.died = died != nil; p.strays() != want || p.places() {
			t.Errorf("%v: strays %v", died, p.strays())
		}
		if p.cameAway(p.vrrp); p.strays() || !p.left().Empty() {
			t.Errorf("%v: left %+v", died, p.left())
		}
	}
}

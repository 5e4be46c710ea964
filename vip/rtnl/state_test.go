package rtnl

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"keepgo/vip"
)

var epoch = time.Unix(1e9, 0)

func TestRepairsOfAFightSlowDown(t *testing.T) {
	s := newState()
	e := s.claim(1, &vip.Set{address("eth0", "10.0.0.1/32")}[0])
	now := epoch
	for i, want := range []time.Duration{0, 100, 200, 400, 800, 1000, 1000} {
		s.stands(e, 3)
		s.loses(e, 0, now)
		if got := s.next().Sub(now); got != want*time.Millisecond {
			t.Errorf("repair %d is due after %v, want %v", i, got, want*time.Millisecond)
		}
		now = s.next()
		if due := s.takeDue(now); len(due) != 1 {
			t.Fatalf("repair %d: due are %v", i, due)
		}
		e.past().strikes, e.past().repaired = e.past().strikes+1, now
	}
	s.stands(e, 3)
	now = now.Add(calm + 1)
	if s.loses(e, 0, now); s.next() != now {
		t.Error("after calm the first repair is not at once")
	}
}

func TestRefusalsSlowDown(t *testing.T) {
	e := &entry{}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		e.refusals = i
		if got := e.patience(); got != want*time.Second {
			t.Errorf("after %d refusals: %v, want %v", i, got, want*time.Second)
		}
	}
}

func TestDueInOrderOfClaims(t *testing.T) {
	s := newState()
	set := many("eth0", 20)
	for i := range set {
		s.claim(1, &set[i])
	}
	s.missingOn("eth1", epoch)
	if due := s.takeDue(epoch); len(due) != 0 {
		t.Errorf("another link makes %d due", len(due))
	}
	s.missingOn("eth0", epoch)
	var got vip.Set
	for _, e := range s.takeDue(epoch) {
		got = append(got, *e.address)
	}
	if !slices.Equal(got, set) {
		t.Errorf("due in the order %v", names(got))
	}
}

func TestReleaseForgetsEverything(t *testing.T) {
	s := newState()
	a := address("eth0", "10.0.0.1/32")
	e := s.claim(1, &a)
	if s.claim(2, &a) != nil || s.claim(2, &a) != nil {
		t.Error("a second claim makes a second entry")
	}
	s.misses(e, epoch)
	if s.release(1, a) != nil || s.release(3, a) != nil {
		t.Error("released while owner 2 wants it")
	}
	if s.release(2, a) != e {
		t.Error("not released by its last owner")
	}
	if s.release(2, a) != nil {
		t.Error("released twice")
	}
	if len(s.byLink)+len(s.waiting) != 0 || !s.next().IsZero() {
		t.Errorf("remembered: %+v", s)
	}
}

// TestTwins: an address of one prefix stands with several peers.
func TestTwins(t *testing.T) {
	s := newState()
	set := vip.Set{address("eth0", "10.0.0.1/32"), address("eth0", "10.0.0.1/32"), address("eth0", "10.0.0.1/32")}
	set[1].Peer, set[2].Peer = netip.MustParsePrefix("10.0.0.2/32"), netip.MustParsePrefix("10.0.0.3/32")
	for _, out := range [][]int{{0, 1, 2}, {1, 0, 2}, {2, 1, 0}, {1, 2, 0}} {
		var entries [3]*entry
		for i := range set {
			if entries[i] = s.claim(1, &set[i]); entries[i] == nil {
				t.Fatalf("%v is taken for another", set[i])
			}
		}
		for left := 3; left > 0; left-- {
			n := 0
			for e := range s.on("eth0") {
				if n++; s.find(kernelKey(*e.address)) != e {
					t.Errorf("%v is not found", *e.address)
				}
			}
			if i := out[3-left]; n != left || s.release(1, set[i]) != entries[i] {
				t.Errorf("%d of %d are there, or %v is not", n, left, set[i])
			}
		}
		if len(s.byLink) != 0 {
			t.Errorf("remembered: %v", s.byLink)
		}
	}
}

// TestTheSetBeforeMayGo: an address that stays is that of the newest set, unless
// it is another owner's, who described it otherwise.
func TestTheSetBeforeMayGo(t *testing.T) {
	s := newState()
	old, now := many("eth0", 2), many("eth0", 2)
	var entries []*entry
	for i := range old {
		entries = append(entries, s.claim(1, &old[i]))
	}
	now[0].NoTrack = true
	now[1].Label = "eth0:1"
	s.retrack(old, now)
	if entries[0].address != &now[0] || !entries[0].noTrack || entries[1].address != &old[1] || entries[1].noTrack {
		t.Errorf("%+v and %+v", entries[0], entries[1])
	}
}

func TestAppliedIsWhatStands(t *testing.T) {
	s := newState()
	set := many("eth0", 4)
	for i := range set {
		s.claim(1, &set[i]).index = i % 2
	}
	s.claims[1] = claimOf(vip.Want{Addresses: set})
	if got := s.applied(1); !slices.Equal(got, vip.Set{set[1], set[3]}) {
		t.Errorf("got %v", names(got))
	}
	if !slices.Equal(s.claims[1].addresses, many("eth0", 4)) {
		t.Error("the owner's own set was changed")
	}
}

func TestRouteOfAVRF(t *testing.T) {
	s := newState()
	r := route(t, "10.9.0.0/24 vrf red dev v0")
	e := s.claimRoute(1, r)
	s.policy.inTable(e, 300)
	key := r.Key()
	key.Table = 300
	if got := s.policy.byKey[key]; len(got) != 1 || got[0] != e || e.route.Table != 300 {
		t.Errorf("found %v", got)
	}
	if s.claimRoute(2, r) != nil || s.releaseRoute(1, r) != nil || s.releaseRoute(2, r) != e {
		t.Error("not the same route to two owners")
	}
	if len(s.policy.byKey)+len(s.policy.routes) != 0 {
		t.Errorf("remembered: %+v", s.policy)
	}
}

func TestLooksAtRoutesKeepTheirDistance(t *testing.T) {
	s := newState()
	if s.recheck(epoch); !s.next().IsZero() {
		t.Error("a look at no routes is due")
	}
	s.claimRoute(1, route(t, "10.9.0.0/24 dev v0"))
	if s.recheck(epoch); s.next() != epoch {
		t.Error("the first look is not at once")
	}
	s.policy.recheckAt, s.policy.rechecked = time.Time{}, epoch
	if s.recheck(epoch.Add(1)); s.next() != epoch.Add(firstPause) {
		t.Errorf("the second look is due at %v", s.next().Sub(epoch))
	}
}

package lb

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"keepgo/checker"
)

// TestPacked: what a node packs is its state, as it crosses the process boundary;
// and what it knows already says nothing new.
func TestPacked(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, _ := Build(drawConfig(rt))
		n, _ := NewNode(p, nil)
		for range rapid.IntRange(0, 20).Draw(rt, "results") {
			r := drawResult(rt, p)
			r.Why = rapid.SampledFrom([]string{"", "refused"}).Draw(rt, "why")
			was, knows := n.State(), n.Knows(&r)
			acts := n.Step(Event{Result: r}, nil)
			if same := reflect.DeepEqual(n.State(), was); knows && (!same || len(acts) > 0) || !knows && same {
				rt.Fatalf("%+v is known: %v, changed nothing: %v, and led to %v", r, knows, same, acts)
			}
		}
		want := n.State()
		for what, packed := range map[string]*Packed{"node": n.Pack(), "state": want.Pack()} {
			packed := through(t, packed)
			if got, err := packed.State(); err != nil || !reflect.DeepEqual(*got, through(t, want)) {
				rt.Fatalf("packed by the %s it comes as %+v (%v)\nwant %+v", what, got, err, want)
			}
		}
	})
}

// TestPackedIsWhole: equal checks keep their order, and one that is known to no
// plan is known already.
func TestPackedIsWhole(t *testing.T) {
	n, _ := NewNode(plan(t, vs(1, rs(1, 1, tcp(), tcp()), rs(2, 1, tcp()))), &State{})
	for i, why := range []string{"a", "b", "c"} {
		n.Step(Event{Result: checker.Result{ID: checker.ID(i), Up: i != 1, Why: why}}, nil)
	}
	got, err := n.Pack().State()
	if err != nil || !reflect.DeepEqual(*got, n.State()) {
		t.Errorf("%+v (%v)\nwant %+v", got, err, n.State())
	}
	if !n.Knows(&checker.Result{ID: 3}) || !n.Knows(&checker.Result{ID: -1}) || n.Knows(&checker.Result{ID: 1, Up: true, Why: "b"}) {
		t.Error("a result is taken for another")
	}
	if none, err := (*State)(nil).Pack().State(); none != nil || err != nil {
		t.Errorf("nothing comes as %v (%v)", none, err)
	}
}

// TestPackedServices: services of firewall marks and of IPv6 come as they were.
func TestPackedServices(t *testing.T) {
	v6, mark := vs(2, rs(2, 1)), vs(3, rs(3, 1))
	v6.Addr, v6.Servers[0].Addr = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	mark.Addr, mark.Port, mark.FWMark = netip.Addr{}, 0, 1<<20
	n, _ := NewNode(plan(t, vs(1, rs(1, 1)), v6, mark), nil)
	packed := n.Pack()
	if got, err := packed.State(); err != nil || len(got.Stood) != 3 || !reflect.DeepEqual(got.Stood, n.State().Stood) {
		t.Errorf("%+v (%v), want %+v", got, err, n.State().Stood)
	}
	packed.Stood = packed.Stood[:len(packed.Stood)-1]
	if _, err := packed.State(); !errors.Is(err, errState) {
		t.Errorf("a part of it: %v", err)
	}
}

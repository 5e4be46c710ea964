package lb

import (
	"bytes"
	"encoding/gob"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"keepgo/checker"
	"keepgo/checker/pcre"
	"keepgo/confparse"
	"keepgo/internal/everyfield"
	"keepgo/ipvsctl"
)

// crossed is an update as it comes out of the pipe between two processes.
func crossed(t rapid.TB, u *Update) *Update {
	t.Helper()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(u); err != nil {
		t.Fatal(err)
	}
	u = &Update{}
	if err := gob.NewDecoder(&b).Decode(u); err != nil {
		t.Fatal(err)
	}
	return u
}

// TestUpdateIsTheReload: a reload that is told by what changed does and says what
// one does that is told all, and leaves the same.
func TestUpdateIsTheReload(t *testing.T) {
	stayed := 0
	rapid.Check(t, func(t *rapid.T) {
		first, second := drawConfig(t), drawConfig(t)
		for i, v := range first.VirtualServers { // some stay, and some of them elsewhere
			if at := rapid.IntRange(-2, len(second.VirtualServers)-1).Draw(t, "goes on as"); at >= 0 && i <= at {
				second.VirtualServers[at] = v
			}
		}
		var orders []Order
		load := func(cfg *confparse.Config) *Plan {
			p, _ := Build(cfg)
			p.Greet, p.Orders = true, orders
			return p
		}
		whole, _ := NewNode(load(first), nil)
		short, _ := NewNode(load(first), nil)
		for range rapid.IntRange(0, 8).Draw(t, "results") {
			if len(whole.plan.Checks) > 0 {
				r := drawResult(t, whole.plan)
				whole.Step(Event{Result: r}, nil)
				short.Step(Event{Result: r}, nil)
			}
		}
		for _, cfg := range []*confparse.Config{second, first, first} {
			if orders = nil; rapid.Bool().Draw(t, "order") {
				orders = []Order{{Service: short.plan.Pools[0].Name, Server: short.plan.Pools[0].Servers[0].Name, Kind: Drain}}
			}
			u := crossed(t, load(cfg).Since(short.plan.Sums(), load(cfg).Sums()))
			stayed += len(u.Stay) - len(u.Plan.Pools)
			want := told(whole.Step(Event{Kind: EventReload, Plan: load(cfg)}, nil))
			if got := told(short.Step(Event{Kind: EventReload, Plan: u.Onto(short.plan), Stay: u.Stay}, nil)); got != want {
				t.Fatalf("told\n%s\nwant\n%s", got, want)
			}
			if got, want := short.State(), whole.State(); !reflect.DeepEqual(got, want) {
				t.Fatalf("state %+v\nwant %+v", got, want)
			}
			if got, want := short.Table(), whole.Table(); !reflect.DeepEqual(got, want) {
				t.Fatalf("table %+v\nwant %+v", got, want)
			}
			if !slices.Equal(short.plan.Sums(), whole.plan.Sums()) || !slices.Equal(short.plan.Owners, whole.plan.Owners) {
				t.Fatalf("plan %+v\nwant %+v", short.plan, whole.plan)
			}
			for i := range short.plan.Checks {
				if short.plan.Checks[i].ID != checker.ID(i) {
					t.Fatalf("check %d has ID %d", i, short.plan.Checks[i].ID)
				}
			}
		}
	})
	if stayed == 0 {
		t.Error("nothing ever stayed")
	}
}

// TestUpdateThatFitsNothing is refused.
func TestUpdateThatFitsNothing(t *testing.T) {
	for _, u := range []Update{
		{Plan: &Plan{}, Stay: []int{0}, Services: [][]int{nil}}, {Plan: &Plan{}, Stay: []int{-1}, Services: [][]int{nil}},
		{Plan: &Plan{}, Stay: []int{0}}, {Plan: &Plan{Checks: []checker.Check{{}}}},
	} {
		if u.Onto(&Plan{}) != nil {
			t.Errorf("%+v fits a plan of nothing", u)
		}
	}
}

// TestMarksAreAlwaysTold: who gives the marks must hear of all that get one.
func TestMarksAreAlwaysTold(t *testing.T) {
	p := plan(t, vs(1, rs(1, 1, tcp())), vs(2, rs(2, 1, tcp())))
	p.Pools[0].Mark = 7
	if u := p.Since(p.Sums(), p.Sums()); !slices.Equal(u.Stay, []int{-1, 1}) {
		t.Errorf("of a group with a mark and another pool stay %v", u.Stay)
	}
	p.Pools[0].Mark, p.Checks[1].Probe.Via = 0, netip.MustParseAddr("10.0.0.2")
	if u := p.Since(p.Sums(), p.Sums()); !slices.Equal(u.Stay, []int{0, -1}) {
		t.Errorf("of a pool and one whose check has a way of its own stay %v", u.Stay)
	}
}

// TestSumSeesEveryField: a virtual server that differs in anything that is told
// must not be taken for the one before.
func TestSumSeesEveryField(t *testing.T) {
	command := func() *confparse.Command { return &confparse.Command{Args: []string{""}} }
	type whole struct {
		Pool   Pool
		Checks []checker.Check
		Owners []Owner
	}
	fresh := func() *whole {
		return &whole{
			Pool: Pool{
				Config: ipvsctl.PoolConfig{Servers: []ipvsctl.Server{{}}, Sorry: &ipvsctl.Server{}}, QuorumUp: command(), QuorumDown: command(),
				Servers: []Server{{NotifyUp: command(), NotifyDown: command()}},
			},
			Checks: []checker.Check{{Probe: checker.Probe{
				Web:     &checker.Web{TLS: &checker.TLS{}, URLs: []checker.URL{{Status: []checker.Range{{}}, Regex: &pcre.Pattern{Options: []string{""}}}}},
				Program: &checker.Program{Command: checker.Command{Args: []string{""}, Groups: []uint32{0}}}, Question: &checker.Question{},
				Datagram: &checker.Datagram{Payload: []byte{0}, Reply: []byte{0}, Mask: []byte{0}},
			}}},
			Owners: []Owner{{}},
		}
	}
	sum := func(w *whole) uint64 { return w.Pool.sum(w.Checks, w.Owners) }
	// Pos is of the text; Services and ID are places in the plan, told besides.
	places := map[string]bool{"Pos": true, "Services": true, "ID": true}
	skip := func(path, field string) bool { return places[field] || path == ".Owners" && field == "Pool" }
	seen := everyfield.Visit(fresh, skip, func(path string, w *whole) {
		if sum(w) == sum(fresh()) {
			t.Errorf("a change of %s is not seen", path)
		}
	})
	if seen < 90 {
		t.Errorf("only %d fields were changed", seen)
	}
}

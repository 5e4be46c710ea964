package lb

import (
	"bytes"
	"encoding/gob"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"testing"

	"keepgo/ipvsctl"
)

func fullState() State {
	key := func(addr string, port uint16) ipvsctl.DestKey {
		return ipvsctl.DestKey{Addr: netip.MustParseAddr(addr), Port: port}
	}
	return State{
		Pools: poolStates{
			"": {}, "a": {Up: true, Sorry: key("10.0.0.9", 81), Servers: []ipvsctl.ServerState{
				{Key: key("10.0.0.1", 80), Up: true, Weight: -3, Configured: math.MaxInt32}, {Key: key("fe80::1%eth0", 65535), Weight: 1},
			}},
		},
		Checks: verdicts{
			"\x00\xff": {{Up: true, Why: "connected"}, {Dynamic: true, Weight: -1, Rising: 2}}, "b": {{}},
		},
		Marks: map[string]uint32{"a": 1}, Stood: []ipvsctl.ServiceKey{{FWMark: 3}},
	}
}

// TestStateCrosses: what one process writes another reads.
func TestStateCrosses(t *testing.T) {
	for _, want := range []State{{}, fullState()} {
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(want); err != nil {
			t.Fatal(err)
		}
		var got State
		if err := gob.NewDecoder(&b).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("came as %+v\nwant    %+v", got, want)
		}
	}
}

// TestStateKeepsEveryField: a field that is new must be written too.
func TestStateKeepsEveryField(t *testing.T) {
	for _, tt := range []struct {
		of     any
		fields int
	}{{ipvsctl.PoolState{}, 3}, {ipvsctl.ServerState{}, 4}, {ipvsctl.DestKey{}, 2}, {Verdict{}, 5}} {
		if n := reflect.TypeOf(tt.of).NumField(); n != tt.fields {
			t.Errorf("%T has %d fields, and %d are written", tt.of, n, tt.fields)
		}
	}
}

// TestDamagedState: nothing that is not a state is read as one, or takes more
// memory than it is long.
func TestDamagedState(t *testing.T) {
	pools, _ := fullState().Pools.GobEncode()
	checks, _ := fullState().Checks.GobEncode()
	var p poolStates
	var v verdicts
	cut := 0
	for n := range len(pools) - 1 {
		if p.GobDecode(pools[:n+1]) != nil {
			cut++
		}
	}
	for n := range len(checks) - 1 {
		if v.GobDecode(checks[:n+1]) != nil {
			cut++
		}
	}
	if all := len(pools) + len(checks) - 2; cut < all-4 { // it may end between two entries
		t.Errorf("%d of %d beginnings of a state are no state", cut, all)
	}
	huge := []byte{0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if err := p.GobDecode(huge); !errors.Is(err, errState) {
		t.Errorf("a number without end: %v", err)
	}
	if err := v.GobDecode([]byte{0, 0xff, 0xff, 0xff, 0xff, 0x0f}); !errors.Is(err, errState) {
		t.Errorf("more verdicts than there are bytes: %v", err)
	}
}

func FuzzState(f *testing.F) {
	pools, _ := fullState().Pools.GobEncode()
	f.Add(pools)
	checks, _ := fullState().Checks.GobEncode()
	f.Add(checks)
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, q poolStates
		if p.GobDecode(b) == nil {
			again, _ := p.GobEncode()
			if err := q.GobDecode(again); err != nil || !reflect.DeepEqual(p, q) {
				t.Fatalf("%+v became %+v: %v", p, q, err)
			}
		}
		var v, w verdicts
		if v.GobDecode(b) == nil {
			again, _ := v.GobEncode()
			if err := w.GobDecode(again); err != nil || !reflect.DeepEqual(v, w) {
				t.Fatalf("%+v became %+v: %v", v, w, err)
			}
		}
	})
}

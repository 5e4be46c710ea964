package nft

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"keepgo/ipvsctl"
)

func serversOf(weights ...uint32) (list []server) {
	for i, w := range weights {
		a := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		list = append(list, server{ipvsctl.DestKey{Addr: a, Port: 80}, w})
	}
	return list
}

func share(slots []int, n int) []int {
	got := make([]int, n)
	for _, i := range slots {
		got[i]++
	}
	return got
}

func TestSlots(t *testing.T) {
	for _, c := range []struct {
		scheduler string
		weights   []uint32
		want      string
	}{
		{"rr", []uint32{1, 5, 1}, "[0 1 2]"},
		{"wrr", []uint32{3, 1}, "[0 0 1 0]"},
		{"wrr", []uint32{2, 2, 4}, "[2 0 1 2]"},
		{"wrr", []uint32{7}, "[0]"},
		{"fo", []uint32{1, 9, 3}, "[1]"},
	} {
		if got := fmt.Sprint(schedulers[c.scheduler].spread(serversOf(c.weights...))); got != c.want {
			t.Errorf("%s of %v: %s, want %s", c.scheduler, c.weights, got, c.want)
		}
	}
}

// Whatever the weights, everyone has a slot, and shares are the weights' own as
// far as the number of slots allows.
func TestSmoothShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Uint32Range(1, 1<<31-1), 1, 12).Draw(t, "weights")
		list := serversOf(weights...)
		slots := smooth(list)
		if len(slots) > maxSlots+len(list) {
			t.Fatalf("%d slots", len(slots))
		}
		sum := 0.0
		for _, w := range weights {
			sum += float64(w)
		}
		for i, n := range share(slots, len(list)) {
			ideal := float64(weights[i]) / sum * float64(len(slots))
			if n == 0 || float64(n) > ideal+float64(len(list))+1 || float64(n) < ideal-float64(len(list))-1 {
				t.Fatalf("server %d of %v has %d of %d slots, want about %.1f", i, weights, n, len(slots), ideal)
			}
		}
	})
}

func TestMaglevChangesLittle(t *testing.T) {
	all := serversOf(1, 1, 1, 1, 1, 1, 1, 1)
	before, after := maglev(all), maglev(all[:7])
	if len(before) != fewHashes {
		t.Fatalf("%d entries", len(before))
	}
	moved, lost := 0, 0
	for i := range before {
		switch {
		case before[i] == 7:
			lost++
		case before[i] != after[i]:
			moved++
		}
	}
	if lost == 0 || moved > fewHashes/8 {
		t.Errorf("%d entries of the server that went, %d others moved", lost, moved)
	}
	if got := share(maglev(serversOf(3, 1)), 2); got[0] < 2*got[1] {
		t.Errorf("weights 3 and 1 share %v", got)
	}
	if n := len(maglev(serversOf(make3(300)...))); n != mostHashes {
		t.Errorf("300 servers: %d entries", n)
	}
}

func make3(n int) []uint32 {
	w := make([]uint32, n)
	for i := range w {
		w[i] = 3
	}
	return w
}

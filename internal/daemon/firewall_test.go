package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"keepgo/internal/ha"
	"keepgo/vip"
	"keepgo/vip/filter"
)

// doorBook writes down what both doors are asked, each in a few words.
type doorBook struct{ lines []string }

type (
	addressBook struct{ *doorBook }
	filterBook  struct{ *doorBook }
)

func (b addressBook) SetAll(owner int, want vip.Want) {
	b.lines = append(b.lines, fmt.Sprintf("%d stands %v", owner, bytesOf(addresses(want.Addresses))))
}

func (b addressBook) After(do func()) { do() }

func (b filterBook) Set(owner int, want filter.Want) {
	b.lines = append(b.lines, fmt.Sprintf("%d drops %v quiet %d", owner, bytesOf(want.Drop), len(want.Guards)))
}

func (filterBook) Close() error { return nil }

// take is what was asked since it was last called.
func (b *doorBook) take() string {
	defer func() { b.lines = nil }()
	return strings.Join(b.lines, ", ")
}

// bytesOf are the last bytes of addresses.
func bytesOf(list []filter.Address) (out []int) {
	for _, a := range list {
		out = append(out, int(a.Addr.As4()[3]))
	}
	return out
}

// places are the addresses 10.0.0.N.
func places(last ...byte) (set vip.Set) {
	for _, n := range last {
		set = append(set, vip.Address{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 32), Link: "eth0"})
	}
	return set
}

// guarded is a firewall over doors that write down what they are asked.
func guarded(t *testing.T) (*firewall, *doorBook) {
	b := &doorBook{}
	f := newFirewall(t.Logf)
	f.door, f.links, f.begun = filterBook{b}, addressBook{b}, true
	return f, b
}

func TestRuleStandsAroundItsAddress(t *testing.T) {
	f, b := guarded(t)
	settle := func(want, drop vip.Set) func() {
		return func() { f.settle(1, vip.Want{Addresses: want}, drop) }
	}
	inForce := func(last ...byte) func() { return func() { f.inForce(1, addresses(places(last...))) } }
	stands := func(last ...byte) func() { return func() { f.stands(1, places(last...)) } }
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"becomes MASTER", settle(places(1, 2), places(1, 2)), "1 drops [1 2] quiet 0"},
		{"told of something older", inForce(), ""},
		{"the rules are in force", inForce(1, 2), "1 stands [1 2]"},
		{"told again", inForce(1, 2), ""},
		{"the addresses stand", stands(1, 2), ""},
		{"the same is wanted", settle(places(1, 2), places(1, 2)), "1 drops [1 2] quiet 0, 1 stands [1 2]"},
		{"another address for one", settle(places(2, 3), places(2, 3)), "1 drops [2 3 1] quiet 0"},
		{"its rule is in force", inForce(2, 3, 1), "1 stands [2 3]"},
		{"told of something older", stands(1, 2), ""},
		{"the new address stands", stands(2, 3), "1 drops [2 3] quiet 0"},
		{"in force", inForce(2, 3), ""},
		{"accepts one", settle(places(2, 3), places(3)), "1 drops [3] quiet 0"},
		{"in force", inForce(3), "1 stands [2 3]"},
		{"gives up", settle(nil, nil), "1 drops [3] quiet 0, 1 stands []"},
		{"no address stands", stands(), "1 drops [] quiet 0"},
		{"in force", inForce(), ""},
		{"gives up again", settle(nil, nil), "1 stands []"},
		{"becomes MASTER", settle(places(1), places(1)), "1 drops [1] quiet 0"},
		{"gives up at once", settle(nil, nil), "1 drops [1] quiet 0, 1 stands []"},
		{"the rule is in force", inForce(1), ""},
		{"no address stands", stands(), "1 drops [] quiet 0"},
		{"accepts all", settle(places(1), nil), "1 stands [1]"},
	} {
		step.do()
		if got := b.take(); got != step.want {
			t.Fatalf("%s: %q, want %q", step.name, got, step.want)
		}
	}
	if len(f.wards) > 0 {
		t.Errorf("remembers %v", f.wards)
	}
}

// TestSettledWaitsForRules: all stands once no address waits for its rule.
func TestSettledWaitsForRules(t *testing.T) {
	f, b := guarded(t)
	settled := func(what string) { f.settled(func() { b.lines = append(b.lines, what) }) }
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"nothing waits", func() { settled("a") }, "a"},
		{"one waits", func() { f.settle(1, vip.Want{Addresses: places(1)}, places(1)) }, "1 drops [1] quiet 0"},
		{"another, too", func() { f.settle(2, vip.Want{Addresses: places(2)}, places(2)) }, "2 drops [2] quiet 0"},
		{"asked while they wait", func() { settled("b") }, ""},
		{"the first stands", func() { f.inForce(1, addresses(places(1))) }, "1 stands [1]"},
		{"the second is not wanted", func() { f.settle(2, vip.Want{}, nil) }, "2 drops [2] quiet 0, 2 stands [], b"},
	} {
		step.do()
		if got := b.take(); got != step.want {
			t.Fatalf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

func TestAddressesDoNotWaitForBrokenTables(t *testing.T) {
	f, b := guarded(t)
	f.settle(1, vip.Want{Addresses: places(1)}, places(1))
	f.settle(2, vip.Want{Addresses: places(2)}, places(2))
	f.settle(3, vip.Want{Addresses: places(3)}, nil)
	if got := b.take(); got != "1 drops [1] quiet 0, 2 drops [2] quiet 0, 3 stands [3]" {
		t.Error(got)
	}
	f.hear(filter.Event{Kind: filter.Failed, Err: errors.New("no tables")})
	if got := b.take(); got != "1 stands [1], 2 stands [2]" {
		t.Error(got)
	}
	f.settle(1, vip.Want{Addresses: places(1, 4)}, places(1, 4))
	if got := b.take(); got != "1 drops [1 4] quiet 0, 1 stands [1 4]" {
		t.Error(got)
	}
	f.hear(filter.Event{Kind: filter.Applied, Owner: 2, Drop: addresses(places(2))})
	f.settle(1, vip.Want{Addresses: places(1, 5)}, places(1, 5))
	if got := b.take(); got != "1 drops [1 5 4] quiet 0" {
		t.Error(got)
	}
}

func TestEarlierLifeGoesOnWithoutWaiting(t *testing.T) {
	f, b := guarded(t)
	f.begun = false
	f.settle(1, vip.Want{Addresses: places(1)}, places(1))
	if got := b.take(); got != "1 drops [1] quiet 0, 1 stands [1]" {
		t.Error(got)
	}
}

func TestQuietVMACs(t *testing.T) {
	f, b := guarded(t)
	vmac := ha.Device{Parent: "eth0"}
	made := ha.Event{ID: 1, Link: ha.Link{Name: "vrrp.1", Index: 7}}
	f.hush(1, []ha.Device{vmac}) // it does not stand yet
	f.guard(&made, 2, &vmac)
	f.hush(1, []ha.Device{vmac})
	f.settle(1, vip.Want{Addresses: places(1)}, places(1))
	f.guard(&ha.Event{ID: 1}, 2, &vmac) // it vanishes
	f.hush(1, []ha.Device{vmac})
	if got, want := b.lines, []string{"1 drops [] quiet 1", "1 drops [1] quiet 1", "1 drops [1] quiet 0"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	pipe := vmac
	pipe.IPVLAN = true
	f.guard(&ha.Event{ID: 2, Link: made.Link}, 2, &pipe)
	if f.wards[2] != nil {
		t.Error("an ipvlan has a ward")
	}
}

package vip

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func addr(link, prefix string) Address {
	return Address{Link: link, Prefix: netip.MustParsePrefix(prefix), Preferred: -1}
}

func labelled(a Address, label string) Address {
	a.Label = label
	return a
}

// words writes ops as "-10.0.0.1/32 +10.0.0.2/32".
func words(ops []Op) string {
	var b strings.Builder
	for i, o := range ops {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%c%v", "+-"[o.Kind], o.Address.Prefix)
	}
	return b.String()
}

func TestDiff(t *testing.T) {
	a, b, c := addr("eth0", "10.0.0.1/24"), addr("eth0", "10.0.0.2/24"), addr("eth0", "10.0.0.3/24")
	other := a
	other.Link = "eth1"
	for _, tt := range []struct {
		name       string
		have, want Set
		ops        string
	}{
		{"nothing", nil, nil, ""},
		{"all new, in order", nil, Set{a, b, c}, "+10.0.0.1/24 +10.0.0.2/24 +10.0.0.3/24"},
		{"all gone, backwards", Set{a, b, c}, nil, "-10.0.0.3/24 -10.0.0.2/24 -10.0.0.1/24"},
		{"order alone is no difference", Set{a, b}, Set{b, a}, ""},
		{"removals before additions", Set{a, b}, Set{c, b}, "-10.0.0.1/24 +10.0.0.3/24"},
		{"another label replaces", Set{a, b}, Set{labelled(a, "eth0:1"), b}, "-10.0.0.1/24 +10.0.0.1/24"},
		{"another prefix length is another address", Set{a}, Set{addr("eth0", "10.0.0.1/32")}, "-10.0.0.1/24 +10.0.0.1/32"},
		{"another interface is another address", Set{a}, Set{a, other}, "+10.0.0.1/24"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := words(Diff(tt.have, tt.want)); got != tt.ops {
				t.Errorf("got %q, want %q", got, tt.ops)
			}
		})
	}
}

func TestOpKindString(t *testing.T) {
	if Add.String() != "add" || Remove.String() != "remove" {
		t.Errorf("got %q and %q", Add, Remove)
	}
}

// sets draws sets over a small world, so that two of them overlap often.
func sets() *rapid.Generator[Set] {
	one := rapid.Custom(func(t *rapid.T) Address {
		prefix := rapid.SampledFrom([]string{"10.0.0.1/24", "10.0.0.1/32", "10.0.0.2/24", "2001:db8::1/64", "fe80::1/128"})
		a := addr(rapid.SampledFrom([]string{"eth0", "eth1"}).Draw(t, "link"), prefix.Draw(t, "prefix"))
		a.Label = rapid.SampledFrom([]string{"", "eth0:1"}).Draw(t, "label")
		a.DAD = rapid.Bool().Draw(t, "dad")
		if rapid.Bool().Draw(t, "peer") {
			a.Peer = netip.MustParsePrefix("10.9.9.9/32")
		}
		return a
	})
	return rapid.Map(rapid.SliceOfNDistinct(one, 0, 12, Address.Key), func(s []Address) Set { return s })
}

// apply does ops to have as the kernel would and fails where it would refuse.
func apply(t *rapid.T, have Set, ops []Op) map[Key]Address {
	stand := have.byKey(1)
	if stand == nil {
		stand = map[Key]Address{}
	}
	for _, o := range ops {
		_, there := stand[o.Address.Key()]
		switch {
		case o.Kind == Add && there:
			t.Fatalf("add of %v, which stands", o.Address)
		case o.Kind == Remove && !there:
			t.Fatalf("remove of %v, which does not stand", o.Address)
		case o.Kind == Add:
			stand[o.Address.Key()] = o.Address
		default:
			delete(stand, o.Address.Key())
		}
	}
	return stand
}

func TestDiffLeadsFromHaveToWant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := sets().Draw(t, "have"), sets().Draw(t, "want")
		if got := apply(t, have, Diff(have, want)); !maps.Equal(got, want.byKey(1)) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestDiffOfItselfIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sets().Draw(t, "set")
		if ops := Diff(s, s); len(ops) != 0 {
			t.Fatalf("got %v", ops)
		}
	})
}

func BenchmarkDiff(b *testing.B) {
	var s Set
	for i := range 1000 {
		s = append(s, Address{Link: "eth0", Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)})
	}
	b.Run("takeover", func(b *testing.B) {
		for b.Loop() {
			Diff(nil, s)
		}
	})
	b.Run("same", func(b *testing.B) {
		for b.Loop() {
			Diff(s, s)
		}
	})
}

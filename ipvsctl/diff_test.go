package ipvsctl

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// The generators draw from few values, so that two tables share much.

func genKey() *rapid.Generator[ServiceKey] {
	return rapid.Custom(func(t *rapid.T) ServiceKey {
		if rapid.Bool().Draw(t, "mark") {
			return ServiceKey{FWMark: rapid.Uint32Range(1, 2).Draw(t, "fwmark"), IPv6: rapid.Bool().Draw(t, "ipv6")}
		}
		return ServiceKey{
			Protocol: rapid.SampledFrom([]uint8{6, 17, 132}).Draw(t, "protocol"),
			Addr:     rapid.SampledFrom([]netip.Addr{addr("10.0.0.1"), addr("2001:db8::1")}).Draw(t, "addr"),
			Port:     rapid.Uint16Range(80, 81).Draw(t, "port"),
		}.Canonical()
	})
}

func genDestKey() *rapid.Generator[DestKey] {
	return rapid.Custom(func(t *rapid.T) DestKey {
		return DestKey{addr(fmt.Sprintf("10.0.1.%d", rapid.IntRange(1, 4).Draw(t, "host"))), rapid.Uint16Range(80, 81).Draw(t, "port")}
	})
}

func genService() *rapid.Generator[Service] {
	return rapid.Custom(func(t *rapid.T) Service {
		return Service{
			Scheduler: rapid.SampledFrom([]string{"rr", "wlc"}).Draw(t, "scheduler"),
			Flags:     rapid.Uint32Range(0, 63).Draw(t, "flags"),
			Timeout:   time.Duration(rapid.IntRange(0, 3000).Draw(t, "timeout")) * time.Millisecond,
			Netmask4:  rapid.SampledFrom([][4]byte{{}, {255, 255, 255, 0}, {255, 255, 255, 255}}).Draw(t, "netmask"),
			PrefixLen: rapid.SampledFrom([]uint8{0, 64, 128}).Draw(t, "prefix"),
			Engine:    rapid.SampledFrom([]string{"", "sip"}).Draw(t, "engine"),
		}
	})
}

func genDest() *rapid.Generator[Destination] {
	return rapid.Custom(func(t *rapid.T) Destination {
		return Destination{
			Weight:     rapid.SampledFrom([]uint32{0, 1, math.MaxInt32, math.MaxUint32}).Draw(t, "weight"),
			Forward:    rapid.SampledFrom([]uint8{0, 2, 3}).Draw(t, "forward"),
			TunnelType: rapid.Uint8Range(0, 2).Draw(t, "type"),
			TunnelPort: rapid.Uint16Range(0, 1).Draw(t, "port"),
		}
	})
}

func genTable() *rapid.Generator[Table] {
	entry := rapid.Custom(func(t *rapid.T) Entry {
		return Entry{
			Service:      genService().Draw(t, "service"),
			Destinations: rapid.MapOfN(genDestKey(), genDest(), 0, 5).Draw(t, "destinations"),
		}
	})
	return rapid.Custom(func(t *rapid.T) Table {
		table := Table{}
		for k, e := range rapid.MapOfN(genKey(), entry, 0, 6).Draw(t, "table") {
			table[k] = e.Canonical(k)
		}
		return table
	})
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

var byValue = cmpopts.EquateComparable(netip.Addr{})

func TestDiffLeadsFromHaveToWant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := genTable().Draw(t, "have"), genTable().Draw(t, "want")
		before := have.Clone()
		ops := Diff(have, want)
		if diff := cmp.Diff(before, have, byValue); diff != "" {
			t.Fatalf("Diff changed have:\n%s", diff)
		}
		got := have.Clone()
		got.Apply(ops...)
		if diff := cmp.Diff(want, got, byValue); diff != "" {
			t.Fatalf("after %v (-want +got):\n%s", ops, diff)
		}
		if again := Diff(got, want); len(again) != 0 {
			t.Fatalf("nothing is left to do, but %v", again)
		}
		if !slices.Equal(ops, Diff(have, want)) {
			t.Fatal("the order is not the same every time")
		}
	})
}

// TestDiffTouchesOnlyWhatChanged: what stands in both tables is edited at
// most, and only if it differs.
func TestDiffTouchesOnlyWhatChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := genTable().Draw(t, "have"), genTable().Draw(t, "want")
		for _, op := range Diff(have, want) {
			old, stands := have[op.Service]
			oldDest, destStands := old.Destinations[op.Dest]
			_, wanted := want[op.Service]
			wrong := map[OpKind]bool{
				AddService:  stands,
				EditService: !stands || old.Service == op.Definition,
				DelService:  !stands || wanted,
				AddDest:     destStands,
				EditDest:    !destStands || oldDest == op.Destination,
				DelDest:     !destStands || !wanted,
			}
			if wrong[op.Kind] {
				t.Fatalf("%s should not be needed", op)
			}
		}
	})
}

func TestDiffOrder(t *testing.T) {
	rr, wlc := Service{Scheduler: "rr"}, Service{Scheduler: "wlc"}
	one := func(hosts ...int) map[DestKey]Destination {
		m := map[DestKey]Destination{}
		for _, h := range hosts {
			m[DestKey{addr(fmt.Sprintf("10.0.1.%d", h)), 80}] = Destination{Weight: uint32(h)}
		}
		return m
	}
	key := func(a string) ServiceKey { return ServiceKey{Protocol: 6, Addr: addr(a), Port: 80}.Canonical() }
	changed := one(1, 2)
	changed[DestKey{addr("10.0.1.2"), 80}] = Destination{Weight: 9}
	have := Table{key("10.0.0.1"): {rr, one(2, 3)}, key("10.0.0.2"): {rr, one(1)}, key("10.0.0.5"): {rr, nil}}
	want := Table{key("10.0.0.1"): {wlc, changed}, key("10.0.0.3"): {rr, one(2, 1)}, key("10.0.0.5"): {rr, nil},
		{FWMark: 7}: {rr, nil}}
	var got []string
	for _, op := range Diff(have, want) {
		got = append(got, op.String())
	}
	wantOps := []string{
		"add service FWM 7",
		"edit service [10.0.0.1]:tcp:80",
		"add server [10.0.1.1]:tcp:80 of [10.0.0.1]:tcp:80",
		"edit server [10.0.1.2]:tcp:80 of [10.0.0.1]:tcp:80",
		"delete server [10.0.1.3]:tcp:80 of [10.0.0.1]:tcp:80",
		"add service [10.0.0.3]:tcp:80",
		"add server [10.0.1.1]:tcp:80 of [10.0.0.3]:tcp:80",
		"add server [10.0.1.2]:tcp:80 of [10.0.0.3]:tcp:80",
		"delete service [10.0.0.2]:tcp:80",
	}
	if diff := cmp.Diff(wantOps, got); diff != "" {
		t.Error(diff)
	}
}

func TestNames(t *testing.T) {
	for want, got := range map[string]string{
		"[10.0.0.1]:tcp:80":    ServiceKey{Protocol: 6, Addr: addr("10.0.0.1"), Port: 80}.String(),
		"[2001:db8::1]:udp:53": ServiceKey{Protocol: 17, Addr: addr("2001:db8::1"), Port: 53}.String(),
		"[10.0.0.1]:sctp:0":    ServiceKey{Protocol: 132, Addr: addr("10.0.0.1")}.String(),
		"FWM 8":                ServiceKey{FWMark: 8, IPv6: true}.String(),
		"[10.0.0.2]:none:0":    DestKey{Addr: addr("10.0.0.2")}.Name(0),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCanonical(t *testing.T) {
	key := ServiceKey{Protocol: 6, Addr: addr("::ffff:10.0.0.1"), Port: 80, IPv6: true}
	if got, want := key.Canonical(), (ServiceKey{Protocol: 6, Addr: addr("10.0.0.1"), Port: 80}); got != want {
		t.Errorf("key %+v, want %+v", got, want)
	}
	mark := ServiceKey{FWMark: 1, Protocol: 6, Addr: addr("10.0.0.1"), Port: 80, IPv6: true}
	if got, want := mark.Canonical(), (ServiceKey{FWMark: 1, IPv6: true}); got != want {
		t.Errorf("mark %+v, want %+v", got, want)
	}
	for _, c := range []struct {
		name       string
		give, want Service
		ipv6       bool
	}{
		{"hashed is the kernel's", Service{Flags: 2 | 4}, Service{Flags: 4}, false},
		{"a timeout makes it persistent", Service{Timeout: 1500 * time.Millisecond}, Service{Timeout: 2 * time.Second, Flags: 1}, false},
		{"no timeout, not persistent", Service{Flags: 1}, Service{}, false},
		{"every bit", Service{Netmask4: [4]byte{255, 255, 255, 255}, PrefixLen: 9}, Service{}, false},
		{"every bit of IPv6", Service{Netmask4: [4]byte{255}, PrefixLen: 128}, Service{}, true},
		{"a prefix", Service{PrefixLen: 64}, Service{PrefixLen: 64}, true},
	} {
		if got := c.give.Canonical(c.ipv6); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestSummaryIsOneShortLine(t *testing.T) {
	k := ServiceKey{Protocol: 6, Addr: netip.MustParseAddr("10.0.0.1"), Port: 80}
	ops := []Op{{Kind: DelService, Service: k}}
	if got, want := Summary(ops), "delete service [10.0.0.1]:tcp:80"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for range 4 {
		ops = append(ops, ops[0])
	}
	if got := Summary(ops); !strings.HasSuffix(got, ":80, and 2 more changes") || strings.Count(got, "delete") != 3 {
		t.Errorf("got %q", got)
	}
}

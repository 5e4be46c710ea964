package watch

import (
	"net/netip"
	"testing"
	"time"

	"keepgo/internal/netlab/testns"
)

func TestAddresses(t *testing.T) {
	lab := testns.Lab(t)
	h, err := lab.Host("a")
	if err != nil {
		t.Fatal(err)
	}
	one, two := netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")
	if err := h.AddAddr("lo", one); err != nil {
		t.Fatal(err)
	}
	var a *Addresses
	h.Do(func() error { a, err = NewAddresses(t.Logf); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.Set([]netip.Addr{one.Addr(), two.Addr()})
	expect := func(first, second bool) {
		t.Helper()
		deadline := time.After(30 * time.Second)
		for {
			select {
			case <-a.Ready():
			case <-deadline:
				t.Fatalf("does not become %v %v", first, second)
			}
			if got := a.Take(); len(got) == 2 && got[one.Addr()] == first && got[two.Addr()] == second {
				return
			}
		}
	}
	expect(true, false)
	if err := h.AddAddr("lo", two); err != nil {
		t.Fatal(err)
	}
	expect(true, true)
	if err := h.DelAddr("lo", one); err != nil {
		t.Fatal(err)
	}
	expect(false, true)
}

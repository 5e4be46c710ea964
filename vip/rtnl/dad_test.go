package rtnl

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

func TestDuplicateAddress(t *testing.T) {
	w := newWorld(t, Options{})
	w.set(1, vip.Set{address("v1", "2001:db8::1/64"), address("v1", "2001:db8::2/64")})
	w.add("v0", "2001:db8::2/64") // under detection when it is adopted
	asked := address("v0", "2001:db8::1/64")
	asked.DAD = true
	w.set(2, vip.Set{asked, address("v0", "2001:db8::2/64")})
	failed, restored := false, false
	w.expect("both outcomes", func(e Event) bool {
		failed = failed || e.Kind == Failed && e.Address == asked
		restored = restored || e.Kind == Restored && e.Address.Prefix == netip.MustParsePrefix("2001:db8::2/64")
		return failed && restored
	})
	if k := w.kernel("v0")["2001:db8::2/64"]; k.Flags&0x08 != 0 || k.Flags&0x02 == 0 { // IFA_F_DADFAILED, IFA_F_NODAD
		t.Errorf("the adopted address: %+v", k)
	}
}

func TestDuplicateIsTriedAgain(t *testing.T) {
	w := newWorld(t, Options{})
	w.running("v0", "v1")
	w.add("v1", "2001:db8::1/64")
	w.until("the other host's", func() bool { return w.kernel("v1")["2001:db8::1/64"].Flags&unix.IFA_F_TENTATIVE == 0 })
	asked := address("v0", "2001:db8::1/64")
	asked.DAD = true
	w.set(1, vip.Set{asked})
	w.expectKind(Failed)
	w.until("it goes", func() bool { return len(w.kernel("v0")) == 0 })
	failures := func() (n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range w.events {
			if e.Kind == Failed {
				n++
			}
		}
		return n
	}
	w.until("another try", func() bool {
		return w.kernel("v0")["2001:db8::1/64"].Flags&unix.IFA_F_DADFAILED != 0 || len(w.kernel("v0")) == 1
	})
	if n := failures(); n > 0 {
		t.Errorf("told again %d times", n)
	}
	w.remove("v1", "2001:db8::1/64")
	if e := w.expectKind(Restored); e.Address != asked || e.Taken {
		t.Errorf("restored %+v", e)
	}
	if e := w.expectKind(Applied); len(e.Set) != 1 {
		t.Errorf("in the end stand %v", names(e.Set))
	}
}

func TestAddressStandsOnceItIsChecked(t *testing.T) {
	w := newWorld(t, Options{})
	w.running("v0", "v1")
	asked := address("v0", "2001:db8::1/64")
	asked.DAD = true
	set := vip.Set{asked, address("v0", "2001:db8::2/64")}
	if e := w.set(1, set); !slices.Equal(e.Set, set[1:]) {
		t.Errorf("at first stand %v", names(e.Set))
	}
	if e := w.expectKind(Applied); e.Owner != 1 || !slices.Equal(e.Set, set) {
		t.Errorf("then stand %v of owner %d", names(e.Set), e.Owner)
	}
	if k := w.kernel("v0")["2001:db8::1/64"]; k.Flags&unix.IFA_F_TENTATIVE != 0 {
		t.Error("the address is still under detection")
	}
}

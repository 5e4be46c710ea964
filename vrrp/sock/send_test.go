package sock

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBatchTellsEachOfItsOwn: packets that fail, wherever they stand, stop no
// others, and each error is that of its own packet.
func TestBatchTellsEachOfItsOwn(t *testing.T) {
	a, b := wire(t)
	_, in := b.open(t, b.unicast4())
	uni, _ := a.open(t, a.unicast4())
	multi, _ := a.open(t, a.multicast4())
	_, group := b.open(t, b.multicast4())
	gone, _ := a.open(t, a.multicast4())
	must(t, gone.Close())
	nowhere := netip.MustParseAddr("203.0.113.9")
	type packet struct {
		conn *Conn
		dst  netip.Addr
		want error
	}
	bad, good := packet{uni, nowhere, unix.ENETUNREACH}, packet{uni, b.addr4, nil}
	batch := NewBatch()
	for name, packets := range map[string][]packet{
		"the first":      {bad, good, good},
		"the last":       {good, good, bad},
		"in the middle":  {good, bad, bad, good},
		"all":            {bad, bad},
		"every other":    {bad, good, bad, good, bad},
		"none":           {good, good},
		"several wires":  {good, bad, {multi, group4, nil}, good, {gone, group4, net.ErrClosed}, {multi, group4, nil}, bad},
		"another family": {good, {uni, group6, unix.EINVAL}, good},
	} {
		var errs []error
		want := map[*inbox]int{}
		for i, p := range packets {
			batch.Add(p.conn, append(batch.Room(), of(uint8(i+1))...), p.dst)
			if p.want == nil && p.conn == uni {
				want[in]++
			} else if p.want == nil {
				want[group]++
			}
		}
		batch.Send(func(i int, err error) {
			if i != len(errs) {
				t.Errorf("%s: packet %d is told of as number %d", name, i, len(errs))
			}
			errs = append(errs, err)
		})
		if len(errs) != len(packets) {
			t.Fatalf("%s: of %d packets %d were told of", name, len(packets), len(errs))
		}
		for i, p := range packets {
			if !errors.Is(errs[i], p.want) && (p.dst != group6 || errs[i] == nil) {
				t.Errorf("%s: packet %d: got %v, want %v", name, i, errs[i], p.want)
			}
			if errs[i] != nil && !strings.Contains(errs[i].Error(), p.dst.String()) {
				t.Errorf("%s: packet %d: %v does not say that it was for %v", name, i, errs[i], p.dst)
			}
		}
		for box, n := range want {
			for range n {
				receive(t, box)
			}
		}
	}
}

// TestBatchInOrder: a full Batch arrives whole, each packet as it was, and then
// there is room for as many again.
func TestBatchInOrder(t *testing.T) {
	a, b := wire(t)
	c, _ := a.open(t, a.multicast4())
	_, in := b.open(t, b.multicast4())
	batch := NewBatch()
	for round := range 2 {
		n := 0
		for ; !batch.Full(); n++ {
			batch.Add(c, append(batch.Room(), of(uint8(n+1))...), group4)
		}
		if n != BatchSize {
			t.Fatalf("in round %d it takes %d packets", round, n)
		}
		batch.Send(func(_ int, err error) { must(t, err) })
		for i := range n {
			if r := receive(t, in); r.Data()[1] != uint8(i+1) {
				t.Fatalf("in round %d packet %d is that of router %d", round, i, r.Data()[1])
			}
		}
	}
}

// TestBatchOfLongPackets: it is full before a packet might find no room, and one
// that finds none is sent all the same.
func TestBatchOfLongPackets(t *testing.T) {
	a, b := wire(t)
	c, _ := a.open(t, a.multicast4())
	_, in := b.open(t, b.multicast4())
	long := append(of(9), make([]byte, 1400)...)
	batch := NewBatch()
	for !batch.Full() {
		batch.Add(c, append(batch.Room(), long...), group4)
	}
	batch.Add(c, append(batch.Room(), long...), group4)
	batch.Add(c, append(batch.Room(), long...), group4)
	sent := 0
	batch.Send(func(_ int, err error) {
		must(t, err)
		sent++
	})
	for range sent {
		if r := receive(t, in); len(r.Data()) != len(long) {
			t.Fatalf("%d bytes of %d arrive", len(r.Data()), len(long))
		}
	}
}

package integration

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

// TestLostAddressInKeepalivedsWay: a master whose address another hand removes
// gives mastership up, and takes it again before its partner does. keepalived
// passes over the keyword, and does so anyway.
func TestLostAddressInKeepalivedsWay(t *testing.T) {
	t.Parallel()
	k := wire{version: 2}
	a, b := confA(k), confB(k)
	a.global = "like_keepalived"
	w := newPair(t, k, a, b)
	w.moreAdverts(w.a, 1)
	before := time.Now()
	w.do(w.a.DelAddr(lanLink, netip.PrefixFrom(vip4, 24)))
	w.eventually("the master gives up", func() bool {
		return slices.ContainsFunc(w.sniff.Adverts(before), func(ad netlab.Advert) bool { return ad.From == w.a.Host && ad.Priority == 0 })
	})
	w.eventually("it speaks as master again", func() bool { return len(w.a.speaks(before)) > 1 })
	w.eventually("it holds the address", func() bool { return w.a.Holds(vip4) })
	w.eventually("the other lets it go", func() bool { return !w.b.Holds(vip4) })
}

// TestStrangerClaimsAddress: another station answers for the master's address.
// The master waits for an interval, tells of it and announces the address.
func TestStrangerClaimsAddress(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived does not hear ARP")
	k := wire{version: 2}
	a, b := confA(k), confB(k)
	a.instance = "garp_master_delay 0"
	w := newPair(t, k, a, b)
	w.moreAdverts(w.a, 2)
	stranger := must(w.client.Inject(lanLink))(t)
	frame := append([]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x99\x08\x06\x00\x01\x08\x00\x06\x04\x00\x02\x02\x00\x00\x00\x00\x99"), vip4.AsSlice()...)
	frame = append(append(frame, "\xff\xff\xff\xff\xff\xff"...), vip4.AsSlice()...)
	before := time.Now()
	w.do(stranger.Send(frame))
	w.a.logs("split brain: 10.0.0.100 is claimed by 02:00:00:00:00:99 on eth0")
	w.eventually("it announces the address again", func() bool { return w.announced(w.a, k.router(), before) })
	for _, arp := range w.sniff.ARPs(before) {
		if early := arp.At.Sub(before); arp.From == w.a.Host && arp.Gratuitous() && early < k.interval()*9/10 {
			t.Errorf("it answers after %v, before an advert of a new master could have come", early)
		}
	}
	if s := w.a.status(); s == nil || s.Instances[0].Splits != 1 || s.Instances[0].Rival == "" {
		t.Errorf("the status does not tell: %+v", s)
	}
	w.unshaken(w.a, k.interval(), before)
}

package look

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/capture"
	"keepgo/internal/capture/tap"
	"keepgo/internal/doctor"
	"keepgo/internal/whohas"
)

const (
	leastHearing = time.Second     // how long answers are waited for
	mostHearing  = 5 * time.Second // and adverts at most
	maxAsked     = 4096            // addresses on one link
	maxHeard     = 1 << 16         // frames on one link
)

// hearing is what was heard on a link after its stations were asked.
type hearing struct {
	answers map[netip.Addr][]doctor.Station
	adverts []advert
}

// advert is a router heard as master.
type advert struct {
	station doctor.Station
	vrid    uint8
	ipv6    bool
	addrs   []netip.Addr
}

// hear asks on a link who has addresses, and listens for a time. It needs
// CAP_NET_RAW.
func hear(ctx context.Context, name string, addrs []netip.Addr, wait time.Duration) (*hearing, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	t, err := tap.Open(name)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	defer context.AfterFunc(ctx, func() { t.Close() })()
	h := &hearing{answers: map[netip.Addr][]doctor.Station{}}
	end := time.Now().Add(wait)
	for _, until := range []time.Time{end.Add(-2 * wait / 3), end} { // asked twice: a question may be lost
		if err := ask(link, addrs); err != nil {
			return nil, err
		}
		if err := h.listen(t, addrs, until); err != nil {
			return nil, err
		}
	}
	return h, ctx.Err()
}

// listen takes in what comes until an instant.
func (h *hearing) listen(t *tap.Tap, addrs []netip.Addr, until time.Time) error {
	if err := t.Until(until); err != nil {
		return err
	}
	asked := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		asked[a] = true
	}
	var f capture.Frame
	for range maxHeard {
		if err := t.Read(&f); errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		} else if err != nil {
			return err
		}
		if p, ok := capture.Decode(&f); ok && !p.Out && p.VLAN == 0 {
			h.take(&p, asked)
		}
	}
	return nil
}

func (h *hearing) take(p *capture.Packet, asked map[netip.Addr]bool) {
	switch {
	case p.Kind == capture.Advert && p.VRRP.VRID != 0 && p.VRRP.Priority > 0:
		h.note(p)
	case p.Kind == capture.Answer && asked[p.Addr]:
		st := doctor.Station{MAC: p.Claims.String()}
		if !slices.Contains(h.answers[p.Addr], st) {
			h.answers[p.Addr] = append(h.answers[p.Addr], st)
		}
	}
}

// note remembers the master of a virtual router: the last one that spoke.
func (h *hearing) note(p *capture.Packet) {
	a := advert{station: doctor.Station{MAC: p.MAC.String(), Addr: p.Src, Name: "master " + p.Src.String()}, vrid: p.VRRP.VRID, ipv6: p.Src.Is6()}
	size := 4
	if a.ipv6 {
		size = 16
	}
	for b := p.VRRP.Addresses; len(b) >= size; b = b[size:] {
		ip, _ := netip.AddrFromSlice(b[:size])
		a.addrs = append(a.addrs, ip)
	}
	h.adverts = slices.DeleteFunc(h.adverts, func(old advert) bool { return old.vrid == a.vrid && old.ipv6 == a.ipv6 })
	h.adverts = append(h.adverts, a)
}

// master is the router that speaks for an address: of the given number, or
// without one, whose adverts have the address.
func (h *hearing) master(addr netip.Addr, vrid uint8) *advert {
	for i := range h.adverts {
		a := &h.adverts[i]
		if a.ipv6 == addr.Is6() && (vrid != 0 && a.vrid == vrid || vrid == 0 && slices.Contains(a.addrs, addr)) {
			return a
		}
	}
	return nil
}

// ask sends a question for each address.
func ask(link *net.Interface, addrs []netip.Addr) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("packet socket (it needs CAP_NET_RAW): %w", err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrLinklayer{Ifindex: link.Index}
	own := linkLocal(link)
	for _, a := range addrs[:min(len(addrs), maxAsked)] {
		if err := unix.Sendto(fd, whohas.Frame(link.HardwareAddr, own, a), 0, to); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("asking on %s: %w", link.Name, err)
		}
	}
	return nil
}

// linkLocal is our own address for questions on a link; without one they come
// from nobody, and the answer goes to all nodes (RFC 4861 section 7.2.4).
func linkLocal(link *net.Interface) netip.Addr {
	addrs, _ := link.Addrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
			return p.Addr()
		}
	}
	return netip.IPv6Unspecified()
}

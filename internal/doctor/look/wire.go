package look

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"keepgo/confparse"
	"keepgo/internal/doctor"
)

// vip is a virtual address as the network should see it.
type vip struct {
	addr netip.Addr
	vrid uint8
}

// wire asks on every link that has virtual addresses or real servers.
func (l *looker) wire(ctx context.Context) {
	l.Answers, l.Paths = nil, nil
	if l.Config == nil {
		return
	}
	vips, wait := l.vips()
	l.ways()
	links := map[string][]netip.Addr{}
	for link, list := range vips {
		for _, v := range list {
			links[link] = append(links[link], v.addr)
		}
	}
	for i := range l.Paths {
		if p := &l.Paths[i]; p.OnLink() {
			links[p.Link] = append(links[p.Link], p.Server.Addr())
		}
	}
	heard, failed := hearAll(ctx, links, l.Links, wait)
	names := l.names()
	for link, list := range vips {
		for _, v := range list {
			a := answer(heard[link], link, v, names)
			a.Failed, a.Ours = failed[link], l.stands(v.addr)
			l.Answers = append(l.Answers, a)
		}
	}
	slices.SortFunc(l.Answers, func(a, b doctor.Answer) int { return a.Addr.Compare(b.Addr) })
	l.visit(ctx, heard)
}

// vips are the virtual addresses by the link that they are asked for on, and how
// long adverts of their masters may take.
func (l *looker) vips() (map[string][]vip, time.Duration) {
	all, wait := map[string][]vip{}, leastHearing
	for _, in := range l.Config.Instances {
		if in.Unusable != "" {
			continue
		}
		wait = max(wait, in.AdvertInt+in.AdvertInt/4)
		for _, list := range [][]confparse.Address{in.Addresses, in.Excluded} {
			for _, a := range list {
				link := in.Interface
				if other, known := l.Links[a.Interface]; known && other.MAC != "" && l.carries(a.Interface) {
					link = a.Interface
				}
				all[link] = append(all[link], vip{a.Prefix.Addr(), in.VRID})
			}
		}
	}
	return all, min(wait, mostHearing)
}

// hearAll asks on all links at once.
func hearAll(ctx context.Context, links map[string][]netip.Addr, known map[string]doctor.Link, wait time.Duration) (map[string]*hearing, map[string]string) {
	type result struct {
		link  string
		heard *hearing
		err   error
	}
	results := make(chan result)
	heard, failed := map[string]*hearing{}, map[string]string{}
	asked := 0
	for link, addrs := range links {
		switch k, there := known[link]; {
		case !there:
			failed[link] = "there is no interface " + link
		case k.MAC == "":
			failed[link] = "nobody has a MAC address on " + link
		default:
			asked++
			go func() {
				h, err := hear(ctx, link, addrs, wait)
				results <- result{link, h, err}
			}()
		}
	}
	for range asked {
		r := <-results
		heard[r.link] = r.heard
		if r.err != nil {
			failed[r.link] = r.err.Error()
		}
	}
	return heard, failed
}

// answer is who has a virtual address by what was heard.
func answer(h *hearing, link string, v vip, names map[netip.Addr]string) doctor.Answer {
	a := doctor.Answer{Addr: v.addr, Link: link, VRID: v.vrid, Stations: []doctor.Station{}}
	if h == nil {
		return a
	}
	if m := h.master(v.addr, v.vrid); m != nil {
		a.Master, a.VRID = &m.station, m.vrid
	}
	for _, st := range h.answers[v.addr] {
		a.Stations = append(a.Stations, h.named(st, names))
	}
	return a
}

// named adds to a station what other addresses it answered for, or speaks from.
func (h *hearing) named(st doctor.Station, names map[netip.Addr]string) doctor.Station {
	for _, a := range h.adverts {
		switch st.MAC {
		case a.station.MAC:
			return a.station
		case doctor.VirtualMAC(a.vrid, a.ipv6):
			return doctor.Station{MAC: st.MAC, Addr: a.station.Addr, Name: fmt.Sprintf("virtual router %d of %s", a.vrid, a.station.Name)}
		}
	}
	for addr, name := range names {
		if slices.ContainsFunc(h.answers[addr], func(o doctor.Station) bool { return o.MAC == st.MAC }) {
			return doctor.Station{MAC: st.MAC, Addr: addr, Name: name}
		}
	}
	return st
}

// names are the real servers of the configuration.
func (l *looker) names() map[netip.Addr]string {
	all := map[netip.Addr]string{}
	for i := range l.Paths {
		a := l.Paths[i].Server.Addr()
		all[a] = "real server " + a.String()
	}
	return all
}

// stands tells whether an address stands on this machine.
func (l *looker) stands(a netip.Addr) bool {
	return slices.ContainsFunc(l.Standing, func(s doctor.Standing) bool { return s.Prefix.Addr() == a })
}

// Who asks on a link who answers for virtual addresses, and hears who sends
// adverts with them. Names are addresses that stations are recognized by. It
// takes wait, and needs CAP_NET_RAW.
func Who(ctx context.Context, link string, vips []netip.Addr, names map[netip.Addr]string, wait time.Duration) ([]doctor.Answer, error) {
	addrs := slices.Clone(vips)
	for a := range names {
		addrs = append(addrs, a)
	}
	h, err := hear(ctx, link, addrs, wait)
	if err != nil {
		return nil, err
	}
	var list []doctor.Answer
	for _, v := range vips {
		list = append(list, answer(h, link, vip{addr: v}, names))
	}
	return list, nil
}

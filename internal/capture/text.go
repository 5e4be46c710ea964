package capture

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"keepgo/vrrp"
)

// maxListed bounds the addresses in a line.
const maxListed = 16

// AppendText appends the packet as one line. Nothing in it is text of the
// sender's.
func (p *Packet) AppendText(b []byte) []byte {
	b = p.At.AppendFormat(b, "15:04:05.000000")
	if p.Out {
		b = append(b, " out"...)
	}
	if p.VLAN != 0 {
		b = fmt.Appendf(b, " vlan %d", p.VLAN)
	}
	b = append(b, ' ')
	if p.Kind == Advert {
		b = p.appendAdvert(b)
	} else {
		b = p.appendNeighbour(b)
	}
	if len(p.Faults) > 0 {
		b = append(append(b, "  ! "...), strings.Join(p.Faults, "; ")...)
	}
	return append(b, '\n')
}

func (p *Packet) appendAdvert(b []byte) []byte {
	v := &p.VRRP
	b = fmt.Appendf(b, "%s > %s", p.Src, p.Dst)
	if p.broken {
		return append(b, " VRRP that cannot be read"...)
	}
	b = fmt.Appendf(b, " VRRPv%d vrid %d prio %d", v.Version, v.VRID, v.Priority)
	switch v.Priority {
	case vrrp.Owner:
		b = append(b, " (IP owner)"...)
	case 0:
		b = append(b, " (goodbye)"...)
	}
	b = fmt.Appendf(b, " every %s", v.Interval)
	if a := p.auth(); a != "" {
		b = append(append(b, " auth "...), a...)
	}
	switch v.Sum {
	case vrrp.SumPlain:
		b = append(b, " (checksum as v2)"...)
	case vrrp.SumOldUnicast:
		b = append(b, " (old unicast checksum)"...)
	}
	n := 0
	eachAddress(v, p.Dst.Is6(), func(a netip.Addr) {
		if n++; n <= maxListed {
			b = a.AppendTo(append(b, ' '))
		}
	})
	if n > maxListed {
		b = fmt.Appendf(b, " and %d more", n-maxListed)
	}
	return b
}

// auth is how the advert is signed, without the secret: "" for not at all.
func (p *Packet) auth() string {
	switch {
	case p.AH:
		return fmt.Sprintf("AH seq %d", p.Sequence)
	case p.Key != 0:
		return fmt.Sprintf("hmac key %d", p.Key)
	case p.VRRP.Version == 2 && p.VRRP.AuthType != vrrp.AuthNone:
		return authName(p.VRRP.AuthType)
	}
	return ""
}

func (p *Packet) appendNeighbour(b []byte) []byte {
	name := "ARP"
	if p.Asked.Is6() || p.Addr.Is6() {
		name = "ND"
	}
	switch p.Kind {
	case Announcement:
		return fmt.Appendf(b, "%s %s is at %s: gratuitous", name, p.Addr, p.Claims)
	case Answer:
		return fmt.Appendf(b, "%s %s is at %s, for %s", name, p.Addr, p.Claims, p.Asked)
	case Question:
		return fmt.Appendf(b, "%s who has %s? for %s at %s", name, p.Asked, p.Addr, p.Claims)
	}
	return fmt.Appendf(b, "%s is %s free? probe of %s", name, p.Asked, p.MAC)
}

// fields are the packet as JSON.
type fields struct {
	At     time.Time   `json:"at"`
	Kind   Kind        `json:"kind"`
	Out    bool        `json:"out,omitempty"`
	VLAN   uint16      `json:"vlan,omitempty"`
	MAC    MAC         `json:"mac"`
	Src    *netip.Addr `json:"src,omitempty"`
	Dst    *netip.Addr `json:"dst,omitempty"`
	TTL    uint8       `json:"ttl,omitempty"`
	VRRP   *vrrpFields `json:"vrrp,omitempty"`
	Addr   *netip.Addr `json:"address,omitempty"`
	Asked  *netip.Addr `json:"asked,omitempty"`
	Claims *MAC        `json:"claims,omitempty"`
	Faults []string    `json:"faults"`
}

// vrrpFields are an advert as JSON.
type vrrpFields struct {
	Version   uint8        `json:"version"`
	VRID      uint8        `json:"vrid"`
	Priority  uint8        `json:"priority"`
	Interval  float64      `json:"interval"` // seconds
	Auth      string       `json:"auth,omitempty"`
	Checksum  bool         `json:"checksum"` // is right
	Addresses []netip.Addr `json:"addresses"`
}

// MarshalJSON is the packet as one object.
func (p *Packet) MarshalJSON() ([]byte, error) {
	f := fields{At: p.At, Kind: p.Kind, Out: p.Out, VLAN: p.VLAN, MAC: p.MAC, Src: valid(&p.Src), Dst: valid(&p.Dst), TTL: p.TTL,
		Addr: valid(&p.Addr), Asked: valid(&p.Asked), Faults: p.Faults}
	if f.Faults == nil {
		f.Faults = []string{}
	}
	if p.Claims != (MAC{}) {
		f.Claims = &p.Claims
	}
	if p.Kind == Advert && !p.broken {
		v := &p.VRRP
		f.VRRP = &vrrpFields{Version: v.Version, VRID: v.VRID, Priority: v.Priority, Interval: v.Interval.Seconds(),
			Auth: p.auth(), Checksum: v.Sum != vrrp.SumBad, Addresses: []netip.Addr{}}
		eachAddress(v, p.Dst.Is6(), func(a netip.Addr) { f.VRRP.Addresses = append(f.VRRP.Addresses, a) })
	}
	return json.Marshal(f)
}

func valid(a *netip.Addr) *netip.Addr {
	if !a.IsValid() {
		return nil
	}
	return a
}

package dump

import (
	"fmt"
	"net/netip"
	"strings"

	"keepgo/confparse"
	"keepgo/internal/status"
)

// device is the interface of its own that an instance has for its adverts: a
// VMAC or an ipvlan. It is "" without one, and while it does not stand.
func device(c *confparse.Instance, in *status.Instance) string {
	if (c.UseVMAC || c.IPVLAN != nil) && len(in.Devices) > 0 {
		return in.Devices[0].Name
	}
	return ""
}

// link is the interface of an instance: its own, or the configured one.
func link(c *confparse.Instance, in *status.Instance) string {
	return or(device(c, in), c.Interface)
}

// addresses are the addresses of an instance as keepalived writes them.
func (p *page) addresses(c *confparse.Instance, in *status.Instance, list []confparse.Address) []string {
	var out []string
	for i := range list {
		a := &list[i]
		s := address(a, place(c, in, a))
		if in.Standing {
			s += " set" + choose(!c.Accept, " nftable_set", "")
		}
		out = append(out, s)
	}
	return out
}

// place is the interface of an address: that of the instance, one made for
// addresses elsewhere, or the configured one.
func place(c *confparse.Instance, in *status.Instance, a *confparse.Address) string {
	if own := device(c, in); own != "" && a.Interface == c.Interface {
		return own + "@" + c.Interface
	}
	for _, d := range in.Devices {
		if a.UseVMAC && d.Parent == a.Interface && d.Name != "" {
			return d.Name + "@" + d.Parent
		}
	}
	return a.Interface
}

// scopes are the kernel's numbers of scopes.
var scopes = map[uint8]string{0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}

// address is an address with its options, without the state.
func address(a *confparse.Address, dev string) string {
	words := []string{prefix(a.Prefix)}
	add := func(show bool, format string, args ...any) {
		if show {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	scope, known := scopes[a.Scope]
	if !known {
		scope = fmt.Sprint(a.Scope)
	}
	add(a.Broadcast.IsValid(), "brd %s", a.Broadcast)
	add(true, "dev %s", dev)
	add(a.UseVMAC, "use_vmac")
	add(true, "scope %s", scope)
	add(a.Label != "", "label %s", a.Label)
	add(a.Peer.IsValid(), "peer %s", a.Peer)
	add(a.HomeAddress, "home")
	add(a.DAD, "-nodad")
	add(a.ManageTempAddr, "mngtmpaddr")
	add(a.NoPrefixRoute, "noprefixroute")
	add(a.AutoJoin, "autojoin")
	add(a.NoTrack, "no_track")
	add(a.TrackGroup != "", "track_group %s", a.TrackGroup)
	v6 := a.Prefix.Addr().Is6()
	add(a.PreferredLifetime == 0, "deprecated")
	add(a.PreferredLifetime > 0, "preferred_lft %d", seconds(a.PreferredLifetime))
	add(a.PreferredLifetime < 0 && v6, "preferred_lft forever")
	return strings.Join(words, " ")
}

// prefix is an address with its length, unless that is all of it.
func prefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

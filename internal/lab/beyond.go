package lab

import (
	"fmt"
	"slices"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/lb"
	"keepgo/ipvsctl"
)

// beyond tells what of a file nftables cannot do, where they are to balance: the
// schedulers that others stand in for, and the services that are left out.
func (s *source) beyond() (notes []string) {
	if s.plane != planeNFT {
		return nil
	}
	cfg := *s.Config
	cfg.VirtualServers = slices.Clone(cfg.VirtualServers)
	for i, vs := range cfg.VirtualServers {
		if other := ipvsctl.WithoutCounts(vs.Scheduler); other != vs.Scheduler && !vs.Unscheduled {
			notes = append(notes, fmt.Sprintf("virtual server %s: %s counts open connections, which nftables cannot: %s stands in for it", nameOf(vs), vs.Scheduler, other))
			played := *vs
			played.Scheduler = other
			cfg.VirtualServers[i] = &played
		}
	}
	cfg.Global.DataPlane = confparse.PlaneIPVS
	_, usual := lb.Build(&cfg)
	cfg.Global.DataPlane = confparse.PlaneNFTables
	_, faults := lb.Build(&cfg)
	for _, f := range faults {
		known := slices.ContainsFunc(usual, func(u *syntax.Error) bool { return u.Error() == f.Error() })
		if f.Severity == syntax.Failure && !known {
			notes = append(notes, f.Error())
		}
	}
	return notes
}

// nameOf is a service as its block names it.
func nameOf(vs *confparse.VirtualServer) string {
	switch {
	case vs.Addr.IsValid():
		return fmt.Sprintf("%s %d", vs.Addr, vs.Port)
	case vs.Group != "":
		return "group " + vs.Group
	}
	return fmt.Sprintf("fwmark %d", vs.FWMark)
}

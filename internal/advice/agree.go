package advice

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"keepgo/confparse"
)

// Agreement is what both directors of a pair must have alike, by its name:
// short values in words, lists as their length and a digest. Names and values
// are the same wherever the configurations agree, whatever instances and
// interfaces are called. No password is in it, not even in a digest: a wrong
// one shows in the adverts.
func Agreement(cfg *confparse.Config) map[string]string {
	all := map[string]string{}
	said := map[string][]string{} // virtual routers of one number stand on several interfaces
	for _, in := range cfg.Instances {
		if in.Unusable != "" {
			continue
		}
		for what, value := range routerTerms(in) {
			key := routerName(in) + ": " + what
			said[key] = append(said[key], value)
		}
	}
	for key, values := range said {
		slices.Sort(values)
		all[key] = strings.Join(values, " | ")
	}
	for _, g := range cfg.SyncGroups {
		groupTerms(cfg, g, all)
	}
	for _, v := range cfg.VirtualServers {
		if v.Unusable == "" {
			all[serviceName(v)] = serviceTerms(v)
		}
	}
	return all
}

// Digest is one short text for all of an agreement.
func Digest(agreement map[string]string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(agreement)) {
		lines = append(lines, name+"="+agreement[name])
	}
	return digest(lines)
}

// digestBytes of SHA-256 tell configurations apart; nothing is kept secret by
// them.
const digestBytes = 6

func digest(lines []string) string {
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:digestBytes])
}

// many is a list in its digest, in any order.
func many(what string, list []string) string {
	slices.Sort(list)
	return fmt.Sprintf("%d %s (%s)", len(list), what, digest(list))
}

func routerName(in *confparse.Instance) string {
	return fmt.Sprintf("virtual router %d %s", in.VRID, family(in.IPv6))
}

func family(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

// routerTerms are the terms of a virtual router.
func routerTerms(in *confparse.Instance) map[string]string {
	terms := map[string]string{
		"version":     fmt.Sprint(in.Version),
		"addresses":   many("addresses", prefixes(in.Addresses)),
		"destination": "unicast",
	}
	if len(in.Peers) == 0 {
		terms["destination"] = in.Group.String()
	}
	if len(in.Excluded) > 0 {
		terms["excluded addresses"] = many("addresses", prefixes(in.Excluded))
	}
	if in.Version == 2 { // of version 3, a backup takes the master's: RFC 9568 section 6.1
		terms["advert_int"] = in.AdvertInt.String()
		terms["authentication"] = auth(in.AuthType)
	}
	return terms
}

func prefixes(list []confparse.Address) (texts []string) {
	for _, a := range list {
		texts = append(texts, a.Prefix.String())
	}
	return texts
}

// groupTerms notes for each virtual router of a sync group with whom it moves.
func groupTerms(cfg *confparse.Config, g *confparse.SyncGroup, all map[string]string) {
	var names []string
	for _, in := range cfg.Instances {
		if in.Unusable == "" && slices.Contains(g.Members, in.Name) {
			names = append(names, routerName(in))
		}
	}
	slices.Sort(names)
	for _, name := range names {
		all[name+": sync group"] = many("members", slices.Clone(names))
	}
}

func serviceName(v *confparse.VirtualServer) string {
	if v.FWMark != 0 {
		return title(v)
	}
	return fmt.Sprintf("%s %s", title(v), protocol(v.Protocol))
}

func protocol(p confparse.Protocol) string {
	return map[confparse.Protocol]string{confparse.TCP: "TCP", confparse.UDP: "UDP", confparse.SCTP: "SCTP"}[p]
}

// serviceTerms are the terms of a virtual server.
func serviceTerms(v *confparse.VirtualServer) string {
	var list []string
	for _, s := range v.Servers {
		list = append(list, fmt.Sprintf("%s %s %d", netip.AddrPortFrom(s.Addr, s.Port), method(s.Forward), s.Weight))
	}
	text := v.Scheduler
	if v.Persistence > 0 {
		text += ", persistence " + v.Persistence.String()
	}
	return text + ", " + many("servers", list)
}

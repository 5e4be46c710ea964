package lb

import (
	"net/netip"
	"regexp"

	"keepgo/checker"
	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// checks plans the checks of a real server, the next one of p.
func (b *builder) checks(p *Pool, rs *confparse.RealServer, name, path string) {
	for _, c := range rs.Checkers {
		probe, ok := b.probe(c, path)
		if !ok {
			continue
		}
		b.plan.Owners = append(b.plan.Owners, Owner{Pool: len(b.plan.Pools), Server: len(p.Servers)})
		b.plan.Checks = append(b.plan.Checks, checker.Check{
			ID: checker.ID(len(b.plan.Checks)), Probe: probe, Name: name, Service: p.Name,
			Timeout: c.Timeout, Interval: c.DelayLoop, Retry: c.Retry, RetryDelay: c.DelayBeforeRetry,
			Warmup: c.Warmup, Alpha: c.Alpha, LogAll: c.LogAll,
		})
	}
}

// probe is what a checker block asks; ok is false where nothing can ask it.
func (b *builder) probe(c *confparse.Checker, path string) (p checker.Probe, ok bool) {
	p = checker.Probe{
		Target: netip.AddrPortFrom(c.Addr, c.Port), Bind: source(c), BindLink: c.BindIf, Mark: c.FWMark,
	}
	switch {
	case c.Kind == confparse.TCPCheck:
		p.Kind = checker.TCP
	case (c.Kind == confparse.HTTPCheck || c.Kind == confparse.SSLCheck) && c.HTTP != nil:
		p.Kind, p.TLS = checker.HTTP, c.Kind == confparse.SSLCheck
		p.Protocol, p.FastRecovery = c.HTTP.Protocol, c.HTTP.FastRecovery
		p.URLs = b.urls(c, path)
		return p, len(p.URLs) > 0
	case c.Kind == confparse.MiscCheck && c.Misc != nil:
		cmd := &c.Misc.Command
		return checker.Probe{Kind: checker.Script, Dynamic: c.Misc.Dynamic,
			Command: checker.Command{Args: cmd.Args, Path: cmd.Path, User: cmd.User, Group: cmd.Group}}, true
	default:
		b.note(c.Pos, path, syntax.Warning, "the server counts as if it had no such check", "%s is not supported", c.Kind)
		return p, false
	}
	return p, true
}

// source is where the probe comes from; the zero value lets the kernel choose.
func source(c *confparse.Checker) netip.AddrPort {
	switch {
	case c.BindAddr.IsValid():
		return netip.AddrPortFrom(c.BindAddr, c.BindPort)
	case c.BindPort == 0:
		return netip.AddrPort{}
	case c.Addr.Is4():
		return netip.AddrPortFrom(netip.IPv4Unspecified(), c.BindPort)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), c.BindPort)
}

func (b *builder) urls(c *confparse.Checker, path string) []checker.URL {
	if len(c.HTTP.URLs) == 0 {
		b.note(c.Pos, path, syntax.Failure, "the check is left out", "%s has no url", c.Kind)
	}
	var urls []checker.URL
	for _, u := range c.HTTP.URLs {
		url := checker.URL{
			Path: u.Path, Digest: u.Digest, Host: first(u.VirtualHost, c.HTTP.VirtualHost, netip.AddrPortFrom(c.Addr, c.Port).String()),
			Regex: u.Regex, NoMatch: u.RegexNegate,
		}
		if c.HTTP.SNI || c.HTTP.SNIName != "" {
			url.SNI = first(c.HTTP.SNIName, u.VirtualHost, c.HTTP.VirtualHost)
		}
		for _, r := range u.Status {
			url.Status = append(url.Status, checker.Range(r))
		}
		if _, err := regexp.Compile(u.Regex); err != nil {
			b.note(u.Pos, path, syntax.Failure, "the body is not compared; write it in RE2 syntax", "%w", err)
			url.Regex = ""
		}
		urls = append(urls, url)
	}
	return urls
}

// first is the first of the texts that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

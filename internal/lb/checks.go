package lb

import (
	"net/netip"

	"keepgo/checker"
	"keepgo/checker/pcre"
	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// checks plans the checks of a real server, the next one of p.
func (b *builder) checks(p *Pool, rs *confparse.RealServer, at spot) {
	for _, c := range rs.Checkers {
		owner := Owner{Pool: len(b.plan.Pools), Server: len(p.Servers)}
		if c.Kind == confparse.FileCheck && c.Watch != nil {
			b.plan.Follows = append(b.plan.Follows, Follow{Owner: owner, File: c.Watch.Name, Weight: c.Watch.Weight, Reverse: c.Watch.Reverse})
			continue
		}
		if c.Kind == confparse.BFDCheck && c.Watch != nil {
			b.plan.Follows = append(b.plan.Follows, Follow{Owner: owner, File: Session(c.Watch.Name), Alpha: c.Alpha})
			continue
		}
		check := checker.Check{
			Name: at.server, Service: p.Name,
			Timeout: c.Timeout, Interval: c.DelayLoop, Retry: c.Retry, RetryDelay: c.DelayBeforeRetry, Rise: c.Rise,
			Warmup: c.Warmup, Alpha: c.Alpha, LogAll: c.LogAll, Private: c.Private,
		}
		if c.Through {
			b.through(c, p, rs, check, at)
			continue
		}
		var ok bool
		if check.Probe, ok = b.probe(c, at); ok {
			b.add(check, owner)
		}
	}
}

// add plans a check.
func (b *builder) add(c checker.Check, owner Owner) {
	c.ID = checker.ID(len(b.plan.Checks))
	b.plan.Owners = append(b.plan.Owners, owner)
	b.plan.Checks = append(b.plan.Checks, c)
}

// probe is what a checker block asks; ok is false where nothing can ask it.
func (b *builder) probe(c *confparse.Checker, at spot) (p checker.Probe, ok bool) {
	if c.Kind == confparse.MiscCheck && c.Misc != nil {
		cmd := &c.Misc.Command
		return checker.Probe{Kind: checker.Script, Program: &checker.Program{Dynamic: c.Misc.Dynamic,
			Command: checker.Command{Args: cmd.Args, Path: cmd.Path, User: cmd.User, Group: cmd.Group}}}, true
	}
	p = checker.Probe{
		Target: netip.AddrPortFrom(c.Addr, c.Port), Bind: source(c), BindLink: c.BindIf, Mark: c.FWMark,
	}
	switch {
	case c.Kind == confparse.TCPCheck:
		p.Kind = checker.TCP
	case (c.Kind == confparse.HTTPCheck || c.Kind == confparse.SSLCheck) && c.HTTP != nil:
		p.Kind, p.Web = checker.HTTP, b.web(c, at)
		return p, len(p.Web.URLs) > 0
	case c.Kind == confparse.SMTPCheck && c.SMTP != nil:
		p.Kind, p.Helo = checker.SMTP, c.SMTP.Helo
	case c.Kind == confparse.DNSCheck && c.DNS != nil:
		p.Kind, p.Question = checker.DNS, &checker.Question{Name: c.DNS.Name, Type: questionTypes[c.DNS.Type]}
	case c.Kind == confparse.UDPCheck && c.UDP != nil:
		p.Kind, p.Datagram = checker.UDP, &checker.Datagram{Payload: c.UDP.Payload, Required: c.UDP.RequireReply,
			Reply: c.UDP.Reply, Mask: c.UDP.Mask, Min: c.UDP.MinReply, Max: c.UDP.MaxReply}
	case c.Kind == confparse.PingCheck:
		p.Kind, p.Target = checker.Ping, netip.AddrPortFrom(c.Addr, 0)
	default:
		b.note(c.Pos, at, syntax.Failure, "the server counts as if it had no such check", "%s is not supported", c.Kind)
		return p, false
	}
	return p, true
}

// questionTypes are the numbers of DNS types: RFC 1035 section 3.2.2, RFC 3596,
// RFC 4034.
var questionTypes = map[string]uint16{
	"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "RRSIG": 46, "DNSKEY": 48,
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

// web is what HTTP_GET or SSL_GET asks.
func (b *builder) web(c *confparse.Checker, at spot) *checker.Web {
	if len(c.HTTP.URLs) == 0 {
		b.note(c.Pos, at, syntax.Failure, "the check is left out", "%s has no url", c.Kind)
	}
	w := &checker.Web{Protocol: c.HTTP.Protocol, FastRecovery: c.HTTP.FastRecovery}
	if c.Kind == confparse.SSLCheck {
		t := checker.TLS(b.cfg.TLS)
		w.TLS = &t
	}
	host := netip.AddrPortFrom(c.Addr, c.Port).String()
	for i := range c.HTTP.URLs {
		w.URLs = append(w.URLs, webURL(c.HTTP, &c.HTTP.URLs[i], host, w.TLS != nil))
	}
	return w
}

// webURL is one request; host names a server without a virtualhost.
func webURL(h *confparse.HTTP, u *confparse.URL, host string, tls bool) checker.URL {
	url := checker.URL{
		Path: u.Path, Digest: u.Digest, Host: first(u.VirtualHost, h.VirtualHost, host), NoMatch: u.RegexNegate,
		Polite: tls && u.TLSCompliant,
	}
	if tls && h.SNI {
		url.SNI = first(h.SNIName, u.VirtualHost, h.SNIHost)
	}
	for _, r := range u.Status {
		url.Status = append(url.Status, checker.Range(r))
	}
	if u.Regex != "" {
		url.Regex = &pcre.Pattern{Text: u.Regex, Options: u.RegexOptions, Min: u.RegexMin, Max: u.RegexMax}
	}
	return url
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

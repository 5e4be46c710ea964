package confparse

import (
	"cmp"
	"slices"
	"time"

	"keepgo/confparse/syntax"
)

// Built-in values of the checkers.
const (
	defaultDelayLoop = 60 * time.Second
	defaultTimeout   = 5 * time.Second
	defaultBefore    = time.Second
	httpBefore       = 3 * time.Second
	dnsRetries       = 3
)

// chain is where a checker looks for a value: itself, its real_server, its
// virtual_server.
type chain struct {
	r  *reader
	c  *check
	sv *server
	o  *service

	sieve uint64 // of the keywords that any of them has
}

// inherited is the value of the innermost that has the keyword.
func inherited[V any](ch *chain, keyword string, at func(*timing) V, builtin V) V {
	switch {
	case ch.sieve&sieve(keyword) == 0:
	case ch.r.has(ch.c, keyword):
		return at(&ch.c.timing)
	case ch.r.has(ch.sv, keyword):
		return at(&ch.sv.timing)
	case ch.r.has(ch.o, keyword):
		return at(&ch.o.timing)
	}
	return builtin
}

// completeCheck applies the chain of inheritance; it is false for a checker
// that cannot run.
func (r *reader) completeCheck(o *service, sv *server, c *check) bool {
	ch := &chain{r, c, sv, o, c.text.sieves() | sv.text.sieves() | o.text.sieves()}
	retry, before := 1, defaultBefore
	c.DelayLoop = inherited(ch, "delay_loop", func(t *timing) time.Duration { return t.period }, defaultDelayLoop)
	switch c.Kind {
	case MiscCheck:
		retry = 0
	case HTTPCheck, SSLCheck:
		before = httpBefore
	case DNSCheck:
		retry, before = dnsRetries, c.DelayLoop
	}
	if r.has(c, "nb_get_retry") {
		retry = c.retry
	}
	c.Retry = inherited(ch, "retry", func(t *timing) int { return t.retry }, retry)
	if r.has(c, "nb_get_retry") && !r.has(c, "retry") {
		c.Retry = c.retry
	}
	c.Rise = inherited(ch, "rise", func(t *timing) int { return t.rise }, 1)
	c.Alpha = inherited(ch, "alpha", func(t *timing) bool { return t.alpha }, false)
	c.Warmup = inherited(ch, "warmup", func(t *timing) time.Duration { return t.warmup }, c.DelayLoop)
	c.DelayBeforeRetry = inherited(ch, "delay_before_retry", func(t *timing) time.Duration { return t.before }, before)
	if c.Kind == MiscCheck {
		period := defaultDelayLoop
		if r.has(o, "delay_loop") {
			period = o.period
		}
		c.Timeout = cmp.Or(c.Timeout, period)
	} else {
		c.Timeout = inherited(ch, "connect_timeout", func(t *timing) time.Duration { return t.timeout }, defaultTimeout)
	}
	r.says(c, "log_all_failures", c.Checker)
	c.Private = !c.share
	return r.completeTarget(o, sv, c) && r.completeKind(o, sv, c)
}

// completeTarget decides where a check connects.
func (r *reader) completeTarget(o *service, sv *server, c *check) bool {
	if c.Kind == MiscCheck || c.Kind == FileCheck || c.Kind == BFDCheck {
		return true
	}
	if c.Through {
		return r.completeThrough(sv, c)
	}
	if !c.Addr.IsValid() {
		c.Addr = sv.Addr
	}
	c.Port = cmp.Or(c.Port, sv.Port, o.Port)
	if c.Addr.IsLinkLocalUnicast() && c.Addr.Is6() && c.BindIf == "" {
		r.fail(c, "", "add 'bind_if <IF>'", "%s of the link-local address %s needs bind_if", c.Kind, c.Addr)
		return false
	}
	if c.Kind == TCPCheck && o.Protocol == UDP && !r.has(c, "connect_port") && r.has(o, "protocol") {
		r.note(c, "", "UDP_CHECK or DNS_CHECK ask the service itself",
			"TCP_CHECK on a UDP service tests TCP port %d; is that meant?", c.Port)
	}
	return true
}

// completeThrough checks whether clients' packets reach the server unchanged, so
// that a probe can go the same way.
func (r *reader) completeThrough(sv *server, c *check) bool {
	switch {
	case sv.Forward == NAT:
		r.fail(c, "through_vip", "leave it out: a check of the real server's own address sees all there is",
			"through_vip needs lvs_method DR or TUN; with NAT a server does not have the virtual address")
	case c.FWMark != 0:
		r.fail(c, "through_vip", "leave out fwmark", "through_vip and fwmark exclude each other: the probe has a mark of its own")
	default:
		return true
	}
	return false
}

// completeKind checks what a kind of checker cannot do without.
func (r *reader) completeKind(o *service, sv *server, c *check) bool {
	switch c.Kind {
	case HTTPCheck, SSLCheck:
		return r.completeHTTP(o, sv, c)
	case MiscCheck:
		if len(c.Misc.Command.Args) == 0 {
			if !r.has(c, "misc_path") {
				r.fail(c, "", "", "MISC_CHECK has no misc_path")
			}
			return false
		}
	case FileCheck, BFDCheck:
		if c.Watch.Name == "" {
			keyword := map[CheckKind]string{FileCheck: "track_file", BFDCheck: "name"}[c.Kind]
			if !r.has(c, keyword) {
				r.fail(c, "", "the check is ignored", "%s has no %s", c.Kind, keyword)
			}
			return false
		}
		if c.Kind == FileCheck && !r.has(c, "weight") {
			r.watches = append(r.watches, c.Watch)
		}
	case UDPCheck:
		if u := c.UDP; u.MinReply > u.MaxReply {
			r.fail(c, "min_reply_length", "", "min_reply_length %d is above max_reply_length %d", u.MinReply, u.MaxReply)
		}
	}
	return true
}

func (r *reader) completeHTTP(o *service, sv *server, c *check) bool {
	h := c.HTTP
	if len(h.URLs) == 0 && slices.ContainsFunc(c.node.Body, func(n *syntax.Node) bool { return n.Words[0].Text == "path" }) {
		return false // reported where it stands
	}
	if len(h.URLs) == 0 {
		r.fail(c, "", "the check is ignored", "%s has no 'url { path ... }'", c.Kind)
		return false
	}
	h.SNIHost = cmp.Or(h.VirtualHost, o.virtualHost) // that of the real_server is not sent, as with keepalived
	h.VirtualHost = cmp.Or(h.VirtualHost, sv.virtualHost)
	kept := h.URLs[:0]
	for _, u := range h.URLs {
		u.TLSCompliant = u.TLSCompliant || h.TLSCompliant && !c.says(&u, "tls_compliant")
		if u.Path == "" {
			continue
		}
		if len(u.Status) == 0 {
			u.Status = []StatusRange{{200, 299}}
		}
		kept = append(kept, u)
	}
	h.URLs = kept
	return len(kept) > 0
}

// says that the text of a url has a keyword.
func (c *check) says(u *URL, keyword string) bool {
	named := func(n *syntax.Node) bool { return n.Words[0].Text == keyword }
	return slices.ContainsFunc(c.node.Body, func(n *syntax.Node) bool {
		return n.Words[0].Pos == u.Pos && slices.ContainsFunc(n.Body, named)
	})
}

// shape is what the top level of a text looks like.
type shape struct {
	first                        syntax.Word
	statements, unknown, numbers int
	program                      string // whose configuration it seems to be
}

func (t *shape) add(n *syntax.Node) {
	w := n.Words[0]
	if t.statements++; t.statements == 1 {
		t.first = w
	}
	if root().Keyword(w.Text) == nil {
		t.unknown++
		t.program = cmp.Or(t.program, programs[w.Text])
	}
	if w.Text != "" && w.Text[0] >= '0' && w.Text[0] <= '9' {
		t.numbers++
	}
}

// sanity looks at the configuration as a whole: is it one?
func (r *reader) sanity(name string) {
	at := syntax.Pos{File: name}
	switch {
	case r.text.statements == 0 && len(r.errs) == 0:
		r.found(syntax.Failure, at, 0, "", "", "the file is empty or holds comments only: no vrrp_instance, virtual_server or bfd_instance: nothing to do")
	case r.foreign():
	case len(r.errs) == 0 && r.nothingToDo():
		r.found(syntax.Failure, at, 0, "", "", "no vrrp_instance, virtual_server or bfd_instance: nothing to do")
	}
}

func (r *reader) nothingToDo() bool {
	c := r.cfg
	return len(c.Instances)+len(c.VirtualServers)+len(c.StaticAddresses)+len(c.StaticRoutes)+len(c.StaticRules) == 0 &&
		len(r.defined["bfd_instance"]) == 0
}

// programs are told by a keyword of theirs at the top level.
var programs = map[string]string{"worker_processes": "nginx", "http": "nginx", "events": "nginx", "server": "nginx",
	"upstream": "nginx", "frontend": "haproxy", "backend": "haproxy", "defaults": "haproxy", "listen": "haproxy",
	"client": "FreeRADIUS", "authorize": "FreeRADIUS"}

// foreign reports a file of another program: most of its top level is unknown.
func (r *reader) foreign() bool {
	t := &r.text
	own := r.errs[min(r.fromSyntax, len(r.errs)):]
	switch {
	case t.numbers*2 > t.statements && t.numbers > 2:
		r.found(syntax.Failure, t.first.Pos, len(t.first.Text), "", "", "every line starts with a number; pasted with line numbers?")
	case t.statements > 0 && t.unknown == t.statements && (t.unknown > 1 || t.program != ""):
		who := ""
		if t.program != "" {
			who = "; " + t.program + "?"
		}
		r.found(syntax.Failure, t.first.Pos, len(t.first.Text), "", "", "this does not look like a keepalived.conf (no known keyword%s)", who)
	default:
		return false
	}
	// One unknown keyword is enough to show: all of them are.
	verdict := r.errs[len(r.errs)-1]
	r.errs = append(r.errs[:r.fromSyntax:r.fromSyntax], own[:min(1, len(own))]...)
	r.errs = append(r.errs, verdict)
	return true
}

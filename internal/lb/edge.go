package lb

import (
	"fmt"
	"slices"
	"strings"

	"keepgo/checker"
	"keepgo/confparse"
	"keepgo/ipvsctl"
)

// Edge is a change people, scripts and mails are told of.
type Edge struct {
	Service string // virtual server
	Server  string // real server; "" for a change of the quorum
	Up      bool
	Command *confparse.Command // notify_up, notify_down, quorum_up or quorum_down; nil none
	Mail    bool               // smtp_alert
	Body    string             // of the mail
	OfCheck bool               // a check turned and its server did not: it is only mailed
	Ending  bool               // the daemon ends: Left servers of the virtual server are up still
	Left    int
	Quiet   bool // with Ending: SNMP alone is told, for the virtual server has no omega
}

// Line is the FIFO line of the edge, without its end; "" for none.
func (e Edge) Line() string {
	if e.OfCheck {
		return ""
	}
	if e.Server == "" {
		return fmt.Sprintf("VS %s %s", e.Service, upDown(e.Up))
	}
	return fmt.Sprintf("RS %s %s %s", e.Server, e.Service, upDown(e.Up))
}

// Subject is the subject of the mail, without the router's name.
func (e Edge) Subject() string {
	if e.Server == "" {
		return fmt.Sprintf("Virtualserver %s - %s", e.Service, upDown(e.Up))
	}
	return fmt.Sprintf("Realserver %s of virtual server %s - %s", e.Server, e.Service, upDown(e.Up))
}

func upDown(up bool) string {
	if up {
		return "UP"
	}
	return "DOWN"
}

// cause is what edges come from.
type cause struct {
	check *checker.Check // that turned; nil none
	why   string         // it turned
	quiet bool           // log only, but for SNMP where all ends
	ends  bool           // the daemon
	file  string         // Follow.File of what turned it, "" none
	body  string         // mail about servers that no check took out
	was   *pool          // the pool before a reload, for servers that left
}

// tell logs edges and turns those of servers and quorum into notifications.
func (p *pool) tell(acts []Action, edges []ipvsctl.Edge, c cause) []Action {
	left := stopped(edges)
	for _, e := range edges {
		acts = append(acts, Action{Kind: ActLog, Text: e.Text(p.plan.Name, p.plan.Protocol)})
		if e.Kind == ipvsctl.ServerStopped {
			left--
		}
		if edge, ok := p.edge(e, c); ok && (c.ends || !c.quiet) {
			edge.Ending, edge.Left, edge.Quiet = c.ends, left, c.quiet
			acts = append(acts, Action{Kind: ActNotify, Edge: edge, Text: c.reason(e, p)})
		}
	}
	return acts
}

// stopped counts the servers that go because the daemon ends.
func stopped(edges []ipvsctl.Edge) (n int) {
	for _, e := range edges {
		if e.Kind == ipvsctl.ServerStopped {
			n++
		}
	}
	return n
}

// reason is why e came to pass, as far as that is known.
func (c cause) reason(e ipvsctl.Edge, p *pool) string {
	switch {
	case e.Kind == ipvsctl.QuorumGained || e.Kind == ipvsctl.QuorumLost:
		return e.Text(p.plan.Name, p.plan.Protocol)
	case c.file != "":
		return followed(c.file, e.Kind == ipvsctl.ServerUp)
	case c.check == nil && c.why == "" && e.Kind != ipvsctl.ServerUp:
		return strings.Trim(c.body, "=>< ")
	}
	return c.why
}

// edge is what people are told of e, if anything.
func (p *pool) edge(e ipvsctl.Edge, c cause) (edge Edge, ok bool) {
	edge = Edge{Service: p.plan.Name}
	switch e.Kind {
	case ipvsctl.QuorumGained, ipvsctl.QuorumLost:
		edge.Mail, edge.Body = p.plan.SMTPAlert, "=> "+e.Verdict()+" <="
		if edge.Up = e.Kind == ipvsctl.QuorumGained; edge.Up {
			edge.Command = p.plan.QuorumUp
		} else {
			edge.Command = p.plan.QuorumDown
		}
		return edge, true
	case ipvsctl.ServerUp, ipvsctl.ServerDown, ipvsctl.ServerStopped:
		s := p.server(e.Server, c.was)
		edge.Server, edge.Mail, edge.Command = e.Server.Name(p.plan.Protocol), s.SMTPAlert, s.NotifyDown
		if edge.Up = e.Kind == ipvsctl.ServerUp; edge.Up {
			edge.Command = s.NotifyUp
		}
		edge.Body = c.text(edge.Up)
		return edge, true
	}
	return edge, false
}

// server is what is known of a server, perhaps from before a reload.
func (p *pool) server(key ipvsctl.DestKey, was *pool) Server {
	if i, ok := p.Place(key); ok {
		return p.plan.Servers[i]
	}
	if was != nil {
		if i, ok := was.Place(key); ok {
			return was.plan.Servers[i]
		}
	}
	return Server{}
}

// turned tells whether a server is among those that edges tell of.
func turned(edges []ipvsctl.Edge) bool {
	return slices.ContainsFunc(edges, func(e ipvsctl.Edge) bool {
		return e.Kind == ipvsctl.ServerUp || e.Kind == ipvsctl.ServerDown
	})
}

// mail tells of a check that turned while its server stays as others say. The
// subject has the state of the server, as keepalived's has.
func (p *pool) mail(acts []Action, server int, c cause, up bool) []Action {
	s := &p.plan.Servers[server]
	if !s.SMTPAlert {
		return acts
	}
	return append(acts, Action{Kind: ActNotify, Edge: Edge{
		Service: p.plan.Name, Server: s.Name, Up: p.servers[server].failed == 0, Mail: true, Body: c.text(up), OfCheck: true,
	}})
}

// greet tells of the servers that are up.
func (p *pool) greet(acts []Action) []Action {
	for i := range p.plan.Servers {
		if s := &p.plan.Servers[i]; p.servers[i].failed == 0 {
			acts = append(acts, Action{Kind: ActNotify, Edge: Edge{Service: p.plan.Name, Server: s.Name, Up: true, Command: s.NotifyUp}})
		}
	}
	return acts
}

// phrases are the beginnings of keepalived's mails about checks.
var phrases = map[checker.Kind]string{
	checker.TCP: "TCP CHECK ", checker.UDP: "UDP CHECK ", checker.Ping: "ICMP CHECK ", checker.Script: "MISC CHECK ",
	checker.DNS: "DNS_CHECK: ", checker.HTTP: "CHECK ", checker.SMTP: "CHECK ",
}

// text is keepalived's mail about a server that turned.
func (c cause) text(up bool) string {
	switch {
	case c.file != "":
		return "=> " + title(c.file) + map[bool]string{true: " succeed", false: " failed"}[up] + " on service <="
	case c.check == nil && up:
		return "=> Adding <="
	case c.check == nil:
		return c.body
	}
	kind := c.check.Probe.Kind
	what := "failed on service"
	switch {
	case up && kind == checker.Script:
		what = "succeeded on service"
	case up:
		what = "succeed on service"
	case kind == checker.Script && strings.HasPrefix(c.why, checker.Late):
		what = "timed out on service"
	case kind == checker.HTTP:
		what += " : HTTP request failed"
	case kind == checker.SMTP:
		what += " : " + c.why
	}
	return "=> " + phrases[kind] + what + " <="
}

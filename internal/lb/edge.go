package lb

import (
	"fmt"

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
}

// Line is the FIFO line of the edge, without its end.
func (e Edge) Line() string {
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
	quiet bool           // log only
	body  string         // mail about servers that no check took out
	was   *pool          // the pool before a reload, for servers that left
}

// tell logs edges and turns those of servers and quorum into notifications.
func (p *pool) tell(acts []Action, edges []ipvsctl.Edge, c cause) []Action {
	for _, e := range edges {
		acts = append(acts, Action{Kind: ActLog, Text: e.Text(p.plan.Name, p.plan.Protocol)})
		if edge, ok := p.edge(e, c); ok && !c.quiet {
			acts = append(acts, Action{Kind: ActNotify, Edge: edge})
		}
	}
	return acts
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
	if i, ok := p.index[key]; ok {
		return p.plan.Servers[i]
	}
	if was != nil {
		if i, ok := was.index[key]; ok {
			return was.plan.Servers[i]
		}
	}
	return Server{}
}

// text is keepalived's mail about a server that turned.
func (c cause) text(up bool) string {
	switch {
	case c.check == nil && up:
		return "=> Adding <="
	case c.check == nil:
		return c.body
	case c.check.Probe.Kind == checker.TCP && up:
		return "=> TCP CHECK succeed on service <="
	case c.check.Probe.Kind == checker.TCP:
		return "=> TCP CHECK failed on service <="
	case c.check.Probe.Kind == checker.Script && up:
		return "=> MISC CHECK succeeded on service <="
	case c.check.Probe.Kind == checker.Script:
		return "=> MISC CHECK failed on service <="
	case up:
		return "=> CHECK succeed on service <="
	}
	return "=> CHECK failed on service : HTTP request failed <="
}

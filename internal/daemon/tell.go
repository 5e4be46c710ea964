package daemon

import (
	"strings"

	"keepgo/confparse"
	"keepgo/internal/lb"
	"keepgo/internal/notify"
	"keepgo/internal/status"
)

// noteEdge keeps a change of an instance or a group.
func (p *parent) noteEdge(e *notify.Edge, why string) {
	p.note(status.Event{Kind: e.Kind, Name: e.Name, State: e.State, Priority: e.Priority, Why: why})
}

// noteServer keeps a change of a virtual or a real server.
func (p *parent) noteServer(e *lb.Edge, why string) {
	if kind, rest, told := strings.Cut(e.Line(), " "); told {
		cut := strings.LastIndexByte(rest, ' ')
		p.note(status.Event{Kind: kind, Name: rest[:cut], State: rest[cut+1:], Why: why})
	}
}

// server tells of a change of a virtual or a real server.
func (p *parent) server(e *lb.Edge) {
	p.outlet.Server(e.Line(), e.Subject(), e.Body, e.Mail)
	if e.Command != nil {
		p.scripts.Post(e.Service+" "+e.Server, *e.Command)
	}
}

// edge runs the scripts a change of state calls for.
func (p *parent) edge(e notify.Edge) {
	switch {
	case e.Kind != "INSTANCE":
	case e.State == "MASTER":
		p.masters[e.Name] = true
	case e.State == "BACKUP", e.State == "FAULT", e.State == "STOP", e.State == "DELETED":
		delete(p.masters, e.Name)
	}
	p.onBus.tell(e)
	object := e.Kind + " " + e.Name
	t, known := p.tellers[object]
	p.outlet.Instance(e, t.mail)
	if known {
		p.scripts.Post(object, notify.Scripts(*t.scripts, e)...)
	}
}

// teller is what an instance or a group has to tell by.
type teller struct {
	scripts *confparse.Notify
	mail    bool
	master  bool // state MASTER
}

// tellers finds those of configurations by kind and name; what a later one says
// counts.
func tellers(cfgs ...*confparse.Config) map[string]teller {
	found := map[string]teller{}
	for _, cfg := range cfgs {
		if cfg == nil {
			continue
		}
		for _, g := range cfg.SyncGroups {
			found["GROUP "+g.Name] = teller{&g.Notify, g.SMTPAlert, false}
		}
		for _, in := range cfg.Instances {
			found["INSTANCE "+in.Name] = teller{&in.Notify, in.SMTPAlert, in.Master}
		}
	}
	return found
}

package notify

import (
	"context"
	"os"
	"os/user"
	"sync"

	"keepgo/confparse"
)

// Options are all that an Outlet writes to.
type Options struct {
	Common FIFOOptions // notify_fifo: gets the lines of both kinds
	VRRP   FIFOOptions // vrrp_notify_fifo: those of instances and groups
	LVS    FIFOOptions // lvs_notify_fifo: those of virtual and real servers
	Plain  bool        // leave away the NUL after the lines of servers
	Mail   MailOptions
}

// OptionsOf are the options a configuration names, with keepalived's defaults
// (global_data.c): the host's name, its user as sender, and for a FIFO the user
// for scripts and what umask leaves of 0644.
func OptionsOf(g *confparse.Global, umask uint32) Options {
	host, _ := os.Hostname()
	if host == "" {
		host = "localhost"
	}
	m := MailOptions{
		Server: g.SMTPServer, Port: g.SMTPPort, Timeout: g.SMTPTimeout, To: g.NotificationEmail,
		Helo: g.SMTPHelo, From: g.EmailFrom, RouterID: g.RouterID, NoFaults: g.NoEmailFaults,
		TLS: tlsOf[g.SMTPTLS], CA: g.SMTPCA, User: g.SMTPUser, PasswordFile: g.SMTPPasswordFile, Patience: g.SMTPPatience,
	}
	if m.Helo == "" {
		m.Helo = host
	}
	if m.RouterID == "" {
		m.RouterID = host
	}
	if m.From == "" {
		m.From = userName() + "@" + host
	}
	return Options{
		Common: fifoOf(g, g.NotifyFIFO, umask), VRRP: fifoOf(g, g.VRRPNotifyFIFO, umask), LVS: fifoOf(g, g.LVSNotifyFIFO, umask),
		Mail: m,
	}
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "root"
}

func fifoOf(g *confparse.Global, f confparse.FIFO, umask uint32) FIFOOptions {
	o := FIFOOptions{Path: f.Path, User: f.User, Group: f.Group, Mode: 0o644 &^ umask, Script: f.Script}
	if o.User == "" {
		o.User, o.Group = g.ScriptUser, g.ScriptGroup
	}
	return o
}

// Outlet is where changes of state go besides the log and the scripts: FIFOs
// and mail. None of its methods waits, but Close.
type Outlet struct {
	run  Runner
	log  Log
	mail *Mailer

	mu      sync.Mutex
	options Options
	fifos   [3]*FIFO          // common, VRRP, LVS; nil none
	mailed  map[object]string // the state an object was last mailed in
}

// object is an instance or a group.
type object struct{ kind, name string }

// NewOutlet makes an outlet that writes nowhere until it has Options.
func NewOutlet(run Runner, log Log) *Outlet {
	return &Outlet{run: run, log: log, mail: NewMailer(log), mailed: map[object]string{}}
}

// Apply replaces the options. A FIFO that did not change goes on, with its
// script; the others are closed and opened.
func (o *Outlet) Apply(n Options) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n.VRRP = o.single("vrrp_notify_fifo", n.VRRP, n.Common)
	n.LVS = o.single("lvs_notify_fifo", n.LVS, n.Common)
	before := [...]FIFOOptions{o.options.Common, o.options.VRRP, o.options.LVS}
	wanted := [...]FIFOOptions{n.Common, n.VRRP, n.LVS}
	var closing []*FIFO
	for i, f := range o.fifos {
		if f != nil && !wanted[i].equal(before[i]) {
			go f.Close(context.Background())
			closing, o.fifos[i] = append(closing, f), nil
		}
	}
	for i := range o.fifos {
		if o.fifos[i] == nil && wanted[i].Path != "" {
			o.fifos[i] = NewFIFO(wanted[i], o.run, o.log, closing...)
		}
	}
	o.options = n
	o.mail.Apply(n.Mail)
}

// single takes out a FIFO that would get every line twice.
func (o *Outlet) single(name string, f, common FIFOOptions) FIFOOptions {
	if f.Path != "" && f.Path == common.Path {
		o.log("%s %s is notify_fifo as well; it is ignored", name, f.Path)
		return FIFOOptions{}
	}
	return f
}

// Instance tells of a change of an instance or a group. It is mailed if smtp is
// set and its state is another than that mailed last.
func (o *Outlet) Instance(e Edge, smtp bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write(Line(e), o.fifos[0], o.fifos[1])
	if subject, body, ok := mailText(e); ok && smtp && !e.Again && o.news(e) {
		o.mail.Post(subject, body)
	}
}

// news says whether an edge is to be mailed, and remembers it.
func (o *Outlet) news(e Edge) bool {
	key := object{e.Kind, e.Name}
	if e.State == "FAULT" && o.options.Mail.NoFaults || o.mailed[key] == e.State {
		return false
	}
	o.mailed[key] = e.State
	if e.State == "DELETED" {
		delete(o.mailed, key)
	}
	return true
}

// Server tells of a change of a virtual or a real server: its line without the
// end, and if mail is set the subject, without the router's name, and the body.
func (o *Outlet) Server(line, subject, body string, mail bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if line != "" {
		o.write(serverLine(line, o.options.Plain), o.fifos[0], o.fifos[2])
	}
	if mail {
		o.mail.Post(subject, body)
	}
}

func (o *Outlet) write(line string, fifos ...*FIFO) {
	for _, f := range fifos {
		if f != nil {
			f.Write(line)
		}
	}
}

// Terminate sends the scripts of the FIFOs SIGTERM, as keepalived does when it
// begins to stop; they still get the lines that follow.
func (o *Outlet) Terminate() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.fifos {
		if f != nil {
			f.Terminate()
		}
	}
}

// Close writes and mails what waits, removes the FIFOs made here and ends their
// scripts. It returns when that is done or ctx ends; what is left then is lost,
// and told.
func (o *Outlet) Close(ctx context.Context) {
	o.mu.Lock()
	fifos := o.fifos
	o.fifos = [3]*FIFO{}
	o.options = Options{}
	o.mu.Unlock()
	var wg sync.WaitGroup
	for _, f := range fifos {
		if f != nil {
			wg.Go(func() { f.Close(ctx) })
		}
	}
	wg.Go(func() { o.mail.Close(ctx) })
	wg.Wait()
}

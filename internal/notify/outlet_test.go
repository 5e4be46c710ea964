package notify

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
)

func TestLine(t *testing.T) {
	for _, c := range []struct {
		edge Edge
		want string
	}{
		{Edge{Kind: "INSTANCE", Name: "VI_1", State: "MASTER", Priority: 150}, "INSTANCE \"VI_1\" MASTER 150\n"},
		{Edge{Kind: "INSTANCE", Name: `a"b`, State: "MASTER_RX_LOWER_PRI", Priority: 100}, "INSTANCE \"a\"b\" MASTER_RX_LOWER_PRI 100\n"},
		{Edge{Kind: "GROUP", Name: "G", State: "STOP", Priority: 0}, "GROUP \"G\" STOP 0\n"},
	} {
		if got := Line(c.edge); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestMailText(t *testing.T) {
	for _, c := range []struct{ kind, state, subject, body string }{
		{"INSTANCE", "MASTER", "VRRP Instance x - Entering MASTER state", "=> VRRP Instance is now owning VRRP VIPs <="},
		{"INSTANCE", "BACKUP", "VRRP Instance x - Entering BACKUP state", "=> VRRP Instance is no longer owning VRRP VIPs <="},
		{"INSTANCE", "FAULT", "VRRP Instance x - Entering FAULT state", "=> VRRP Instance is no longer owning VRRP VIPs <="},
		{"INSTANCE", "STOP", "VRRP Instance x - Stopping", "=> VRRP Instance stopping <="},
		{"INSTANCE", "DELETED", "VRRP Instance x - Deleted", "=> VRRP Deleted at reload <="},
		{"INSTANCE", "MASTER_RX_LOWER_PRI", "", ""},
		{"INSTANCE", "MASTER_PRIORITY", "", ""},
		{"GROUP", "MASTER", "VRRP Group x - Entering MASTER state", "=> All VRRP group instances are now in MASTER state <="},
		{"GROUP", "FAULT", "VRRP Group x - Entering FAULT state", "=> All VRRP group instances are now in FAULT state <="},
		{"GROUP", "STOP", "VRRP Group x - Stopping", "=> All VRRP group instances are now stopping <="},
	} {
		subject, body, ok := mailText(Edge{Kind: c.kind, Name: "x", State: c.state})
		if subject != c.subject || body != c.body || ok != (c.subject != "") {
			t.Errorf("%s %s: %q, %q, %v", c.kind, c.state, subject, body, ok)
		}
	}
}

func newTestOutlet(t *testing.T, run Runner) (*Outlet, *logged) {
	l := &logged{}
	o := NewOutlet(run, l.log)
	t.Cleanup(func() { o.Close(context.Background()) })
	return o, l
}

func TestOutletRoutes(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) FIFOOptions { return FIFOOptions{Path: filepath.Join(dir, name), User: current} }
	o, l := newTestOutlet(t, nil)
	o.Apply(Options{Common: at("common"), VRRP: at("vrrp"), LVS: at("lvs")})
	o.Instance(Edge{Kind: "INSTANCE", Name: "VI_1", State: "MASTER", Priority: 100}, false)
	o.Server("RS [10.0.0.1]:tcp:80 [10.0.0.9]:tcp:80 UP", "", "", false)
	o.Instance(Edge{Kind: "GROUP", Name: "G", State: "MASTER", Priority: 0}, false)
	const instance, server, group = "INSTANCE \"VI_1\" MASTER 100\n", "RS [10.0.0.1]:tcp:80 [10.0.0.9]:tcp:80 UP\n\x00", "GROUP \"G\" MASTER 0\n"
	for name, want := range map[string]string{"common": instance + server + group, "vrrp": instance + group, "lvs": server} {
		if got := openReader(t, filepath.Join(dir, name)).until(t, want[len(want)-5:]); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	o.Apply(Options{Common: at("common"), VRRP: at("common"), LVS: at("lvs"), Plain: true})
	r := openReader(t, filepath.Join(dir, "common"))
	o.Server("VS FWM 1 DOWN", "", "", false)
	o.Instance(Edge{Kind: "GROUP", Name: "G", State: "STOP", Priority: 0}, false)
	if got := r.until(t, "STOP 0\n"); got != "VS FWM 1 DOWN\nGROUP \"G\" STOP 0\n" {
		t.Errorf("read %q", got)
	}
	if got := l.text(); got != "vrrp_notify_fifo "+dir+"/common is notify_fifo as well; it is ignored" {
		t.Errorf("logged %q", got)
	}
	until(t, "the end of vrrp", func() bool { return !exists(filepath.Join(dir, "vrrp")) })
}

// A reload leaves what did not change alone, and hands paths over.
func TestOutletReload(t *testing.T) {
	dir := t.TempDir()
	starts, ends := make(chan string, 9), make(chan string, 9)
	run := func(ctx context.Context, c confparse.Command) error {
		starts <- c.Args[0]
		<-ctx.Done()
		ends <- c.Args[0]
		return nil
	}
	at := func(name, script string) FIFOOptions {
		return FIFOOptions{Path: filepath.Join(dir, name), User: current, Script: command(script)}
	}
	o, l := newTestOutlet(t, run)
	o.Apply(Options{Common: at("a", "one")})
	if got := <-starts; got != "one" {
		t.Fatal(got)
	}
	o.Apply(Options{Common: at("a", "one"), LVS: at("b", "lvs")})
	if got := <-starts; got != "lvs" {
		t.Fatal(got)
	}
	o.Apply(Options{Common: at("a", "two"), VRRP: at("b", "vrrp")}) // b changes sides
	got := map[string]bool{<-starts: true, <-starts: true}
	if !got["two"] || !got["vrrp"] {
		t.Errorf("started %v", got)
	}
	got = map[string]bool{<-ends: true, <-ends: true}
	if !got["one"] || !got["lvs"] {
		t.Errorf("ended %v", got)
	}
	o.Instance(Edge{Kind: "INSTANCE", Name: "VI_1", State: "MASTER", Priority: 100}, false)
	for _, name := range []string{"a", "b"} {
		openReader(t, filepath.Join(dir, name)).until(t, "MASTER 100\n")
	}
	o.Apply(Options{})
	until(t, "the end of both", func() bool { return !exists(filepath.Join(dir, "a")) && !exists(filepath.Join(dir, "b")) })
	if l.text() != "" {
		t.Errorf("logged %q", l.text())
	}
}

func TestOutletMails(t *testing.T) {
	s := serve(t, &server{greeting: "220 x"})
	o, l := newTestOutlet(t, nil)
	m := s.options()
	m.NoFaults = true
	o.Apply(Options{Mail: m})
	for _, state := range []string{"BACKUP", "BACKUP", "FAULT", "BACKUP", "MASTER_PRIORITY", "MASTER", "STOP"} {
		o.Instance(Edge{Kind: "INSTANCE", Name: "VI_1", State: state, Priority: 100}, true)
		o.Instance(Edge{Kind: "INSTANCE", Name: "VI_2", State: state, Priority: 100}, false)
	}
	o.Instance(Edge{Kind: "GROUP", Name: "VI_1", State: "MASTER", Priority: 0}, true)
	o.Instance(Edge{Kind: "GROUP", Name: "G", State: "MASTER", Again: true}, true)
	o.Server("RS a b DOWN", "Realserver a of virtual server b - DOWN", "=> TCP CHECK failed on service <=", true)
	o.Server("RS a b UP", "Realserver a of virtual server b - UP", "", false)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	o.Close(ctx)
	var got []string
	for _, mail := range s.got() {
		for _, line := range strings.Split(mail, "\r\n") {
			if subject, ok := strings.CutPrefix(line, "Subject: [R1] "); ok {
				got = append(got, subject)
			}
		}
	}
	want := []string{
		"VRRP Instance VI_1 - Entering BACKUP state", "VRRP Instance VI_1 - Entering MASTER state",
		"VRRP Instance VI_1 - Stopping", "VRRP Group VI_1 - Entering MASTER state",
		"Realserver a of virtual server b - DOWN",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("mailed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if l.text() != "" {
		t.Errorf("logged %q", l.text())
	}
}

// Neither a mail server that hangs nor a missing reader holds anybody up.
func TestOutletDoesNotWait(t *testing.T) {
	s := serve(t, &server{})
	gate := make(chan struct{})
	defer close(gate)
	deaf := func(context.Context, confparse.Command) error {
		<-gate
		return nil
	}
	o, _ := newTestOutlet(t, deaf)
	o.Apply(Options{
		Common: FIFOOptions{Path: filepath.Join(t.TempDir(), "fifo"), User: current, Script: command("x")}, Mail: s.options(),
	})
	start := time.Now()
	for range 10000 {
		o.Server("RS a b DOWN", "Realserver a of virtual server b - DOWN", "", true)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	o.Close(ctx)
	if took := time.Since(start); took > 7*time.Second {
		t.Errorf("closed after %v", took)
	}
}

func TestOptionsOf(t *testing.T) {
	g := &confparse.Global{
		SMTPServer: "mx", SMTPPort: 25, NotificationEmail: []string{"root"}, ScriptUser: "nobody",
		SMTPTLS: "required", SMTPCA: "ca", SMTPUser: "keep", SMTPPasswordFile: "secret", SMTPPatience: time.Hour,
		NotifyFIFO: confparse.FIFO{Path: "/a"}, LVSNotifyFIFO: confparse.FIFO{Path: "/b", User: "daemon"},
	}
	o := OptionsOf(g, 0o177)
	if o.Common.User != "nobody" || o.LVS.User != "daemon" || o.Common.Mode != 0o600 || OptionsOf(g, 0o22).LVS.Mode != 0o644 || o.VRRP.Path != "" {
		t.Errorf("%+v", o)
	}
	if m := o.Mail; m.Helo == "" || m.RouterID != m.Helo || !strings.HasSuffix(m.From, "@"+m.Helo) {
		t.Errorf("%+v", m)
	}
	if m := o.Mail; m.TLS != TLSRequired || m.CA != "ca" || m.User != "keep" || m.PasswordFile != "secret" || m.patience() != time.Hour {
		t.Errorf("%+v", m)
	}
}

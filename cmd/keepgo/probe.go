package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"keepgo/checker"
	"keepgo/checker/probe"
	"keepgo/internal/control"
	"keepgo/internal/daemon"
	"keepgo/internal/lb"
	"keepgo/internal/status"
)

// probesAtOnce bounds how many probes are under way together.
const probesAtOnce = 16

// probeOptions are those of the verb probe.
type probeOptions struct {
	file, id, control string
	json              bool
}

func probeFlags(o *probeOptions) *pflag.FlagSet {
	f := newFlags("probe")
	f.StringVarP(&o.file, "file", "f", daemon.Defaults().File, "configuration `file`")
	f.StringVarP(&o.id, "config-id", "i", "", "`id` for @id lines (default: the host's name)")
	f.StringVar(&o.control, "control", daemon.Defaults().Control, "`path` of the control socket, for what the daemon says")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return f
}

// runProbe is the verb probe: what the checks of a server see.
func runProbe(args []string, out, errs io.Writer) int {
	var o probeOptions
	f := probeFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if f.NArg() > 1 {
		fmt.Fprintf(errs, "usage: keepgo probe %s\n", find("probe").args)
		return exitUsage
	}
	passed, err := o.probe(f.Arg(0), out, errs)
	if err != nil {
		fmt.Fprintf(errs, "keepgo probe: %v\n", err)
	}
	if err != nil || !passed {
		return exitFaulty
	}
	return exitOK
}

// probe makes every check of what is called name once, and says whether all
// passed.
func (o *probeOptions) probe(name string, out, errs io.Writer) (passed bool, err error) {
	cfg, _, err := daemon.Read(daemon.Options{File: o.file, ConfigID: o.id})
	if err != nil {
		return false, err
	}
	if err := daemon.Enter(&cfg.Global); err != nil {
		return false, err
	}
	plan, problems := daemon.Checks(cfg)
	for _, p := range problems {
		fmt.Fprintf(errs, "keepgo probe: %v\n", p)
	}
	ids, idle := plan.Named(name)
	if len(ids)+len(idle) == 0 {
		return false, fmt.Errorf("%s has no virtual server and no real server called %q: name it by address, or by address and port", o.file, name)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	list := questions(plan, ids)
	askAll(ctx, list)
	o.compare(ctx, list)
	o.print(out, list, idle)
	for _, q := range list {
		passed = q.Passed
		if !passed {
			break
		}
	}
	if ctx.Err() != nil {
		return false, errors.New("interrupted")
	}
	return passed || len(list) == 0, nil
}

// question is one request of a check, and what became of it.
type question struct {
	Server   string   `json:"server"`
	Services []string `json:"services"` // that the answer is for
	Kind     string   `json:"kind"`
	URL      string   `json:"url,omitempty"`
	Program  string   `json:"program,omitempty"`
	Target   string   `json:"target,omitempty"` // what was asked, with the ways of asking that are configured
	Must     string   `json:"must"`             // what the answer must be
	Passed   bool     `json:"passed"`
	Local    bool     `json:"local,omitempty"` // could not be asked for want of something here; decides nothing
	Why      string   `json:"why"`
	Broke    string   `json:"broke,omitempty"` // the rule that decided against it
	Weight   *int     `json:"weight,omitempty"`
	Took     float64  `json:"took"` // seconds
	Notes    []string `json:"notes,omitempty"`
	Request  words    `json:"request"`
	Reply    words    `json:"reply"`
	Then     string   `json:"then"`             // what the daemon makes of it
	Daemon   string   `json:"daemon,omitempty"` // what it says now

	check *checker.Check
	step  int
}

// words is one direction of a conversation.
type words struct {
	Head string `json:"head,omitempty"` // printable
	Size int    `json:"size"`           // in bytes
	Cut  bool   `json:"cut,omitempty"`  // there is more than Head
}

// questions are what the checks ask. Checks that share a probe are one.
func questions(plan *lb.Plan, ids []checker.ID) (list []*question) {
	shared := map[checker.Key][]*question{}
	for _, id := range ids {
		c := &plan.Checks[id]
		key := c.Sharing()
		if known := shared[key]; known != nil {
			for _, q := range known {
				q.Services = append(q.Services, c.Service)
			}
			continue
		}
		for step := range c.Steps() {
			q := newQuestion(c, step)
			shared[key] = append(shared[key], q)
			list = append(list, q)
		}
	}
	return list
}

func newQuestion(c *checker.Check, step int) *question {
	p := &c.Probe
	q := &question{Server: c.Name, Services: []string{c.Service}, Kind: p.Keyword(), Must: probe.Rules(c, step), Then: afterwards(c), check: c, step: step}
	switch {
	case p.Kind == checker.Script && p.Program != nil:
		q.Program = strings.Join(p.Program.Command.Args, " ")
		return q
	case p.Web != nil && step < len(p.Web.URLs):
		q.URL = p.Web.URLs[step].Path
	}
	q.Target = way(p)
	return q
}

// way is where a probe goes, and how.
func way(p *checker.Probe) string {
	text := p.Target.String()
	if p.Kind == checker.Ping {
		text = p.Target.Addr().String()
	}
	switch {
	case p.Bind.Port() != 0:
		text += " from " + p.Bind.String()
	case p.Bind.IsValid():
		text += " from " + p.Bind.Addr().String()
	}
	if p.BindLink != "" {
		text += " by " + p.BindLink
	}
	if p.Mark != 0 {
		text += fmt.Sprintf(" with fwmark %d", p.Mark)
	}
	return text
}

// afterwards is the rhythm that the daemon asks in.
func afterwards(c *checker.Check) string {
	text := fmt.Sprintf("asked every %v", c.Interval)
	switch {
	case c.Retry == 1:
		text += fmt.Sprintf("; down with the second failure in a row, %v after the first", c.RetryDelay)
	case c.Retry > 1:
		text += fmt.Sprintf("; down with failure number %d in a row, %v apart", c.Retry+1, c.RetryDelay)
	default:
		text += "; down with the first failure"
	}
	if c.Alpha {
		text += "; down until the first success"
	}
	return text
}

// askAll makes all probes, some at a time.
func askAll(ctx context.Context, list []*question) {
	var wg sync.WaitGroup
	room := make(chan struct{}, probesAtOnce)
	for _, q := range list {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			q.ask(ctx)
		})
	}
	wg.Wait()
}

func (q *question) ask(ctx context.Context) {
	var t probe.Trace
	began := time.Now()
	o := probe.Once(probe.WithTrace(ctx, &t), q.check, q.step)
	q.Took = time.Since(began).Seconds()
	q.Passed, q.Local = o.Answer == checker.Passed, o.Answer == checker.Local
	q.Why, q.Broke, q.Notes = o.Why, o.Rule, t.Notes()
	if p := &q.check.Probe; p.Via.IsValid() {
		q.Notes = append(q.Notes, fmt.Sprintf("through_vip: the running daemon's IPVS hands it to %s by mark %d", p.Via, p.Mark))
	}
	if o.Dynamic {
		q.Weight = &o.Weight
	}
	q.Request, q.Reply = heard(t.Sent()), heard(t.Received())
}

func heard(s probe.Said) words { return words{printable(s.Head), s.Size, s.Size > len(s.Head)} }

// compare adds what the running daemon says of the same checks, if it runs.
func (o *probeOptions) compare(ctx context.Context, list []*question) {
	st, err := control.New(o.control).Status(ctx)
	if err != nil {
		return
	}
	said := map[[2]string]*status.Server{}
	for i := range st.Services {
		for j := range st.Services[i].Servers {
			said[[2]string{st.Services[i].Name, st.Services[i].Servers[j].Name}] = &st.Services[i].Servers[j]
		}
	}
	for _, q := range list {
		if s := said[[2]string{q.Services[0], q.Server}]; s != nil {
			q.Daemon = opinion(s)
		}
	}
}

// opinion is what the daemon says of a server.
func opinion(s *status.Server) string {
	text := "down"
	if s.Up {
		text = fmt.Sprintf("up, weight %d", s.Weight)
	}
	if s.Order != "" {
		text += ", by order: " + s.Order
	}
	if s.Why != "" {
		text += " (" + s.Why + ")"
	}
	return text
}

func (o *probeOptions) print(out io.Writer, list []*question, idle []lb.Target) {
	if o.json {
		doc := struct {
			Probes []*question `json:"probes"`
			Idle   []lb.Target `json:"without_check,omitempty"`
		}{list, idle}
		_ = encode(out, doc)
		return
	}
	for _, q := range list {
		q.write(out)
	}
	for _, t := range idle {
		fmt.Fprintf(out, "%s of %s: no probe asks for it; without FILE_CHECK or BFD_CHECK it counts as up whatever happens\n", t.Server, t.Service)
	}
}

func (q *question) write(out io.Writer) {
	verdict := "FAILED"
	switch {
	case q.Passed:
		verdict = "passed"
	case q.Local:
		verdict = "COULD NOT BE ASKED"
	}
	fmt.Fprintf(out, "%s of %s: %s %s after %s\n", q.Server, strings.Join(q.Services, ", "), strings.TrimSpace(q.Kind+" "+q.URL+q.Program), verdict,
		time.Duration(q.Took*float64(time.Second)).Round(10*time.Microsecond))
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(out, "    %-9s%s\n", name, strings.ReplaceAll(text, "\n", "\n             "))
		}
	}
	line("why:", q.Why)
	line("broke:", q.Broke)
	line("must be:", q.Must)
	line("asked:", q.Target)
	line("note:", strings.Join(q.Notes, "\n"))
	line("request:", q.Request.text())
	line("reply:", q.Reply.text())
	line("then:", q.Then)
	line("daemon:", q.Daemon)
}

// most lines of a reply that a screen has room for.
const probeLines = 12

// text is what was said, shortened.
func (w words) text() string {
	lines := strings.Split(strings.TrimRight(w.Head, "\n"), "\n")
	text := strings.Join(lines[:min(len(lines), probeLines)], "\n")
	if w.Cut || len(lines) > probeLines {
		text += fmt.Sprintf("\n... %d bytes in all", w.Size)
	}
	return text
}

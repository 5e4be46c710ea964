// Package show writes what a daemon tells about itself for people: plain lines
// that fit a terminal. It is pure.
package show

import (
	"fmt"
	"strings"
	"time"

	"keepgo/internal/status"
)

// page collects lines.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// Status is a whole daemon, seen at s.Asked.
func Status(s *status.Status) string {
	p := &page{}
	p.line("%s  pid %d  %s, up %s%s", s.Version, s.PID, s.Config, age(s.Asked, s.Began), reloaded(s))
	p.orders(s)
	for i := range s.Instances {
		p.line("")
		p.instance(&s.Instances[i], s.Asked)
	}
	if len(s.Groups) > 0 {
		p.line("")
	}
	for _, g := range s.Groups {
		p.line("group %-20s %s%s", g.Name, g.State, faults(g.Faults))
	}
	p.balancing(s)
	return p.String()
}

func reloaded(s *status.Status) string {
	if s.Reloaded == nil {
		return ""
	}
	return ", reloaded " + age(s.Asked, *s.Reloaded) + " ago"
}

func faults(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d in FAULT)", n)
}

// balancing are the virtual servers, and how their checks do.
func (p *page) balancing(s *status.Status) {
	if s.IPVS != "" {
		p.line("\nthe kernel balances nothing: %s", s.IPVS)
	}
	for i := range s.Services {
		p.line("")
		p.service(&s.Services[i])
	}
	if n := s.Probes; n != nil && n.Checks > 0 {
		p.line("\n%d health checks, %d under way, %d done since their process began, %d of them late", n.Checks, n.Busy, n.Probes, n.Late)
	}
}

func (p *page) instance(in *status.Instance, now time.Time) {
	p.line("%-22s %-7s for %s  %s, vrid %d%s", in.Name, in.State, age(now, in.Since), in.Interface, in.VRID, prefixed(", group ", in.Group))
	p.line("  why        %s", in.Reason)
	p.line("  priority   %d%s", in.Priority, parts(in))
	for _, part := range in.Parts {
		if part.Fault != "" {
			p.line("  FAULT      %s", part.Fault)
		}
	}
	p.timers(in, now)
	p.peers(in, now)
	p.places(in)
	if in.Rival != "" {
		p.line("  SPLIT      %s", in.Rival)
	}
	if in.Drift != "" {
		p.line("  DIFFERENT  %s", in.Drift)
	}
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// parts spell the effective priority out where it is not the configured one.
func parts(in *status.Instance) string {
	var words []string
	for i, part := range in.Parts {
		switch {
		case i == 0:
			words = append(words, fmt.Sprintf("%d configured", part.Value))
		case part.Value != 0:
			words = append(words, fmt.Sprintf("%+d %s", part.Value, part.What))
		}
	}
	if len(words) < 2 {
		return ""
	}
	return " = " + strings.Join(words, " ")
}

// timers are the rhythm and what comes next.
func (p *page) timers(in *status.Instance, now time.Time) {
	next := "no timer runs"
	switch {
	case in.Deadline == nil:
	case in.State == "MASTER":
		next = fmt.Sprintf("next in %s", seconds(in.Deadline.Sub(now)))
	default:
		next = fmt.Sprintf("takes over in %s unless the master is heard", seconds(in.Deadline.Sub(now)))
	}
	p.line("  adverts    every %gs; %s", in.Every, next)
}

func (p *page) peers(in *status.Instance, now time.Time) {
	if in.State != "MASTER" && in.Master != "" {
		p.line("  master     %s, priority %d", in.Master, in.Heard.Priority)
	}
	for _, peer := range in.Peers {
		switch {
		case peer.Heard == nil:
			p.line("  peer       %s was never heard (a BACKUP is silent)", peer.Address)
		case peer.Fault != "":
			p.line("  peer       %s heard %s ago, but %s", peer.Address, age(now, *peer.Heard), peer.Fault)
		default:
			p.line("  peer       %s heard %s ago with priority %d", peer.Address, age(now, *peer.Heard), peer.Priority)
		}
	}
}

// places are the addresses, with those that are not where they should be.
func (p *page) places(in *status.Instance) {
	for _, a := range in.Places {
		what := "stands"
		switch {
		case a.Stands && !in.Standing:
			what = "STANDS, and should not"
		case !a.Stands && in.Standing:
			what = "MISSING"
		case !a.Stands:
			what = "elsewhere"
		}
		p.line("  address    %s dev %s  %s", a.Address, a.Link, what)
	}
}

func (p *page) service(s *status.Service) {
	state := "UP"
	switch {
	case s.Suspended:
		state += ", not checked while its address is elsewhere"
	case s.Sorry:
		state = "DOWN, the sorry server answers"
	case !s.Up:
		state = "DOWN"
	}
	p.line("%-30s %s%s", s.Name, state, traffic(s.Traffic))
	for i := range s.Servers {
		p.server(&s.Servers[i])
	}
}

func (p *page) server(s *status.Server) {
	state := "down"
	if s.Up {
		state = "up"
	}
	p.line("  %-28s %-5s weight %-4d%s%s", s.Name, state, s.Weight, prefixed("  by order: ", s.Order), traffic(s.Traffic))
	for _, c := range s.Checks {
		verdict, why := "bad ", c.Why
		if c.Up {
			verdict = "good"
		}
		if why == "" {
			why = "no answer yet"
		}
		p.line("    %-11s %s  %s", c.Kind, verdict, why)
	}
}

func traffic(t *status.Traffic) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("  %d connections, %d active", t.Connections, t.Active)
}

// Events are lines, one each.
func Events(list []status.Event) string {
	p := &page{}
	for _, e := range list {
		p.line("%s  %-8s %s %s%s", e.At.Format("2006-01-02 15:04:05.000"), e.Kind, e.Name, e.State, prefixed(": ", e.Why))
	}
	return p.String()
}

// Explanation is all about one instance or service.
func Explanation(e *status.Explanation) string {
	p := &page{}
	if e.Instance != nil {
		p.instance(e.Instance, e.At)
	}
	if e.Service != nil {
		p.service(e.Service)
	}
	if e.Outlook != "" {
		p.line("\nwhat it will do\n  %s", strings.ReplaceAll(e.Outlook, "; ", "\n  "))
	}
	if len(e.Events) > 0 {
		p.line("\nhow it came to this")
		for line := range strings.Lines(Events(e.Events)) {
			p.WriteString("  " + line)
		}
	}
	return p.String()
}

// age is a time that has passed, in two units at most.
func age(now, then time.Time) string {
	d := max(now.Sub(then), 0).Round(time.Second)
	switch days := int(d / (24 * time.Hour)); {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, int(d/time.Hour)%24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", int(d/time.Hour), int(d/time.Minute)%60)
	}
	return d.String()
}

// seconds is a time that is to come.
func seconds(d time.Duration) string { return max(d, 0).Round(10 * time.Millisecond).String() }

package sim_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"keepgo/internal/ha"
	"keepgo/internal/sim"
)

// story is a world and what happened in it so far.
type story struct {
	t       *testing.T
	world   *sim.World
	out     strings.Builder
	adverts bool
}

func (s *story) line(format string, args ...any) {
	fmt.Fprintf(&s.out, format+"\n", args...)
}

// happened writes an event down.
func (s *story) happened(e sim.Event) {
	if e.Kind == sim.Sent && e.Priority != 0 && !s.adverts {
		return
	}
	s.line("  %s", e)
}

// run obeys a command; a command that cannot be obeyed is part of the story.
func (s *story) run(words []string, body string) {
	if s.world == nil && words[0] != "nodes" {
		s.t.Fatalf("%q comes before the first world", words)
	}
	do := s.command(words, body)
	if do == nil {
		s.t.Fatalf("what is %q?", words)
	}
	if err := do(); err != nil {
		s.line("  %v", err)
	}
}

func (s *story) command(words []string, body string) func() error {
	w := words[1:]
	switch words[0] {
	case "nodes":
		return func() error { return s.nodes(w, body) }
	case "advance":
		return func() error { return s.world.Advance(s.time(w[0])) }
	case "show":
		return func() error { s.show(); return nil }
	case "adverts":
		return func() error { s.adverts = w[0] == "on"; return nil }
	case "cut", "heal", "lose", "delay", "silent", "noisy":
		return func() error { return s.wire(words[0], w) }
	case "link", "address", "script", "freeze", "suspend", "claim", "remove", "mortal", "drift", "clock":
		return func() error { return s.machine(words[0], s.node(w[0]), w[1:]) }
	}
	one := s.process(words[0], body)
	if one == nil {
		return nil
	}
	return func() error {
		for _, name := range w {
			if err := one(s.node(name)); err != nil {
				return err
			}
		}
		return nil
	}
}

// process is what a command does to a node's process.
func (s *story) process(verb, body string) func(*sim.Node) error {
	switch verb {
	case "start":
		return (*sim.Node).Start
	case "resume":
		return (*sim.Node).Resume
	case "stop":
		return (*sim.Node).Stop
	case "crash":
		return func(n *sim.Node) error { n.Crash(); return nil }
	case "poweroff":
		return func(n *sim.Node) error { n.PowerOff(); return nil }
	case "reload":
		return func(n *sim.Node) error { return n.Reload(body) }
	}
	return nil
}

// nodes begins a new world.
func (s *story) nodes(names []string, body string) error {
	s.world = sim.New()
	s.world.Tell = s.happened
	s.adverts = false
	for _, name := range names {
		if _, err := s.world.Add(name, body); err != nil {
			return err
		}
	}
	return nil
}

// wire obeys what concerns wires.
func (s *story) wire(verb string, w []string) error {
	switch verb {
	case "cut":
		link := "eth0"
		if len(w) > 1 {
			link = w[1]
		}
		if from, to, ok := strings.Cut(w[0], "->"); ok {
			s.world.Wire(link).Cut(s.node(from).Name(), s.node(to).Name())
		} else {
			a, b, _ := strings.Cut(w[0], "-")
			s.world.Wire(link).Cut(s.node(a).Name(), s.node(b).Name())
			s.world.Wire(link).Cut(b, a)
		}
	case "heal":
		s.world.Heal()
	case "lose":
		s.world.Wire(w[0]).Lose(float64(s.number(w[1]))/100, uint64(s.number(w[2])))
	case "delay":
		s.world.Wire(w[0]).Delay = s.time(w[1])
	case "silent", "noisy":
		s.world.SetSilent(w[0], verb == "silent")
	}
	return nil
}

// machine obeys what concerns a node's interfaces, scripts and processor.
func (s *story) machine(verb string, n *sim.Node, w []string) error {
	switch verb {
	case "link":
		l := n.Link(w[0])
		l.Exists, l.Up = w[1] != "gone", w[1] == "up"
		n.SetLink(l)
	case "address":
		n.SetLink(s.addressed(n.Link(w[0]), w[1]))
	case "script":
		outcomes := map[string]sim.Outcome{"ok": sim.Succeeds, "fail": sim.Fails, "hang": sim.Hangs}
		n.SetScript(w[0], outcomes[w[1]])
	case "freeze":
		n.Freeze(s.time(w[0]), len(w) > 1)
	case "suspend":
		n.Suspend(s.time(w[0]))
	case "mortal":
		n.CrashAfter(s.number(w[0]))
	case "drift":
		n.Drift(int64(s.number(w[0])))
	case "clock":
		n.StepClock(s.time(w[0]))
	case "claim":
		return n.Claim(netip.MustParseAddr(w[0]), w[1])
	case "remove":
		return n.Remove(netip.MustParseAddr(w[0]))
	}
	return nil
}

// addressed is an interface with another address of its own in place of those
// of its family, or with a + beside them.
func (s *story) addressed(l ha.Link, word string) ha.Link {
	if word == "none" {
		l.Addresses = nil
		return l
	}
	word, more := strings.CutPrefix(word, "+")
	a, err := netip.ParseAddr(word)
	if err != nil {
		s.t.Fatal(err)
	}
	kept := slices.Clone(l.Addresses)
	if !more {
		kept = slices.DeleteFunc(kept, func(b netip.Addr) bool { return a.Is4() == b.Is4() })
	}
	l.Addresses = append(kept, a)
	return l
}

// show writes every node's state, and where hosts look for an address when
// that is not where it stands.
func (s *story) show() {
	for _, n := range s.world.Nodes() {
		if !n.Running() {
			s.line("  %s does not run%s", n.Name(), holding(n))
		}
		for _, in := range n.States() {
			s.line("  %s %s %s %d: %s", n.Name(), in.Name, in.State, in.Priority, in.Reason)
		}
		if n.Running() && len(n.Standing()) > 0 {
			s.line("  %s%s", n.Name(), holding(n))
		}
		for _, a := range n.Standing() {
			if last := s.world.LastAnnounced(a.Prefix.Addr()); last != n.Name() {
				s.line("  hosts look for %s at %s", a.Prefix.Addr(), last)
			}
		}
	}
}

func holding(n *sim.Node) string {
	var list []string
	for _, a := range n.Standing() {
		list = append(list, a.Prefix.Addr().String())
	}
	if len(list) == 0 {
		return ""
	}
	return " holds " + strings.Join(list, ", ")
}

func (s *story) node(name string) *sim.Node {
	s.t.Helper()
	n := s.world.Node(name)
	if n == nil {
		s.t.Fatalf("there is no node %q", name)
	}
	return n
}

func (s *story) time(word string) time.Duration {
	s.t.Helper()
	d, err := time.ParseDuration(word)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *story) number(word string) int {
	s.t.Helper()
	n, err := strconv.Atoi(strings.TrimSuffix(word, "%"))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

package advice

import (
	"fmt"
	"slices"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// title is a service as messages name it.
func title(v *confparse.VirtualServer) string {
	switch {
	case v.FWMark != 0:
		return fmt.Sprintf("virtual_server fwmark %d", v.FWMark)
	case v.Group != "":
		return "virtual_server group " + v.Group
	case v.Port == 0:
		return "virtual_server " + v.Addr.String()
	}
	return fmt.Sprintf("virtual_server %s %d", v.Addr, v.Port)
}

// service advises about one virtual_server.
func (a *adviser) service(v *confparse.VirtualServer) {
	if len(v.Servers) == 0 {
		return
	}
	a.quorum(v)
	a.unchecked(v)
	if !slices.ContainsFunc(v.Servers, func(s *confparse.RealServer) bool { return s.Weight > 0 }) {
		a.say(syntax.Note, a.Places.find(v.Pos), title(v), "", "every real_server has weight 0: none gets a new connection")
	}
}

// quorum weighs what is left when the heaviest server fails.
func (a *adviser) quorum(v *confparse.VirtualServer) {
	total := 0
	heaviest := v.Servers[0]
	for _, s := range v.Servers {
		total += s.Weight
		if s.Weight > heaviest.Weight {
			heaviest = s
		}
	}
	left := total - heaviest.Weight
	at := func() spot { return a.Places.find(v.Pos, "quorum") }
	switch {
	case total == 0 || v.Quorum <= 1 && v.Hysteresis == 0:
	case v.Quorum+v.Hysteresis > total:
		a.say(syntax.Warning, at(), title(v), "", "the quorum is never reached: quorum %d + hysteresis %d is above the total weight %d", v.Quorum, v.Hysteresis, total)
	case left > 0 && left < v.Quorum-v.Hysteresis && v.Sorry != nil:
		a.say(syntax.Warning, at(), title(v), "a lower quorum keeps the living servers in use",
			"when %s (weight %d) fails, %d of %d is left, below the quorum %s: the sorry_server replaces the servers that live",
			heaviest.Addr, heaviest.Weight, left, total, threshold(v))
	case left > 0 && left < v.Quorum-v.Hysteresis:
		a.say(syntax.Note, at(), title(v), "", "when %s (weight %d) fails, %d of %d is left, below the quorum %s: quorum_down",
			heaviest.Addr, heaviest.Weight, left, total, threshold(v))
	}
}

func threshold(v *confparse.VirtualServer) string {
	if v.Hysteresis == 0 {
		return fmt.Sprint(v.Quorum)
	}
	return fmt.Sprintf("%d - hysteresis %d", v.Quorum, v.Hysteresis)
}

// unchecked tells of servers that nobody tests.
func (a *adviser) unchecked(v *confparse.VirtualServer) {
	n := 0
	var first *confparse.RealServer
	for _, s := range v.Servers {
		if len(s.Checkers) == 0 && a.bare(s) {
			n++
			if first == nil {
				first = s
			}
		}
	}
	if n > 0 {
		a.say(syntax.Note, a.Places.find(first.Pos), title(v), "add a TCP_CHECK { }",
			"%d of %d real servers without a check: a dead one keeps its share", n, len(v.Servers))
	}
}

// bare is a server whose text has no check either: one that was there and
// could not be used has been reported.
func (a *adviser) bare(s *confparse.RealServer) bool {
	n := a.Places.node(s.Pos)
	return n == nil || !slices.ContainsFunc(n.Body, func(b *syntax.Node) bool { return b.Braces })
}

// slowCheck is the time after which the discovery of a dead server surprises.
// It is longer than the built-in values give.
const slowCheck = 90 * time.Second

// slowCheck finds the check that takes longest to notice a dead server.
// Services are often copies of each other, so one is told for all.
func (a *adviser) slowCheck() {
	var c *confparse.Checker
	where, n := "", 0
	for _, v := range a.Config.VirtualServers {
		slow := slowest(v)
		if v.Unusable != "" || slow == nil || discovery(slow) <= slowCheck {
			continue
		}
		if n++; c == nil || discovery(slow) > discovery(c) {
			c, where = slow, title(v)
		}
	}
	if c == nil {
		return
	}
	text := fmt.Sprintf("delay_loop %s + %d x timeout %s", seconds(c.DelayLoop), c.Retry+1, seconds(c.Timeout))
	if c.Retry > 0 {
		text += fmt.Sprintf(" + %d x delay_before_retry %s", c.Retry, seconds(c.DelayBeforeRetry))
	}
	if n > 1 {
		text += fmt.Sprintf(" (%d services have such checks)", n)
	}
	a.say(syntax.Note, a.Places.find(c.Pos), where, "a server that refuses at once is found earlier",
		"%s finds a server that does not answer after up to %s: %s", c.Kind, seconds(discovery(c)), text)
}

func slowest(v *confparse.VirtualServer) (found *confparse.Checker) {
	for _, s := range v.Servers {
		for _, c := range s.Checkers {
			if timed(c) && (found == nil || discovery(c) > discovery(found)) {
				found = c
			}
		}
	}
	return found
}

// timed checks ask again and again; the others are told.
func timed(c *confparse.Checker) bool {
	return c.Kind != confparse.FileCheck && c.Kind != confparse.BFDCheck
}

// discovery is the longest time from the death of a server to its removal: a
// whole interval, and every attempt to its end.
func discovery(c *confparse.Checker) time.Duration {
	n := time.Duration(c.Retry)
	return c.DelayLoop + (n+1)*c.Timeout + n*c.DelayBeforeRetry
}

// apart finds the two sides of a NAT director that can be master on different
// machines: replies of the real servers would miss the director that knows
// their connections.
func (a *adviser) apart() {
	v := a.natService()
	if v == nil {
		return
	}
	group := map[string]*confparse.SyncGroup{}
	for _, g := range a.Config.SyncGroups {
		for _, name := range g.Members {
			group[name] = g
		}
	}
	var first *confparse.Instance
	for _, i := range a.Config.Instances {
		switch {
		case i.Unusable != "" || i.IPv6 != v.IPv6:
		case first == nil:
			first = i
		case i.Interface != first.Interface && (group[i.Name] == nil || group[i.Name] != group[first.Name]):
			a.say(syntax.Note, a.Places.find(i.Pos), pathOf(i), "put both into one vrrp_sync_group",
				"%s (line %d) forwards by NAT: with %s on %s and %s on %s MASTER on different directors, replies miss the one that knows the connection",
				title(v), v.Pos.Line, first.Name, first.Interface, i.Name, i.Interface)
			return
		}
	}
}

func (a *adviser) natService() *confparse.VirtualServer {
	for _, v := range a.Config.VirtualServers {
		if v.Unusable == "" && slices.ContainsFunc(v.Servers, func(s *confparse.RealServer) bool { return s.Forward == confparse.NAT }) {
			return v
		}
	}
	return nil
}

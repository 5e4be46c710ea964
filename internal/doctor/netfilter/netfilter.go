// Package netfilter tells what the packet filters of this kernel do with a
// packet that comes in, without sending one: it carries out their rules on it.
// What a rule asks that cannot be known makes its match uncertain.
package netfilter

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Chain is a chain of rules. One with a hook sees packets by itself, those of
// the same hook by priority.
type Chain struct {
	Table    string // as "nftables inet filter"
	Name     string
	Base     bool
	Priority int
	Drops    bool // the policy of a base chain
	Rules    []Rule
}

// Rule is what a packet must be, and what becomes of it then.
type Rule struct {
	Text  string
	Exprs []expr.Any
}

// Ruleset is all that packets on their way in meet, for one family.
type Ruleset struct {
	chains map[string]*Chain // by table and name
	sets   map[string]set    // by table and name
}

// set is what a rule looks values up in.
type set struct {
	known    bool
	interval bool
	elements []nftables.SetElement
}

// Verdict is what becomes of a packet.
type Verdict struct {
	Drops  bool
	Unsure bool   // a rule that could not be judged would let it in before
	Where  string // table and chain that decided
	Rule   string
}

func newRuleset() *Ruleset { return &Ruleset{chains: map[string]*Chain{}, sets: map[string]set{}} }

func (c *Chain) key() string { return c.Table + " " + c.Name }

// decision is the end of a walk through a chain.
type decision uint8

const (
	goesOn decision = iota
	accepted
	dropped
	unknown // nobody can tell
)

// maxDepth bounds jumps, as the kernel does (NFT_JUMP_STACK_SIZE).
const maxDepth = 16

// Judge carries out the rules on a packet.
func (r *Ruleset) Judge(p *Packet) Verdict {
	var base []*Chain
	for _, c := range r.chains {
		if c.Base {
			base = append(base, c)
		}
	}
	slices.SortFunc(base, func(a, b *Chain) int { return cmpChain(a, b) })
	for _, c := range base {
		w := walk{rules: r, packet: p}
		switch w.chain(c, 0) {
		case dropped:
			return Verdict{true, w.unsure, w.where, w.rule}
		case goesOn:
			if c.Drops {
				return Verdict{true, w.unsure, c.Table + " " + c.Name, "policy drop"}
			}
		}
	}
	return Verdict{}
}

func cmpChain(a, b *Chain) int {
	if a.Priority != b.Priority {
		return a.Priority - b.Priority
	}
	if a.key() < b.key() {
		return -1
	}
	return 1
}

// walk is one packet on its way through the chains of a hook.
type walk struct {
	rules       *Ruleset
	packet      *Packet
	unsure      bool
	where, rule string // that dropped it
}

func (w *walk) chain(c *Chain, depth int) decision {
	if depth > maxDepth {
		return unknown
	}
	for i := range c.Rules {
		rule := &c.Rules[i]
		m := machine{walk: w, chain: c}
		match, verdict, target := m.run(rule.Exprs)
		if match == no || verdict == nil && target == goesOn {
			continue
		}
		d, back := w.obey(c, rule, verdict, target, depth)
		switch {
		case match == maybe && (d == accepted || d == unknown):
			w.unsure = true
		case match == maybe: // it may be dropped, which nobody shall claim
		case back:
			return goesOn
		case d != goesOn:
			return d
		}
	}
	return goesOn
}

// obey carries a verdict out; back says that the chain is left.
func (w *walk) obey(c *Chain, rule *Rule, v *expr.Verdict, target decision, depth int) (d decision, back bool) {
	if v == nil {
		d = target
	} else {
		switch v.Kind {
		case expr.VerdictAccept:
			d = accepted
		case expr.VerdictDrop:
			d = dropped
		case expr.VerdictReturn:
			return goesOn, true
		case expr.VerdictContinue:
			return goesOn, false
		case expr.VerdictJump, expr.VerdictGoto:
			next := w.rules.chains[c.Table+" "+v.Chain]
			if next == nil {
				return unknown, false
			}
			d = w.chain(next, depth+1)
			return d, d == goesOn && v.Kind == expr.VerdictGoto
		default: // queue and the like
			d = unknown
		}
	}
	if d == dropped {
		w.where, w.rule = fmt.Sprintf("%s %s", c.Table, c.Name), rule.Text
	}
	return d, false
}

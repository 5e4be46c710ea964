package netfilter

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Read reads what packets of a family meet that come in for this machine: the
// base chains of nftables at prerouting and input, iptables-nft's among them.
func Read(ipv6 bool) (*Ruleset, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	families := []nftables.TableFamily{nftables.TableFamilyINet, nftables.TableFamilyIPv4}
	if ipv6 {
		families[1] = nftables.TableFamilyIPv6
	}
	chains, err := c.ListChains()
	if err != nil {
		return nil, fmt.Errorf("nftables: reading the chains: %w", err)
	}
	r := newRuleset()
	for _, chain := range chains {
		if own := newChain(chain); slices.Contains(families, chain.Table.Family) && (own.Base || chain.Hooknum == nil) {
			own.read(c, chain)
			r.chains[own.key()] = own
		}
	}
	return r, r.readSets(c, families)
}

// newChain is a chain without its rules.
func newChain(chain *nftables.Chain) *Chain {
	own := &Chain{Table: tableName(chain.Table), Name: chain.Name}
	if chain.Hooknum == nil || chain.Priority == nil {
		return own
	}
	hook := *chain.Hooknum
	own.Base = (hook == *nftables.ChainHookInput || hook == *nftables.ChainHookPrerouting) && chain.Type == nftables.ChainTypeFilter
	own.Priority = int(*chain.Priority)
	if hook == *nftables.ChainHookInput {
		own.Priority += afterPrerouting
	}
	own.Drops = chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop
	return own
}

// read reads the rules of a chain. Those that cannot be read might let anything
// in.
func (own *Chain) read(c *nftables.Conn, chain *nftables.Chain) {
	rules, err := c.GetRules(chain.Table, chain)
	if err != nil {
		own.Rules = []Rule{{"rules that cannot be read: " + err.Error(), []expr.Any{&expr.Match{}, &expr.Verdict{Kind: expr.VerdictAccept}}}}
		return
	}
	var texts map[uint64]string
	if len(rules) > 0 {
		texts = ruleTexts(chain)
	}
	for _, rule := range rules {
		text := texts[rule.Handle]
		if text == "" {
			text = fmt.Sprintf("rule with handle %d", rule.Handle)
		}
		own.Rules = append(own.Rules, Rule{text, rule.Exprs})
	}
}

// afterPrerouting lifts the priorities of one hook above all of the one before.
const afterPrerouting = 1 << 24

// familyNames are nft's.
var familyNames = map[nftables.TableFamily]string{nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6"}

func tableName(t *nftables.Table) string { return "nftables " + familyNames[t.Family] + " " + t.Name }

func (r *Ruleset) readSets(c *nftables.Conn, families []nftables.TableFamily) error {
	tables, err := c.ListTables()
	if err != nil {
		return fmt.Errorf("nftables: reading the tables: %w", err)
	}
	for _, t := range tables {
		if !slices.Contains(families, t.Family) {
			continue
		}
		sets, err := c.GetSets(t)
		if err != nil {
			return fmt.Errorf("nftables: reading the sets of %s: %w", t.Name, err)
		}
		for _, s := range sets {
			read := c.GetSetElements
			if s.IsMap {
				read = mapElements
			}
			elements, err := read(s)
			r.sets[tableName(t)+" "+s.Name] = set{known: err == nil, interval: s.Interval, elements: elements}
		}
	}
	return nil
}

var ruleLine = regexp.MustCompile(`^\s*(.*) # handle (\d+)$`)

// ruleTexts are the rules of a chain by their handles in nft's words, where nft
// is installed.
func ruleTexts(chain *nftables.Chain) map[uint64]string {
	texts := map[uint64]string{}
	out, err := exec.Command("nft", "-a", "list", "chain", familyNames[chain.Table.Family], chain.Table.Name, chain.Name).Output()
	if err != nil {
		return texts
	}
	for line := range strings.Lines(string(out)) {
		if found := ruleLine.FindStringSubmatch(strings.TrimRight(line, "\n")); found != nil {
			var handle uint64
			if _, err := fmt.Sscan(found[2], &handle); err == nil {
				texts[handle] = found[1]
			}
		}
	}
	return texts
}

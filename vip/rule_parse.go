package vip

import (
	"net/netip"
	"strconv"
	"strings"
)

// ruleActions are the words for FR_ACT_* of linux/fib_rules.h that need nothing
// behind them.
var ruleActions = map[string]uint32{"nop": actNop, "blackhole": 6, "unreachable": 7, "prohibit": 8}

// ruleDraft is a rule while its line is read.
type ruleDraft struct {
	Rule
	family  int // 4, 6, or 0
	gotoAt  int
	actions []string
}

var ruleWords = map[string]func(*line, *ruleDraft) error{
	"inet":       func(l *line, d *ruleDraft) error { d.family = 4; return nil },
	"inet6":      func(l *line, d *ruleDraft) error { d.family = 6; return nil },
	"not":        func(l *line, d *ruleDraft) error { d.Not = true; return nil },
	"from":       func(l *line, d *ruleDraft) error { return d.readPrefix(l, &d.From) },
	"to":         func(l *line, d *ruleDraft) error { return d.readPrefix(l, &d.To) },
	"preference": func(l *line, d *ruleDraft) error { return d.readPreference(l) },
	"tos":        func(l *line, d *ruleDraft) error { return name(l, &d.TOS, "dsfield", l.names.DSFields) },
	"fwmark":     func(l *line, d *ruleDraft) error { return d.readMark(l) },
	"realms":     func(l *line, d *ruleDraft) error { return l.realms(&d.Realms) },
	"suppress_prefixlength": func(l *line, d *ruleDraft) error {
		v, err := l.number(1<<31 - 1)
		d.SuppressLength = int32(v)
		return err
	},
	"suppress_ifgroup": func(l *line, d *ruleDraft) error { return d.readGroup(l) },
	"iif":              func(l *line, d *ruleDraft) error { return link(l, &d.IIF) },
	"oif":              func(l *line, d *ruleDraft) error { return link(l, &d.OIF) },
	"tunnel-id":        func(l *line, d *ruleDraft) error { return count(l, &d.TunnelID, 1<<64-1) },
	"uidrange":         func(l *line, d *ruleDraft) error { return readRange(l, &d.UIDs, 1<<32-1) },
	"sport":            func(l *line, d *ruleDraft) error { return readPorts(l, &d.SourcePort) },
	"dport":            func(l *line, d *ruleDraft) error { return readPorts(l, &d.DestPort) },
	"ipproto":          func(l *line, d *ruleDraft) error { return d.readIPProto(l) },
	"protocol": func(l *line, d *ruleDraft) error {
		return name(l, &d.Protocol, "routing protocol", l.names.Protocols)
	},
	"no_track":    func(l *line, d *ruleDraft) error { d.NoTrack = true; return nil },
	"track_group": func(l *line, d *ruleDraft) error { return text(l, &d.TrackGroup) },
	"type":        func(l *line, d *ruleDraft) error { return d.readType(l) },
	"table":       func(l *line, d *ruleDraft) error { return d.readTable(l) },
	"l3mdev":      func(l *line, d *ruleDraft) error { d.L3MDev = true; return d.act(l, actTable) },
	"goto":        func(l *line, d *ruleDraft) error { return d.readGoto(l) },
}

func init() {
	for alias, word := range map[string]string{
		"dsfield": "tos", "order": "preference", "priority": "preference", "pref": "preference", "lookup": "table", "dev": "iif",
		"sup_pl": "suppress_prefixlength", "sup_group": "suppress_ifgroup", "ip_proto": "ipproto", "tun_id": "tunnel-id",
	} {
		ruleWords[alias] = ruleWords[word]
	}
	for word, action := range ruleActions {
		ruleWords[word] = func(l *line, d *ruleDraft) error { return d.act(l, uint8(action)) }
	}
}

// ParseRule reads the words of a line of virtual_rules or static_rules. The
// syntax is keepalived's with what ip-rule(8) means by it: inet and inet6 say
// the family and nothing more, and one port is a range. A rule without a
// preference has -1: see NumberRules. Its errors are *LineError.
func ParseRule(words []string, names Names) (Rule, error) {
	l := &line{words: words, names: names}
	d := &ruleDraft{Rule: Rule{Preference: -1, SuppressLength: -1, SuppressGroup: -1, Protocol: protoKeepalived}}
	if err := run(l, d, ruleWords, func(*line, *ruleDraft, string) (bool, error) { return false, nil }); err != nil {
		return Rule{}, err
	}
	if err := d.finish(l); err != nil {
		return Rule{}, err
	}
	return d.Rule, nil
}

func (d *ruleDraft) readPrefix(l *line, to *netip.Prefix) error {
	if f := l.family(); f != 0 {
		d.family = f
	}
	w, err := l.next()
	if err != nil {
		return err
	}
	p, err := l.prefixOf(w)
	if err != nil || !p.IsValid() {
		return err
	}
	if six := p.Addr().Is6(); d.family != 0 && six != (d.family == 6) {
		return l.fail("", "'%s' is of another family than what stands before it", w)
	}
	d.family = 4
	if p.Addr().Is6() {
		d.family = 6
	}
	if p.Bits() > 0 { // a prefix of length 0 is all
		*to = p
	}
	return nil
}

func (d *ruleDraft) readPreference(l *line) error {
	v, err := l.number(1<<32 - 1)
	d.Preference = int64(v)
	return err
}

// readMark reads MARK[/MASK].
func (d *ruleDraft) readMark(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	mark, mask, has := strings.Cut(w, "/")
	m, ok := parseNumber(mark)
	k, ok2 := uint64(1<<32-1), true
	if has {
		k, ok2 = parseNumber(mask)
	}
	if !ok || !ok2 || m > 1<<32-1 || k > 1<<32-1 {
		return l.fail("", "'fwmark %s': a number, or NUMBER/MASK, below 2^32 is wanted", w)
	}
	d.Mark, d.Mask = uint32(m), uint32(k)
	if k == 0 {
		d.Mark = 0
	}
	return nil
}

func (d *ruleDraft) readGroup(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	v, err := l.lookUp(w, "group of interfaces", l.names.Groups, 1<<31-1)
	d.SuppressGroup = int32(v)
	return err
}

func (d *ruleDraft) readIPProto(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	v, err := l.lookUp(w, "IP protocol", l.names.IPProtocols, 255)
	if lower, ok := l.names.IPProtocols[strings.ToLower(w)]; err != nil && ok {
		v, err = lower, nil
	}
	d.IPProto = uint8(v)
	return err
}

func readPorts(l *line, to *Range) error {
	if err := readRange(l, to, 65535); err != nil {
		return err
	}
	if to.First == 0 || to.Last == 65535 && to.First == to.Last {
		return l.fail("", "a port lies between 1 and 65534 here")
	}
	return nil
}

// readRange reads FIRST-LAST, or one number for both.
func readRange(l *line, to *Range, most uint64) error {
	name := l.words[l.at-1]
	w, err := l.next()
	if err != nil {
		return err
	}
	first, last, both := strings.Cut(w, "-")
	if !both {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 64)
	b, errB := strconv.ParseUint(last, 10, 64)
	if errA != nil || errB != nil || a > b || b > most {
		return l.fail("", "'%s %s': a range like 10-20, up to %d, is wanted", name, w, most)
	}
	*to = Range{uint32(a), uint32(b), true}
	return nil
}

// readType reads the optional word before an action that is not a table.
func (d *ruleDraft) readType(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	if _, ok := ruleActions[w]; !ok && w != "goto" {
		return l.fail(nearest(w, ruleActions), "'type %s': goto, nop, blackhole, unreachable or prohibit is wanted", w)
	}
	if w == "goto" {
		return d.readGoto(l)
	}
	return d.act(l, uint8(ruleActions[w]))
}

// act notes what a matching packet meets with.
func (d *ruleDraft) act(l *line, action uint8) error {
	word := l.words[l.at-1]
	d.actions = append(d.actions, word)
	if len(d.actions) > 1 {
		return l.fail("", "'%s': the rule has the action '%s' already", word, d.actions[0])
	}
	d.Action = action
	return nil
}

func (d *ruleDraft) readTable(l *line) error {
	if err := d.act(l, actTable); err != nil {
		return err
	}
	if err := name(l, &d.Table, "routing table", l.names.Tables); err != nil {
		return err
	}
	if d.Table == 0 {
		return l.fail("", "table 0 does not exist")
	}
	return nil
}

func (d *ruleDraft) readGoto(l *line) error {
	if err := d.act(l, actGoto); err != nil {
		return err
	}
	err := count(l, &d.Goto, 1<<32-1)
	d.gotoAt = l.at
	return err
}

// finish checks what the parts say together.
func (d *ruleDraft) finish(l *line) error {
	d.IPv6 = d.family == 6
	table := d.Action == actTable && !d.L3MDev
	switch {
	case len(d.actions) == 0:
		return l.missing("the rule says not what to do: 'table TABLE', 'l3mdev', 'goto PREFERENCE', 'nop', 'blackhole', 'unreachable' or 'prohibit' is missing")
	case !table && (d.Realms != 0 || d.SuppressLength >= 0 || d.SuppressGroup >= 0):
		return l.missing("realms and suppressors need 'table TABLE'")
	case d.Realms != 0 && d.IPv6:
		return l.missing("only IPv4 rules have realms")
	case d.TrackGroup != "" && d.IIF == "":
		return l.missing("'track_group' needs 'iif'")
	case d.Action == actGoto && d.Preference < 0:
		return l.missing("'goto' needs a preference of its own, below the one it goes to")
	case d.Action == actGoto && int64(d.Goto) <= d.Preference:
		l.at = d.gotoAt
		return l.fail("", "'goto %d' must go behind the rule itself, whose preference is %d", d.Goto, d.Preference)
	}
	return nil
}

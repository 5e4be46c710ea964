package syntax

import (
	"fmt"
	"strconv"
	"strings"
)

// loop is a parsed ~SEQ, ~SEQx or ~LST: which names get which values, and the
// text to repeat. Values of ~SEQ are computed, not listed.
type loop struct {
	names []string
	rows  [][]string // ~LST

	start, step, end int64 // ~SEQ
	hex              bool
	body             line
}

// repeat expands a loop line.
func (p *parser) repeat(l line, depth int) {
	lp, err := p.loop(l)
	if err != nil {
		p.fail(l.at(0), len(l.text), "", "%v", err)
		return
	}
	if lp.rows != nil {
		for _, row := range lp.rows {
			for i, name := range lp.names {
				p.set(name, row[i], l.at(0))
			}
			p.expand(lp.body, depth+1)
		}
		return
	}
	for i := lp.start; !p.full && (lp.step > 0 && i <= lp.end || lp.step < 0 && i >= lp.end); i += lp.step {
		text := strconv.FormatInt(i, 10)
		if lp.hex {
			text = strconv.FormatInt(i, 16)
		}
		p.set(lp.names[0], text, l.at(0))
		p.expand(lp.body, depth+1)
		if i > 0 && lp.step > maxStep-i || i < 0 && lp.step < -maxStep-i {
			return
		}
	}
}

// maxStep keeps loop counters far from overflow.
const maxStep = int64(1) << 62

func (p *parser) set(name, text string, at Pos) {
	p.defs[name] = &definition{name: name, pos: at, lines: []line{{text: text, pos: at}}}
}

// loop parses the head of a loop line.
func (p *parser) loop(l line) (*loop, error) {
	kind, n := l.text[:4], 4
	lp := &loop{}
	if kind == "~SEQ" && len(l.text) > 4 && l.text[4] == 'x' {
		lp.hex, n = true, 5
	}
	open := strings.IndexByte(l.text, '(')
	if open < 0 || strings.TrimSpace(l.text[n:open]) != "" {
		return nil, fmt.Errorf("'(' expected after %s", l.text[:n])
	}
	end := strings.IndexByte(l.text, ')')
	if end < 0 {
		return nil, fmt.Errorf("%s is not closed by ')'", l.text[:n])
	}
	body := l.cut(end+1, len(l.text))
	if lp.body = body.trim(); lp.body.text == "" {
		return nil, fmt.Errorf("%s has nothing to repeat on its line", l.text[:n])
	}
	args := p.inline(l.text[open+1:end], l.at(open+1))
	if kind == "~LST" {
		return lp, lp.list(args)
	}
	return lp, lp.sequence(args)
}

// inline replaces references in the arguments of a loop.
func (p *parser) inline(text string, at Pos) string {
	for range maxNesting {
		l := line{text: text, pos: at}
		var out strings.Builder
		last, changed := 0, false
		for _, ref := range references(&l) {
			ref.pos = at
			value, ok := p.value(ref)
			if !ok || len(value) > 1 {
				continue
			}
			start := strings.LastIndexByte(text[:ref.end], '$')
			out.WriteString(text[last:start] + value[0].text)
			last, changed = ref.end, true
		}
		if !changed || !p.spend(&l) {
			break
		}
		text = out.String() + text[last:]
	}
	return text
}

// sequence reads "var, [[start,] step,] end".
func (lp *loop) sequence(args string) error {
	parts := strings.Split(args, ",")
	name := strings.TrimSpace(parts[0])
	if nameLen(name) != len(name) || name == "" {
		return fmt.Errorf("~SEQ: '%s' is not a name of a variable", name)
	}
	lp.names = []string{name}
	var v []int64
	for _, s := range parts[1:] {
		n, err := strconv.ParseInt(strings.TrimSpace(s), 0, 64)
		if err != nil || n > maxStep || n < -maxStep {
			return fmt.Errorf("~SEQ: '%s' is not a number", strings.TrimSpace(s))
		}
		v = append(v, n)
	}
	switch len(v) {
	case 1:
		lp.start, lp.step, lp.end = 1, 1, v[0]
		if v[0] < 0 {
			lp.start = -1
		}
		if v[0] < 1 {
			lp.step = -1
		}
	case 2:
		lp.start, lp.step, lp.end = v[0], 1, v[1]
		if v[1] < v[0] {
			lp.step = -1
		}
	case 3:
		lp.start, lp.step, lp.end = v[0], v[1], v[2]
	default:
		return fmt.Errorf("~SEQ takes a variable and one to three numbers: ~SEQ(var, start, step, end)")
	}
	if lp.step == 0 || lp.step > 0 && lp.start > lp.end || lp.step < 0 && lp.start < lp.end {
		return fmt.Errorf("~SEQ: step %d never reaches %d", lp.step, lp.end)
	}
	if lp.hex && (lp.start < 0 || lp.end < 0) {
		return fmt.Errorf("~SEQx takes no negative numbers")
	}
	return nil
}

// list reads "var, v1, v2" or "{a,b}, {1,2}, {3,4}".
func (lp *loop) list(args string) error {
	items, err := tuples(args)
	if err != nil {
		return err
	}
	lp.names = items[0]
	for _, name := range lp.names {
		if name == "" || nameLen(name) != len(name) {
			return fmt.Errorf("~LST: '%s' is not a name of a variable", name)
		}
	}
	lp.rows = [][]string{}
	for _, row := range items[1:] {
		if len(row) > len(lp.names) {
			return fmt.Errorf("~LST: %d values for %d variables", len(row), len(lp.names))
		}
		for len(row) < len(lp.names) {
			row = append(row, "")
		}
		lp.rows = append(lp.rows, row)
	}
	return nil
}

// tuples splits at commas outside braces; an item in braces has several parts.
func tuples(s string) (items [][]string, err error) {
	for {
		s = strings.TrimSpace(s)
		if strings.HasPrefix(s, "{") {
			k := strings.IndexByte(s, '}')
			if k < 0 {
				return nil, fmt.Errorf("~LST: '{' is not closed")
			}
			items = append(items, trimmed(strings.Split(s[1:k], ",")))
			s = strings.TrimSpace(s[k+1:])
			if s != "" && s[0] != ',' {
				return nil, fmt.Errorf("~LST: ',' expected before '%s'", clip(s))
			}
		} else {
			k := strings.IndexByte(s, ',')
			if k < 0 {
				k = len(s)
			}
			items = append(items, []string{strings.TrimSpace(s[:k])})
			s = s[k:]
		}
		if s == "" {
			return items, nil
		}
		s = s[1:]
	}
}

func trimmed(parts []string) []string {
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

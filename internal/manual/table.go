// Package manual writes what the table of keywords knows: for a terminal, and
// as the man page keepgo.conf(5).
package manual

import (
	"fmt"
	"slices"
	"strings"

	"keepgo/confparse"
)

// role is what a keyword is where it stands.
type role uint8

const (
	statement role = iota // it begins a statement
	lineWord              // it stands in a line of a list
	option                // it stands behind another keyword
	item                  // it is what begins a line, or stands for itself
	text                  // the preprocessor knows it
)

// entry is a keyword in one of its places.
type entry struct {
	path []string // the blocks around it, outermost first
	role role
	*confparse.Keyword
}

// each visits every keyword in every place, in the order of the table.
func each(visit func(entry)) {
	var walk func(path []string, b confparse.Block, r role)
	walk = func(path []string, b confparse.Block, r role) {
		for _, k := range b.Keywords() {
			visit(entry{path, r, k})
			inside := append(slices.Clone(path), k.Name)
			if k.Item != nil {
				visit(entry{inside, item, k.Item})
			}
			if k.Options != nil {
				walk(inside, k.Options, option)
			}
			if k.Block != nil && k.Block.Lines() {
				walk(inside, k.Block, lineWord)
			} else if k.Block != nil {
				walk(inside, k.Block, statement)
			}
		}
	}
	walk(nil, confparse.Top(), statement)
	walk(nil, confparse.TextBlock(), text)
}

// Names lists every keyword once, in the order of the table.
func Names() (names []string) {
	seen := map[string]bool{}
	each(func(e entry) {
		if e.role != item && !seen[e.Name] {
			seen[e.Name] = true
			names = append(names, e.Name)
		}
	})
	return names
}

// where tells the place of an entry.
func (e entry) where() string {
	path := strings.Join(e.path, " > ")
	switch {
	case e.role == text:
		return "anywhere in the text"
	case len(e.path) == 0:
		return "the top level"
	case e.role == lineWord:
		return "a line of " + path
	case e.role == option:
		return "behind " + path
	}
	return path
}

// head is how a keyword is written, with what follows it.
func head(k *confparse.Keyword) string {
	if strings.HasPrefix(k.Args, "(") || strings.HasSuffix(k.Name, "=") {
		return k.Name + k.Args
	}
	return strings.TrimSpace(k.Name + " " + k.Args)
}

// fact is one thing that is known of a keyword.
type fact struct{ name, text string }

// facts are what is known of a keyword apart from its sentence.
func facts(k *confparse.Keyword) (list []fact) {
	add := func(name, text string) {
		if text != "" {
			list = append(list, fact{name, text})
		}
	}
	add("range", k.Range)
	add("default", k.Default)
	add("since", since(k.Since))
	add("status", status(k))
	if k.Alias != "" && k.Old {
		add("old", "write '"+k.Alias+"'")
	} else if k.Alias != "" {
		add("same as", k.Alias)
	}
	return list
}

func since(release string) string {
	if release == "" || release == confparse.Ours {
		return release
	}
	return "keepalived " + release
}

// status is the status of a keyword in words; "" if it simply works.
func status(k *confparse.Keyword) string {
	switch k.Status {
	case confparse.NoEffect:
		return "without effect: " + k.Why
	case confparse.Removed:
		return "removed: it " + k.Why
	}
	return ""
}

// signature tells rows apart: two keywords with one signature are told of once.
func signature(k *confparse.Keyword) string {
	s := fmt.Sprint(head(k), k.Doc, facts(k))
	for _, b := range []confparse.Block{k.Block, k.Options} {
		if b == nil {
			continue
		}
		for _, inner := range b.Keywords() {
			s += fmt.Sprint(head(inner), inner.Doc, facts(inner))
		}
	}
	return s
}

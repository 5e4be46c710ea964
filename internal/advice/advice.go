// Package advice reads a finished configuration for what it will do: what
// bites although every line of it is right, and what becomes of the virtual
// IPs of two directors in each failure. It is pure.
package advice

import (
	"fmt"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// Places finds the line of a keyword within a block, by the place of the block.
// The text is read only when somebody asks: most configurations need no advice.
type Places struct {
	read func() *syntax.Tree
	at   map[syntax.Pos]*syntax.Node
}

// NewPlaces learns every block of the tree that read gives, once it is needed.
func NewPlaces(read func() *syntax.Tree) *Places { return &Places{read: read} }

// node is the block at pos, nil for none.
func (p *Places) node(pos syntax.Pos) *syntax.Node {
	if p == nil {
		return nil
	}
	if p.at == nil {
		p.at = map[syntax.Pos]*syntax.Node{}
		p.add(p.read().Nodes)
	}
	return p.at[pos]
}

func (p *Places) add(nodes []*syntax.Node) {
	for _, n := range nodes {
		if len(n.Words) == 0 {
			continue
		}
		if at := n.Words[0].Pos; p.at[at] == nil {
			p.at[at] = n
		}
		p.add(n.Body)
	}
}

// spot is a stretch of text.
type spot struct {
	syntax.Pos
	size int
}

// find is the last statement with the first of keywords in the block at pos,
// the next keyword within that, and so on as far as they stand there; without
// any, the head of the block. A statement's spot is its first argument.
func (p *Places) find(pos syntax.Pos, keywords ...string) spot {
	n := p.node(pos)
	if n == nil {
		return spot{Pos: pos}
	}
	at := spot{pos, len(n.Words[0].Text)}
	for _, k := range keywords {
		if n = last(n, k); n == nil {
			break
		}
		w := n.Words[min(1, len(n.Words)-1)]
		at = spot{w.Pos, len(w.Text)}
	}
	return at
}

func last(block *syntax.Node, keyword string) (found *syntax.Node) {
	for _, n := range block.Body {
		if len(n.Words) > 0 && n.Words[0].Text == keyword {
			found = n
		}
	}
	return found
}

// File is one configuration under advice.
type File struct {
	Label  string // the file's name as the user gave it
	Name   string // the file's name as places have it
	Config *confparse.Config
	Places *Places // may be nil: findings then stand at the heads of blocks

	groups  map[string]*confparse.SyncGroup // by member
	scripts map[string]*confparse.Script
}

// index finds the group of each instance and the scripts by name, once.
func (f *File) index() {
	if f.groups != nil {
		return
	}
	f.groups, f.scripts = map[string]*confparse.SyncGroup{}, map[string]*confparse.Script{}
	for _, g := range f.Config.SyncGroups {
		for _, name := range g.Members {
			if f.groups[name] == nil {
				f.groups[name] = g
			}
		}
	}
	for _, s := range f.Config.Scripts {
		f.scripts[s.Name] = s
	}
}

// place is a place in words.
func (f *File) place(at spot) string {
	name := at.File
	if name == f.Name {
		name = f.Label
	}
	return fmt.Sprintf("%s:%d", name, at.Line)
}

// adviser collects findings about one file.
type adviser struct {
	*File
	errs syntax.ErrorList
}

// say adds a finding. block is where it stands, as Error.Path has it.
func (a *adviser) say(s syntax.Severity, at spot, block, hint, format string, args ...any) {
	a.errs = append(a.errs, &syntax.Error{Pos: at.Pos, Len: at.size, Path: block, Severity: s,
		Err: fmt.Errorf(format, args...), Hint: hint})
}

// Check finds what bites in one configuration, beyond the faults that reading
// it has shown.
func Check(f *File) syntax.ErrorList {
	a := &adviser{File: f}
	for _, i := range f.Config.Instances {
		if i.Unusable == "" {
			a.instance(i)
		}
	}
	for _, g := range f.Config.SyncGroups {
		a.group(g)
	}
	a.scripts()
	a.addresses()
	for _, v := range f.Config.VirtualServers {
		if v.Unusable == "" {
			a.service(v)
		}
	}
	a.slowCheck()
	a.apart()
	return a.errs
}

func pathOf(i *confparse.Instance) string { return "vrrp_instance " + i.Name }

// seconds prints a time as operators write it.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%g s", d.Round(time.Millisecond).Seconds())
}

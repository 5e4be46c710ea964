package lsp

import (
	"path"
	"slices"
	"strings"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// kind is what a name is a name of: the keyword of the block that defines it.
type kind string

// Names that are defined in one place and used in others.
const (
	noKind       kind = ""
	instanceKind kind = "vrrp_instance"
	groupKind    kind = "vrrp_sync_group"
	scriptKind   kind = "vrrp_script"
	serversKind  kind = "virtual_server_group"
	fileKind     kind = "track_file"
	processKind  kind = "vrrp_track_process"
	bfdKind      kind = "bfd_instance"
	trackKind    kind = "track_group"
	garpKind     kind = "garp_group"
)

// defines is the kind of name that a block of the top level defines.
func defines(keyword string) kind {
	switch k := kind(keyword); k {
	case instanceKind, groupKind, scriptKind, serversKind, fileKind, processKind, bfdKind, trackKind, garpKind:
		return k
	case "vrrp_track_file":
		return fileKind
	}
	return noKind
}

// listed is the kind of name that begins a line of a list; words says that
// every word of the line is one.
func listed(keyword string) (k kind, words bool) {
	switch keyword {
	case "group":
		return instanceKind, true
	case "track_script":
		return scriptKind, false
	case "track_file":
		return fileKind, false
	case "track_process":
		return processKind, false
	case "track_bfd":
		return bfdKind, false
	}
	return noKind, false
}

// use is the kind of name that the word index of a statement is, and whether
// it is defined there. The statement may still lack that word.
func (o *outline) use(block, n *statement, index int) (k kind, definition bool) {
	opener := o.opener(block)
	if opener != nil && opener.Block != nil && opener.Block.Lines() {
		return o.listUse(opener.Name, n, index), false
	}
	if n == nil || index == 0 {
		return noKind, false
	}
	within := ""
	if opener != nil {
		within = opener.Name
	}
	switch keyword := n.words[0].text; {
	case index == 1 && opener == nil:
		k = defines(keyword)
		return k, k != noKind
	case index == 2 && keyword == "virtual_server" && n.words[1].text == "group":
		return serversKind, false
	case keyword == "lvs_sync_daemon":
		return o.daemonUse(n, index), false
	case index == 1 && keyword == "track_file" && within == confparse.FileCheck.String():
		return fileKind, false
	case index == 1 && keyword == "name" && within == confparse.BFDCheck.String():
		return bfdKind, false
	}
	return noKind, false
}

// daemonUse is the kind of name in "lvs_sync_daemon <IF> [[inst] <INSTANCE>]
// [id <N>] ...".
func (o *outline) daemonUse(n *statement, index int) kind {
	k := o.keyword(n)
	option := func(i int) bool {
		return k != nil && k.Options != nil && i < len(n.words) && k.Options.Keyword(n.words[i].text) != nil
	}
	if index == 2 && !option(2) || index == 3 && n.words[2].text == "inst" {
		return instanceKind
	}
	return noKind
}

func (o *outline) listUse(list string, n *statement, index int) kind {
	k, words := listed(list)
	if index == 0 || words {
		return k
	}
	if n != nil && index <= len(n.words) && n.words[index-1].text == "track_group" {
		return trackKind
	}
	return noKind
}

// place is a piece of a file.
type place struct {
	file       string
	start, end int
}

// mention is a name where it is defined or used.
type mention struct {
	place
	kind       kind
	name       string
	definition bool
	block      *statement // what is defined there; may be nil
}

// mentions are the names of a file.
func (a *analysis) mentions(file string) (list []mention) {
	o := a.outline(file)
	if o == nil {
		return nil
	}
	o.root.walk(func(n *statement) {
		for i, w := range n.words {
			if k, def := o.use(n.parent, n, i); k != noKind {
				list = append(list, mention{place{file, w.start, w.end}, k, w.text, def, n})
			}
		}
	})
	return list
}

// definitions are the places that define names of a kind, in the order of the
// files around a document. Definitions that a loop or a variable makes are
// found in what the configuration means.
func (a *analysis) definitions(around string, k kind) (list []mention) {
	have := map[string]bool{}
	for _, file := range a.files(around) {
		for _, m := range a.mentions(file) {
			if m.definition && m.kind == k {
				list = append(list, m)
				have[m.name] = true
			}
		}
	}
	for _, m := range a.expanded(a.load(a.root(around)).cfg, k) {
		if !have[m.name] {
			list = append(list, m)
		}
	}
	return slices.DeleteFunc(list, func(m mention) bool { return strings.Contains(m.name, "$") })
}

// expanded are the definitions of a configuration as it is understood.
func (a *analysis) expanded(c *confparse.Config, k kind) (list []mention) {
	add := func(name string, at syntax.Pos) {
		m := mention{kind: k, name: name, definition: true, place: place{file: path.Clean(at.File)}}
		if o := a.outline(m.file); o != nil {
			m.start = o.place(at)
			m.end = m.start
			if n := before(o.inside(m.start).body, m.start); n != nil {
				m.end, m.block = n.words[len(n.words)-1].end, n
			}
			list = append(list, m)
		}
	}
	switch k {
	case instanceKind:
		for _, i := range c.Instances {
			add(i.Name, i.Pos)
		}
	case groupKind:
		for _, g := range c.SyncGroups {
			add(g.Name, g.Pos)
		}
	case scriptKind:
		for _, s := range c.Scripts {
			add(s.Name, s.Pos)
		}
	case serversKind:
		for _, g := range c.ServerGroups {
			add(g.Name, g.Pos)
		}
	case fileKind:
		for _, f := range c.TrackFiles {
			add(f.Name, f.Pos)
		}
	case processKind:
		for _, p := range c.TrackProcesses {
			add(p.Name, p.Pos)
		}
	case bfdKind:
		for _, b := range c.BFDs {
			add(b.Name, b.Pos)
		}
	case trackKind:
		for _, g := range c.TrackGroups {
			add(g.Name, g.Pos)
		}
	}
	return list
}

// links are the interfaces that a configuration names.
func (a *analysis) links(around string) (list []string) {
	for _, m := range a.load(a.root(around)).cfg.Mentions {
		if m.Kind == confparse.MentionLink {
			list = append(list, m.Name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// located is a definition of a $NAME and its file.
type located struct {
	variable
	file string
}

// variables are all definitions around a document, in the order of the files.
func (a *analysis) variables(around string) (list []located) {
	for _, file := range a.files(around) {
		if o := a.outline(file); o != nil {
			for _, v := range o.vars {
				list = append(list, located{v, file})
			}
		}
	}
	return list
}

// lookup finds the definition of a $NAME that holds at a byte of a file: the
// last before it in that file, else the first there is.
func lookup(all []located, name, file string, offset int) (found located, ok bool) {
	for _, v := range all {
		if v.name != name {
			continue
		}
		here := v.file == file && v.start <= offset
		if !ok || here {
			found, ok = v, true
		}
	}
	return found, ok
}

// locations turns places into what the client can open.
func (a *analysis) locations(places []place, e encoding) []location {
	list := []location{}
	for _, p := range places {
		l := location{URI: a.uri(p.file)}
		if o := a.outline(p.file); o != nil {
			l.Range = o.span(p.start, p.end, e)
		}
		list = append(list, l)
	}
	return list
}

// target is what stands at a byte: a $NAME, a name, or an include line.
type target struct {
	variable string
	kind     kind
	name     string
	include  []string // files
}

func (a *analysis) target(d *document, offset int) (t target) {
	o := a.outline(d.name)
	if r, ok := o.reference(offset); ok {
		t.variable = r.name
		return t
	}
	c := o.at(offset)
	if c.comment || c.statement == nil || c.word.text == "" {
		return t
	}
	if patterns := c.statement.patterns(d.name); patterns != nil {
		for _, file := range a.files(d.name) {
			if file != d.name && c.statement.includes(d.name, file) {
				t.include = append(t.include, file)
			}
		}
		return t
	}
	t.kind, _ = o.use(c.block, c.statement, c.index)
	t.name = c.word.text
	return t
}

// definition answers where the name at a byte is defined.
func (a *analysis) definition(d *document, offset int) (places []place) {
	t := a.target(d, offset)
	if t.variable != "" {
		if v, ok := lookup(a.variables(d.name), t.variable, d.name, offset); ok {
			places = append(places, place{v.file, v.start, v.end})
		}
		return places
	}
	for _, file := range t.include {
		places = append(places, place{file: file})
	}
	if t.kind == noKind {
		return places
	}
	for _, m := range a.definitions(d.name, t.kind) {
		if m.name == t.name {
			places = append(places, m.place)
		}
	}
	return places
}

// references answers where the name at a byte is used.
func (a *analysis) references(d *document, offset int, definitions bool) (places []place) {
	t := a.target(d, offset)
	for _, file := range a.files(d.name) {
		if t.variable != "" {
			places = append(places, a.variableUses(file, t.variable, definitions)...)
			continue
		}
		for _, m := range a.mentions(file) {
			if t.kind != noKind && m.kind == t.kind && m.name == t.name && (definitions || !m.definition) {
				places = append(places, m.place)
			}
		}
	}
	return places
}

func (a *analysis) variableUses(file, name string, definitions bool) (places []place) {
	o := a.outline(file)
	if o == nil {
		return nil
	}
	defined := map[int]bool{}
	for _, v := range o.vars {
		if v.name == name {
			defined[v.start] = true
			if v.loop && definitions {
				places = append(places, place{file, v.start, v.end})
			}
		}
	}
	for _, r := range references(o.s, 0, len(o.s)) {
		if r.name == name && (definitions || !defined[r.start]) {
			places = append(places, place{file, r.start, r.end})
		}
	}
	return places
}

package lsp

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// workspace is what a session knows: the open documents and the settings. A
// change makes a new one.
type workspace struct {
	docs  map[string]*document
	under fs.FS
	env   syntax.Env
	main  string // name of settings.Main, or ""
	// generation counts the changes.
	generation int
}

// loaded is one configuration: a file and what it includes.
type loaded struct {
	cfg   *confparse.Config
	errs  syntax.ErrorList
	files []string // in the order of reading, the file itself first
}

func (l *loaded) has(name string) bool { return slices.Contains(l.files, name) }

// analysis is what a workspace means. It is made on demand, piece by piece,
// and used by one goroutine.
type analysis struct {
	workspace
	fs       *overlay
	loads    map[string]*loaded
	outlines map[string]*outline
}

func analyse(w workspace) *analysis {
	return &analysis{workspace: w, fs: newOverlay(w.under, w.docs), loads: map[string]*loaded{}, outlines: map[string]*outline{}}
}

// load reads a configuration.
func (a *analysis) load(name string) *loaded {
	if l := a.loads[name]; l != nil {
		return l
	}
	l := &loaded{}
	seen := map[string]bool{}
	a.fs.reads = func(name string) {
		if !seen[name] {
			seen[name] = true
			l.files = append(l.files, name)
		}
	}
	defer func() { a.fs.reads = nil }()
	l.cfg, l.errs = confparse.Load(a.fs, name, a.env)
	a.loads[name] = l
	return l
}

// keepalived's name for the configuration, looked for in the directory of an
// open file and the two above it.
const (
	usualName = "keepalived.conf"
	upwards   = 3
)

// root is the configuration that a document is a part of: the main file of
// the settings, a keepalived.conf near by, or another open document, if that
// includes it, and otherwise the document itself.
func (a *analysis) root(name string) string {
	for _, candidate := range a.candidates(name) {
		if candidate != name && a.fs.regular(candidate) && a.load(candidate).has(name) {
			return candidate
		}
	}
	return name
}

func (a *analysis) candidates(name string) []string {
	var list []string
	if a.main != "" {
		list = append(list, a.main)
	}
	for i, dir := 0, path.Dir(name); i < upwards; i, dir = i+1, path.Dir(dir) {
		list = append(list, path.Join(dir, usualName))
	}
	if slices.Contains(list, name) {
		return nil // a main file of its own
	}
	return append(list, a.open()...)
}

// open lists the open documents by name.
func (a *analysis) open() []string {
	var names []string
	for name := range a.docs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// roots are the configurations of all open documents.
func (a *analysis) roots() []string {
	var list []string
	for _, name := range a.open() {
		if root := a.root(name); !slices.Contains(list, root) {
			list = append(list, root)
		}
	}
	return list
}

// outline is the outline of a file; nil if it cannot be read.
func (a *analysis) outline(name string) *outline {
	if o, ok := a.outlines[name]; ok {
		return o
	}
	a.outlines[name] = nil // an include loop ends here
	t, err := a.fs.read(name)
	if err != nil {
		return nil
	}
	a.outlines[name] = newOutline(t, a.context(name))
	return a.outlines[name]
}

// context is the keyword of the block that a file is included in; nil for the
// top level.
func (a *analysis) context(name string) *confparse.Keyword {
	root := a.root(name)
	if root == name {
		return nil
	}
	for _, file := range a.load(root).files {
		if file == name {
			break // a file is read behind the one that includes it
		}
		o := a.outline(file)
		if o == nil {
			continue
		}
		if n := o.including(file, name); n != nil {
			return o.opener(n.parent)
		}
	}
	return nil
}

// including finds the statement of a file that includes another.
func (o *outline) including(file, name string) (found *statement) {
	o.root.walk(func(n *statement) {
		if found == nil && n.includes(file, name) {
			found = n
		}
	})
	return found
}

// walk visits every statement below n, in the order of the text.
func (n *statement) walk(visit func(*statement)) {
	for _, child := range n.body {
		visit(child)
		child.walk(visit)
	}
}

// patterns are the absolute file names of an include line; none if it is
// something else.
func (n *statement) patterns(file string) []string {
	if len(n.words) < 2 || !isInclude(n.words[0].text) {
		return nil
	}
	list := alternatives(n.words[1].text, nil)
	for i, p := range list {
		if !path.IsAbs(p) {
			p = path.Join(path.Dir(file), p)
		}
		list[i] = path.Clean(p)
	}
	return list
}

func isInclude(word string) bool {
	switch word {
	case "include", "includer", "includem", "includew", "includeb", "includea":
		return true
	}
	return false
}

// maxAlternatives is how many names the braces of a pattern may make.
const maxAlternatives = 100

// alternatives expands {a,b} in a pattern.
func alternatives(p string, list []string) []string {
	end := strings.IndexByte(p, '}')
	open := strings.LastIndexByte(p[:max(end, 0)], '{')
	if open < 0 {
		return append(list, p)
	}
	for _, one := range strings.Split(p[open+1:end], ",") {
		if len(list) < maxAlternatives {
			list = alternatives(p[:open]+one+p[end+1:], list)
		}
	}
	return list
}

func (n *statement) includes(file, name string) bool {
	return slices.ContainsFunc(n.patterns(file), func(p string) bool {
		ok, err := path.Match(p, name)
		return p == name || err == nil && ok
	})
}

// files are those of the configuration a document is part of, in the order of
// reading.
func (a *analysis) files(name string) []string {
	files := a.load(a.root(name)).files
	if !slices.Contains(files, name) {
		files = append(slices.Clip(files), name)
	}
	return files
}

// uri is how the client names a file.
func (a *analysis) uri(name string) string {
	if d := a.docs[name]; d != nil {
		return d.uri
	}
	return uriOf(name)
}

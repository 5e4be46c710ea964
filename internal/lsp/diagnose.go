package lsp

import (
	"path"
	"reflect"

	"keepgo/confparse/syntax"
)

// source is the name that diagnostics carry.
const source = "keepgo"

// Severities: LSP 3.17 "DiagnosticSeverity".
var severities = map[syntax.Severity]int{syntax.Failure: 1, syntax.Warning: 2, syntax.Note: 3}

// diagnostics are the findings in every file of every configuration that is
// open; a file without any has an empty list.
func (a *analysis) diagnostics(e encoding) map[string][]diagnostic {
	found := map[string][]diagnostic{}
	told := map[string]map[diagnostic]bool{}
	for _, root := range a.roots() {
		l := a.load(root)
		for _, file := range append([]string{root}, l.files...) {
			if found[file] == nil {
				found[file], told[file] = []diagnostic{}, map[diagnostic]bool{}
			}
		}
		for _, f := range l.errs {
			file := root
			if name := path.Clean(f.Pos.File); f.Pos.File != "" && told[name] != nil {
				file = name
			}
			d := a.diagnostic(f, file, e)
			if !told[file][d] { // a loop finds the same again and again
				told[file][d] = true
				found[file] = append(found[file], d)
			}
		}
	}
	return found
}

// diagnostic is a finding as the client shows it.
func (a *analysis) diagnostic(f *syntax.Error, file string, e encoding) diagnostic {
	d := diagnostic{Severity: severities[f.Severity], Source: source, Message: f.Err.Error()}
	if f.Hint != "" {
		d.Message += "\n" + f.Hint
	}
	if t, err := a.fs.read(file); err == nil && f.Pos.Line > 0 {
		start, end := t.underline(f.Pos, f.Len)
		d.Range = t.span(start, end, e)
	}
	return d
}

// publisher remembers what the client was told.
type publisher struct {
	out  *writer
	told map[string]publishParams // by name
}

// publish tells the client what is new: findings that changed, and those that
// are gone.
func (p *publisher) publish(a *analysis, found map[string][]diagnostic) {
	for name, was := range p.told {
		if found[name] == nil && a.docs[name] == nil {
			delete(p.told, name)
			p.out.notify("textDocument/publishDiagnostics", publishParams{URI: was.URI, Diagnostics: []diagnostic{}})
		}
	}
	for _, name := range sortedKeys(found) {
		now := publishParams{URI: a.uri(name), Diagnostics: found[name]}
		if d := a.docs[name]; d != nil {
			now.Version = d.version
		}
		was, known := p.told[name]
		if !known && len(now.Diagnostics) == 0 && a.docs[name] == nil || reflect.DeepEqual(was, now) {
			continue
		}
		if known && was.URI != now.URI {
			p.out.notify("textDocument/publishDiagnostics", publishParams{URI: was.URI, Diagnostics: []diagnostic{}})
		}
		p.told[name] = now
		p.out.notify("textDocument/publishDiagnostics", now)
	}
}

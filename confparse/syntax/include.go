package syntax

import (
	"io/fs"
	"path"
	"strings"
)

// maxPattern is the longest file name: PATH_MAX of linux/limits.h.
const maxPattern = 4096

// include takes an include line of any of its variants.
func (p *parser) include(l line) bool {
	n := strings.IndexAny(l.text, " \t")
	word := l.text
	if n >= 0 {
		word = l.text[:n]
	}
	switch word {
	case "include", "includer", "includem", "includew", "includeb", "includea":
	default:
		return false
	}
	if n < 0 {
		p.fail(l.at(0), len(word), "", "'%s' needs a file name", word)
		return true
	}
	pattern := strings.TrimSpace(l.text[n:])
	if len(pattern) > maxPattern {
		p.fail(l.at(0), len(word), "", "include: the file name has %d characters", len(pattern))
		return true
	}
	names := braces(pattern, nil)
	if len(names) > maxAlternatives {
		p.fail(l.at(0), len(l.text), "", "include: the braces make more than %d names", maxAlternatives)
		return true
	}
	for _, one := range names {
		p.includePattern(&l, one, word)
	}
	return true
}

// includePattern reads the files one pattern names.
func (p *parser) includePattern(l *line, pattern, word string) {
	full := pattern
	if !path.IsAbs(full) {
		full = path.Join(path.Dir(p.open[len(p.open)-1].name), pattern)
	}
	if !strings.ContainsAny(full, "*?[") {
		p.includeFile(l, full, false)
		return
	}
	matches, err := fs.Glob(p.fsys, fsName(full))
	if err != nil {
		p.fail(l.at(0), len(l.text), "", "include: bad pattern '%s'", pattern)
		return
	}
	if len(matches) == 0 {
		severity := Note
		if word == "includew" || word == "includea" {
			severity = Failure
		}
		p.warn(l.at(0), len(l.text), severity, "", "include '%s' matches no file", pattern)
	}
	for _, m := range matches {
		if path.IsAbs(full) {
			m = "/" + m
		}
		p.includeFile(l, m, true)
	}
}

// includeFile reads one file. A file with an execute bit is no configuration:
// keepalived passes it over as well.
func (p *parser) includeFile(l *line, name string, matched bool) {
	if p.full || p.loops(l, name) {
		return
	}
	info, err := fs.Stat(p.fsys, fsName(name))
	if err == nil && info.IsDir() && matched {
		return
	}
	if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		p.warn(l.at(0), len(l.text), Warning, "chmod -x it if it is a configuration",
			"include: %s is executable and not read", name)
		return
	}
	if len(p.names) >= maxFileCount {
		p.full = true
		p.fail(l.at(0), len(l.text), "", "more than %d files are included", maxFileCount)
		return
	}
	src, f := p.load(name)
	if f != nil {
		p.fail(l.at(0), len(l.text), f.hint, "include: %v", f.cause)
		return
	}
	p.endStatement()
	p.file(src)
}

// loops reports a file that is being read already.
func (p *parser) loops(l *line, name string) bool {
	for i, f := range p.open {
		if path.Clean(f.name) != path.Clean(name) {
			continue
		}
		if i == len(p.open)-1 {
			p.fail(l.at(0), len(l.text), "", "include loop: %s includes itself", path.Base(name))
			return true
		}
		chain := ""
		for _, g := range p.open[i:] {
			chain += path.Base(g.name) + " -> "
		}
		p.fail(l.at(0), len(l.text), "", "include loop: %s%s", chain, path.Base(name))
		return true
	}
	if len(p.open) >= maxIncludes {
		p.fail(l.at(0), len(l.text), "", "include files are nested more than %d deep", maxIncludes)
		return true
	}
	return false
}

// maxAlternatives is how many names the braces of one pattern may make.
const maxAlternatives = 1000

// braces expands {a,b} in a pattern, from left to right.
func braces(pattern string, out []string) []string {
	open, end := group(pattern)
	if end < 0 {
		return append(out, pattern)
	}
	for _, alt := range strings.Split(pattern[open+1:end], ",") {
		if len(out) > maxAlternatives {
			break
		}
		out = braces(pattern[:open]+alt+pattern[end+1:], out)
	}
	return out
}

// group finds the first innermost {…}; end is negative if there is none.
func group(s string) (open, end int) {
	end = strings.IndexByte(s, '}')
	if end < 0 {
		return 0, -1
	}
	open = strings.LastIndexByte(s[:end], '{')
	if open < 0 {
		return 0, -1
	}
	return open, end
}

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	span       = regexp.MustCompile("`([^`\n]+)`")
	ourCommand = regexp.MustCompile(`(?:^|[|/ ])keepgo ([a-z]+)((?: [^#|&>]*)?)`)
	longOption = regexp.MustCompile(`(?:^|[ \[])--([a-z][a-z0-9-]*)`)
)

// code is what stands as code on a page: lines of blocks, and spans in others.
func code(text string) (list []string) {
	fenced := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced, strings.HasPrefix(line, "    "):
			list = append(list, strings.TrimSpace(line))
		default:
			for _, m := range span.FindAllStringSubmatch(line, -1) {
				list = append(list, m[1])
			}
		}
	}
	return list
}

// TestDocsCommands: every command line of ours on the pages has a verb that is
// there, with options that it takes.
func TestDocsCommands(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("there are no pages")
	}
	seen := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range code(string(text)) {
			for _, m := range ourCommand.FindAllStringSubmatch(line, -1) {
				seen++
				if what := mistake(m[1], m[2]); what != "" {
					t.Errorf("%s: %s: %s", page, strings.TrimSpace(m[0]), what)
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d command lines were found", seen)
	}
}

// mistake is what is wrong with a command line: "" for nothing.
func mistake(name, rest string) string {
	v := find(name)
	switch {
	case v == nil:
		return "there is no such verb"
	case v.flags == nil: // another tool's options
		return ""
	}
	f := v.flags()
	if name == "rs" {
		f.AddFlagSet(nodeFlags(&nodeOptions{}))
	}
	for _, m := range longOption.FindAllStringSubmatch(rest, -1) {
		if f.Lookup(m[1]) == nil && m[1] != "help" {
			return "it has no option --" + m[1]
		}
	}
	return ""
}

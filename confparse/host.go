package confparse

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"keepgo/confparse/syntax"
)

// MentionKind is what a configuration names of the host.
type MentionKind uint8

// What a configuration may name.
const (
	MentionLink MentionKind = iota
	MentionProgram
	MentionUser
	MentionGroup
	MentionNamespace
)

// Mention is a place where the text names something of the host, which may or
// may not exist there.
type Mention struct {
	Kind MentionKind
	Name string
	Pos  syntax.Pos
	Path string // blocks around the place, as in syntax.Error
}

// Host answers what exists on the machine that a configuration is for.
type Host interface {
	// Links are the names of the network interfaces.
	Links() []string
	// Executable is nil for a program that can be run, looked up in PATH if
	// it is no path; fs.ErrNotExist or fs.ErrPermission tell why it cannot.
	Executable(path string) error
	HasUser(name string) bool
	HasGroup(name string) bool
	HasNamespace(name string) bool
}

// CheckHost holds what a configuration names against what the host has.
func CheckHost(c *Config, h Host) syntax.ErrorList {
	var errs syntax.ErrorList
	links := h.Links()
	own := ownLinks(c)
	for _, m := range c.Mentions {
		why, hint := "", ""
		switch m.Kind {
		case MentionLink:
			if !slices.Contains(links, m.Name) && !own[m.Name] {
				why, hint = "interface '"+m.Name+"' does not exist", existing(links)
			}
		case MentionProgram:
			why = programFault(m.Name, h.Executable(m.Name))
		case MentionUser:
			if !h.HasUser(m.Name) {
				why, hint = "user '"+m.Name+"' does not exist", "create it, or name another"
			}
		case MentionGroup:
			if !h.HasGroup(m.Name) {
				why, hint = "group '"+m.Name+"' does not exist", "create it, or name another"
			}
		case MentionNamespace:
			if !h.HasNamespace(m.Name) {
				why, hint = "network namespace '"+m.Name+"' does not exist", "ip netns add "+m.Name
			}
		}
		if why != "" {
			errs = append(errs, &syntax.Error{Pos: m.Pos, Len: len(m.Name), Path: m.Path,
				Severity: syntax.Failure, Err: errors.New(why), Hint: hint})
		}
	}
	return errs
}

// ownLinks are the interfaces that the daemon makes itself.
func ownLinks(c *Config) map[string]bool {
	own := map[string]bool{}
	for _, i := range c.Instances {
		if i.VMACName != "" {
			own[i.VMACName] = true
		}
		if i.IPVLAN != nil {
			own[i.IPVLAN.Name] = true
		}
	}
	return own
}

func existing(links []string) string {
	list := slices.Sorted(slices.Values(links))
	if len(list) > 8 {
		list = append(list[:8:8], "...")
	}
	return "existing: " + strings.Join(list, ", ")
}

func programFault(path string, err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, fs.ErrNotExist):
		return "script '" + path + "' does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "'" + path + "' is not executable"
	}
	return "'" + path + "' cannot be run: " + err.Error()
}

// mention keeps that the text names something of the host.
func (s *stmt) mention(kind MentionKind, name string, at syntax.Pos) {
	c := s.r.cfg
	c.Mentions = append(c.Mentions, Mention{Kind: kind, Name: name, Pos: at, Path: s.r.path()})
}

package main

import (
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/pflag"
)

// own are the options that keepalived does not have. They have no
// abbreviations, so that no abbreviation of keepalived's becomes ambiguous.
var own = []string{"strict", "control", "log-format"}

// word is one option of a command line, or what is wrong with it.
type word struct {
	flag  *pflag.Flag
	value string
	fault string
}

// scanner reads a command line as getopt_long(3) does: options and other
// words in any order, single letters together, long names abbreviated. It goes
// on behind a fault.
type scanner struct {
	flags *pflag.FlagSet
	args  []string
	words []word
	rest  []string // what is no option
}

// scan splits a command line into options and the rest.
func scan(flags *pflag.FlagSet, args []string) (words []word, rest []string) {
	s := &scanner{flags: flags, args: args}
	for len(s.args) > 0 {
		arg := s.next()
		switch {
		case arg == "--":
			return s.words, append(s.rest, s.args...)
		case strings.HasPrefix(arg, "--"):
			s.long(arg)
		case len(arg) > 1 && arg[0] == '-':
			s.letters(arg[1:])
		default:
			s.rest = append(s.rest, arg)
		}
	}
	return s.words, s.rest
}

func (s *scanner) next() string {
	arg := s.args[0]
	s.args = s.args[1:]
	return arg
}

func (s *scanner) fault(what, option string) {
	s.words = append(s.words, word{fault: what + " option " + option})
}

// missing is keepalived's word for an option without its value.
const missing = "Missing parameter for"

// long reads --name, --name=value or --name value. An empty value is none.
func (s *scanner) long(arg string) {
	name, value, given := strings.Cut(arg[2:], "=")
	f := s.find(name)
	switch {
	case f == nil, given && takes(f) == never:
		s.fault("Unknown", arg)
		return
	case takes(f) == always && !given && len(s.args) > 0:
		value = s.next()
	case takes(f) == always && value == "":
		s.fault(missing, "--"+f.Name)
		return
	case value == "":
		value = f.NoOptDefVal
	}
	s.words = append(s.words, word{flag: f, value: value})
}

// letters reads options of one letter: the value of the last is the rest of
// the word, or the next word where one must be.
func (s *scanner) letters(text string) {
	for i, letter := range text {
		f := s.letter(letter)
		behind := text[i+len(string(letter)):]
		switch {
		case f == nil:
			s.fault("Unknown", "-"+string(letter))
			continue
		case takes(f) == never:
			s.words = append(s.words, word{flag: f, value: f.NoOptDefVal})
			continue
		case behind == "" && takes(f) == perhaps:
			behind = f.NoOptDefVal
		case behind == "" && len(s.args) > 0:
			behind = s.next()
		case behind == "":
			s.fault(missing, "-"+string(letter))
			return
		}
		s.words = append(s.words, word{flag: f, value: behind})
		return
	}
}

// letter is the option of one letter.
func (s *scanner) letter(r rune) *pflag.Flag {
	if r > unicode.MaxASCII {
		return nil
	}
	return s.flags.ShorthandLookup(string(r))
}

// find is the option of a long name, or the only one of keepalived's that
// begins so.
func (s *scanner) find(name string) *pflag.Flag {
	if f := s.flags.Lookup(name); f != nil || name == "" {
		return f
	}
	var found []*pflag.Flag
	s.flags.VisitAll(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, name) && !slices.Contains(own, f.Name) {
			found = append(found, f)
		}
	})
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

// When an option takes a value.
const (
	never = iota
	perhaps
	always
)

func takes(f *pflag.Flag) int {
	switch {
	case f.NoOptDefVal == "":
		return always
	case f.Value.Type() == "bool", f.Value.Type() == "count":
		return never
	}
	return perhaps
}

package ipvsadm

import (
	"slices"
	"strings"
)

// word is one option as it was written, with its value.
type word struct {
	*spelling
	text  string // as messages repeat it
	value string
	given bool // there is a value
}

// scanner reads a command line as popt(3) does: names are never abbreviated,
// and a value that may be left out is the next word unless that is an option.
type scanner struct {
	args    []string
	letters string // what is left of a word of letters
	text    string // that word
	rest    []string
}

// next is the next option; ok is false at the end.
func (s *scanner) next() (w word, ok bool, fault string) {
	for s.letters == "" {
		if len(s.args) == 0 {
			return w, false, ""
		}
		arg := s.args[0]
		s.args = s.args[1:]
		switch {
		case arg == "--":
			s.rest = append(s.rest, s.args...)
			s.args = nil
		case strings.HasPrefix(arg, "--"):
			w, fault = s.long(arg)
			return w, true, fault
		case len(arg) > 1 && arg[0] == '-':
			s.letters, s.text = arg[1:], arg
		default:
			s.rest = append(s.rest, arg)
		}
	}
	w, fault = s.letter()
	return w, true, fault
}

func (s *scanner) long(arg string) (w word, fault string) {
	name, value, given := strings.Cut(arg[2:], "=")
	i := slices.IndexFunc(spellings, func(sp spelling) bool { return sp.long == name })
	if i < 0 {
		return w, arg + ": unknown option"
	}
	w = word{spelling: &spellings[i], text: arg, value: value, given: given}
	if given && w.takes == never {
		return w, arg + ": option does not take an argument"
	}
	return s.complete(w)
}

func (s *scanner) letter() (w word, fault string) {
	letter := s.letters[0]
	s.letters = s.letters[1:]
	i := slices.IndexFunc(spellings, func(sp spelling) bool { return sp.letter == letter })
	if i < 0 || letter == 0 {
		return w, s.text + ": unknown option"
	}
	w = word{spelling: &spellings[i], text: s.text}
	if w.takes != never && s.letters != "" {
		w.value, w.given = strings.TrimPrefix(s.letters, "="), true
		s.letters = ""
	}
	return s.complete(w)
}

// complete takes the value from the next word where it is needed.
func (s *scanner) complete(w word) (word, string) {
	switch {
	case w.takes == never || w.given:
	case len(s.args) > 0 && (w.takes == always || !strings.HasPrefix(s.args[0], "-")):
		w.value, w.given = s.args[0], true
		s.args = s.args[1:]
	case w.takes == always:
		return w, w.text + ": missing argument"
	}
	return w, ""
}

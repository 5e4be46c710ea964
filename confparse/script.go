package confparse

import (
	"path"
	"strings"

	"keepgo/confparse/syntax"
)

// command is a script: one word, in quotes when it has arguments, and the
// user and group to run it as.
func command() kind[*Command] {
	return kind[*Command]{args: "<SCRIPT> [<USER> [<GROUP>]]", rng: "quote a command with arguments",
		read: func(s *stmt) (*Command, bool) {
			if _, ok := s.value("a command"); !ok {
				return nil, false
			}
			return s.command()
		}}
}

// command reads the raw text of a statement as keepalived does: the word of
// the command is split a second time into its arguments.
func (s *stmt) command() (*Command, bool) {
	fields := syntax.Fields(s.n.Raw)
	s.rest()
	w := s.n.Words[1]
	if len(fields) < 2 {
		s.fail(w, "", "'%s' needs a command", s.name())
		return nil, false
	}
	c := &Command{Pos: w.Pos, Args: syntax.Argv(fields[1])}
	if len(c.Args) == 0 {
		s.fail(w, "", "'%s' has an empty command", s.name())
		return nil, false
	}
	s.shellisms(w, fields[1], c)
	if !strings.HasPrefix(c.Args[0], "<") {
		s.mention(MentionProgram, c.Args[0], w.Pos)
	}
	if len(fields) > 2 && !userName(fields[2]) {
		s.fail(w, `write: `+s.name()+` "`+strings.Join(fields[1:], " ")+`"`, "quote a command with arguments")
		c.Args = append(c.Args, fields[2:]...)
		return c, true
	}
	if len(fields) > 2 {
		c.User = fields[2]
		s.mention(MentionUser, c.User, s.n.Words[min(2, len(s.n.Words)-1)].Pos)
	}
	if len(fields) > 3 {
		c.Group = fields[3]
		s.mentionGroup(c.Group, s.n.Words[min(3, len(s.n.Words)-1)].Pos)
	}
	if len(fields) > 4 {
		s.warn(s.n.Words[min(4, len(s.n.Words)-1)], "", "extra word '%s' is ignored", clip(fields[4]))
	}
	return c, true
}

// userName says that a word can be a user or a group: useradd(8).
func userName(w string) bool {
	for i, c := range w {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || i > 0 && (c == '-' || c == '.' || c == '$')
		if !ok && (c < '0' || c > '9') {
			return false
		}
	}
	return w != "" && len(w) <= 32
}

// shellisms warns of what only a shell would understand.
func (s *stmt) shellisms(w syntax.Word, text string, c *Command) {
	base := path.Base(c.Args[0])
	if base == "sh" || base == "bash" || strings.HasPrefix(strings.TrimSpace(text), "<") {
		return
	}
	for _, sign := range []string{"|", "&&", ">", ";", "`", "$("} {
		if contains(c.Args, sign) || strings.Contains(sign, "`$(;") && strings.Contains(text, sign) {
			s.warn(w, `use `+s.name()+` "/bin/sh -c '`+clipCommand(text)+`'"`, "'%s' is not interpreted (no shell)", sign)
			return
		}
	}
}

func clipCommand(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// identity is the user keyword: a user and perhaps a group.
func identity(user, group *string, s *stmt) {
	w, ok := s.value("a user")
	if !ok {
		return
	}
	*user = w.Text
	s.mention(MentionUser, w.Text, w.Pos)
	if g, ok := s.next(); ok {
		*group = g.Text
		s.mentionGroup(g.Text, g.Pos)
	}
}

// mentionGroup notes the name of a group, without the colon that asks for the
// other groups of the user too and may stand alone.
func (s *stmt) mentionGroup(text string, pos syntax.Pos) {
	if name := strings.TrimPrefix(text, ":"); name != "" {
		s.mention(MentionGroup, name, pos)
	}
}

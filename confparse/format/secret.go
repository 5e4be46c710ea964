package format

import (
	"slices"
	"strings"

	"keepgo/confparse/syntax"
)

// masked stands in the place of a password.
const masked = "********"

// secretWords begin the words that a password follows, in lower case. The
// misspelled ones are here too: a mistake must not show a password.
var secretWords = []string{"auth_p", "authpass", "auth-p", "password", "passwd", "passphrase", "pwd", "secret", "token"}

// secretAt is the index of the word that a password follows, or -1.
func secretAt(in string, words []syntax.Word) int {
	if in == "auth_hmac" && words[0].Text == "key" && len(words) > 2 {
		return 1
	}
	for i, w := range words {
		name := strings.TrimLeft(strings.ToLower(w.Text), "-")
		glued := strings.ContainsAny(name, "=:")
		if (glued || i+1 < len(words)) && slices.ContainsFunc(secretWords, func(s string) bool { return strings.HasPrefix(name, s) }) {
			return i
		}
	}
	return -1
}

// mask hides what follows the word that names a secret, and what is glued to it.
func mask(in string, words []syntax.Word) []syntax.Word {
	at := secretAt(in, words)
	out := slices.Clone(words)
	if i := strings.IndexAny(out[at].Text, "=:"); i >= 0 {
		out[at].Text = out[at].Text[:i+1] + masked
	}
	for i := at + 1; i < len(out); i++ {
		out[i].Text, out[i].Quoted = masked, false
	}
	return out
}

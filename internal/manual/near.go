package manual

import (
	"strings"

	"keepgo/confparse"
)

// Near lists the keywords that a word was probably meant to be: those that
// differ by the fewest letters, at most one in three; if there are none, those
// that it is a part of.
func Near(word string) (near []string) {
	if len(word) > 60 || len(word) < 3 {
		return nil
	}
	word = strings.ToLower(strings.ReplaceAll(word, "-", "_"))
	best := len(word) / 3
	var parts []string
	for _, name := range Names() {
		lower := strings.ToLower(name)
		if strings.Contains(lower, word) {
			parts = append(parts, name)
		}
		d := confparse.Distance(word, lower, best)
		if d < best {
			best, near = d, nil
		}
		if d == best {
			near = append(near, name)
		}
	}
	if len(near) == 0 {
		near = parts
	}
	return near[:min(len(near), maxNear)]
}

// maxNear is how many words are worth reading.
const maxNear = 8

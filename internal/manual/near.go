package manual

import "strings"

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
		d := distance(word, lower)
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

// distance is how many letters to insert, delete or replace (Levenshtein), or
// to swap with their neighbour.
func distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(prev[j+1]+1, row[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}

package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// printable is what anybody may have said as a text that a terminal can be
// given: lines stay lines, and what is no print is written as in Go's strings.
func printable(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == '\n', r == '\t':
			out.WriteRune(r)
		case r == '\r' && len(b) > 1 && b[1] == '\n':
		case r == utf8.RuneError && n == 1, !strconv.IsPrint(r):
			quoted := strconv.Quote(string(b[:n]))
			out.WriteString(quoted[1 : len(quoted)-1])
		default:
			out.WriteRune(r)
		}
		b = b[n:]
	}
	return out.String()
}

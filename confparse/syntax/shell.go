package syntax

import "strings"

// Fields splits the raw text of a statement for the keywords that take
// scripts or regular expressions: single and double quotes both hold a word
// together, pieces that touch make one word, and a backslash keeps the letter
// behind it from being looked at. Both stay in the word.
func Fields(raw string) []string {
	var words []string
	var word strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '\\' && i+1 < len(raw):
			word.WriteString(raw[i : i+2])
			in = true
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, in = c, true
		case !blank(c):
			word.WriteByte(c)
			in = true
		case in:
			words = append(words, word.String())
			word.Reset()
			in = false
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words
}

// Argv splits one script word into the arguments of the command. Quotes hold
// arguments together; a backslash begins an escape: a b E f n r t v, one to
// three octal digits, x with one or two hexadecimal digits, c with a control
// letter, and any other letter stands for itself.
func Argv(command string) []string {
	var args []string
	var arg []byte
	in, quote := false, byte(0)
	for i := 0; i < len(command); i++ {
		c := command[i]
		switch {
		case c == '\\' && i+1 < len(command):
			var b byte
			b, i = escape(command, i+1)
			arg = append(arg, b)
			in = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			arg = append(arg, c)
		case c == '"' || c == '\'':
			quote, in = c, true
		case !blank(c):
			arg = append(arg, c)
			in = true
		case in:
			args = append(args, string(arg))
			arg, in = arg[:0], false
		}
	}
	if in {
		args = append(args, string(arg))
	}
	return args
}

// escape reads the escape whose letter is s[i]; the second result is the
// index of its last letter.
func escape(s string, i int) (byte, int) {
	c := s[i]
	if k := strings.IndexByte("abEfnrtv", c); k >= 0 {
		return "\a\b\x1b\f\n\r\t\v"[k], i
	}
	switch {
	case c >= '0' && c <= '7':
		return numeral(s, i, 3, 8)
	case c == 'x' && i+1 < len(s) && hexDigit(s[i+1]) < 16:
		return numeral(s, i+1, 2, 16)
	case c == 'c' && i+1 < len(s):
		return s[i+1] & 0x1f, i + 1
	}
	return c, i
}

// numeral reads up to n digits of a base.
func numeral(s string, i, n int, base byte) (byte, int) {
	v, j := byte(0), i
	for ; j < len(s) && j < i+n && hexDigit(s[j]) < base; j++ {
		v = v*base + hexDigit(s[j])
	}
	return v, j - 1
}

// hexDigit is the value of a digit, or 255.
func hexDigit(c byte) byte {
	switch {
	case digit(c):
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

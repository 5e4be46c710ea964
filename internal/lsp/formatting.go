package lsp

import "keepgo/confparse/format"

// formatted is the edit that puts a document in order. It leaves out the lines
// before the first change and behind the last, so that the cursor stays.
func (d *document) formatted(e encoding) ([]textEdit, error) {
	ordered, err := format.Source(d.name, []byte(d.s))
	if err != nil {
		return nil, refuse(codeFailed, "%v", err)
	}
	want := string(ordered)
	if want == d.s {
		return []textEdit{}, nil
	}
	head := commonLines(d.s, want)
	tail := commonEnd(d.s[head:], want[head:])
	return []textEdit{{d.span(head, len(d.s)-tail, e), want[head : len(want)-tail]}}, nil
}

// commonLines is the length of the whole lines that both begin with.
func commonLines(a, b string) int {
	n := 0
	for i := 0; i < min(len(a), len(b)) && a[i] == b[i]; i++ {
		if a[i] == '\n' {
			n = i + 1
		}
	}
	return n
}

// commonEnd is the length of the whole lines that both end with.
func commonEnd(a, b string) int {
	n := 0
	for i := 0; i < min(len(a), len(b)) && a[len(a)-1-i] == b[len(b)-1-i]; i++ {
		if a[len(a)-1-i] == '\n' {
			n = i
		}
	}
	return n
}

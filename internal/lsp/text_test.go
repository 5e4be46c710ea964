package lsp

import (
	"errors"
	"io/fs"
	"testing"
	"unicode/utf8"

	"keepgo/confparse/syntax"
)

// emptyFS has no files.
type emptyFS struct{}

func (emptyFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: errors.ErrUnsupported}
}

func TestPositions(t *testing.T) {
	tx := newText("añ𝄞b\r\nx\ry\n")
	for _, one := range []struct {
		offset int
		u16    position
		u8     position
	}{
		{0, position{0, 0}, position{0, 0}},
		{1, position{0, 1}, position{0, 1}},
		{3, position{0, 2}, position{0, 3}},
		{7, position{0, 4}, position{0, 7}},
		{8, position{0, 5}, position{0, 8}},
		{10, position{1, 0}, position{1, 0}},
		{12, position{2, 0}, position{2, 0}},
		{14, position{3, 0}, position{3, 0}},
	} {
		if p := tx.position(one.offset, utf16Encoding); p != one.u16 {
			t.Errorf("byte %d is at %v in UTF-16, want %v", one.offset, p, one.u16)
		}
		if p := tx.position(one.offset, utf8Encoding); p != one.u8 {
			t.Errorf("byte %d is at %v in UTF-8, want %v", one.offset, p, one.u8)
		}
		if i := tx.offset(one.u16, utf16Encoding); i != one.offset {
			t.Errorf("%v is byte %d, want %d", one.u16, i, one.offset)
		}
		if i := tx.offset(one.u8, utf8Encoding); i != one.offset {
			t.Errorf("%v is byte %d, want %d", one.u8, i, one.offset)
		}
	}
	for p, want := range map[position]int{
		{0, 3}:   3, // within 𝄞
		{0, 99}:  8, // behind the line
		{99, 0}:  14,
		{-1, 5}:  0,
		{1, -10}: 10,
	} {
		if i := tx.offset(p, utf16Encoding); i != want {
			t.Errorf("%v is byte %d, want %d", p, i, want)
		}
	}
}

func TestUnderline(t *testing.T) {
	tx := newText(byteOrderMark + "übel x\nab")
	for _, one := range []struct {
		at   syntax.Pos
		n    int
		want string
	}{
		{syntax.Pos{Line: 1, Col: 1}, 5, "übel"},
		{syntax.Pos{Line: 1, Col: 1}, 1, "ü"},
		{syntax.Pos{Line: 1, Col: 1}, 0, "ü"},
		{syntax.Pos{Line: 1, Col: 7}, 50, "x"},
		{syntax.Pos{Line: 2, Col: 1}, 2, "ab"},
		{syntax.Pos{Line: 2, Col: 3}, 0, ""},
		{syntax.Pos{Line: 9, Col: 9}, 9, ""},
	} {
		start, end := tx.underline(one.at, one.n)
		if got := tx.s[start:end]; got != one.want {
			t.Errorf("%v, %d bytes: %q, want %q", one.at, one.n, got, one.want)
		}
	}
}

func FuzzEdits(f *testing.F) {
	f.Add("a\nb", 0, 0, 1, 1, "x")
	f.Add("añ𝄞b\r\nx\ry\n", 0, 3, 2, 0, "\r\n")
	f.Fuzz(func(t *testing.T, s string, l1, c1, l2, c2 int, with string) {
		for _, e := range []encoding{utf8Encoding, utf16Encoding} {
			tx := newText(s)
			start, end := tx.offset(position{l1, c1}, e), tx.offset(position{l2, c2}, e)
			out := tx.change(start, end, with)
			if len(out.s) > len(s)+len(with) {
				t.Fatalf("%q grew to %q", s, out.s)
			}
			if utf8.ValidString(s) && utf8.ValidString(with) && !utf8.ValidString(out.s) {
				t.Fatalf("%q was cut within a letter: %q", s, out.s)
			}
			if p := tx.position(start, e); tx.offset(p, e) != start {
				t.Fatalf("byte %d of %q is %v is byte %d", start, s, p, tx.offset(p, e))
			}
		}
	})
}

// Package syntax turns keepalived.conf text into a tree of statements. It knows
// lines, words, quotes, braces, includes, conditions and definitions, and no
// keyword. Every word keeps the place it came from.
package syntax

import (
	"fmt"
	"strconv"
)

// Pos is a place in a configuration file. Line and Col count from 1, Col in
// bytes. The zero Pos means "no place".
type Pos struct {
	File string
	Line int
	Col  int
}

// String renders the place as file:line:column.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

// Word is one token of a statement. Quoted says that it stood in double quotes.
type Word struct {
	Text   string
	Pos    Pos
	Quoted bool
	// Cut is the comment sign that ends the word without a blank, or 0.
	Cut byte
}

// Node is one statement: its words and, where braces follow, its body.
type Node struct {
	Words  []Word
	Body   []*Node
	Braces bool   // a block, perhaps an empty one
	Raw    string // the logical line as written, for keywords that split it their own way (scripts, regular expressions)
	End    Pos    // place of the closing brace
}

// Severity ranks what was found in a configuration.
type Severity uint8

// Severities from harmless to wrong. keepalived goes on past all of them;
// check's exit status tells them apart.
const (
	Note Severity = iota
	Warning
	Failure
)

// String names the severity as check prints it.
func (s Severity) String() string {
	return [...]string{"note", "warning", "error"}[s]
}

// Error is one finding: where, how bad, what, and what to do about it.
type Error struct {
	Pos      Pos
	Len      int    // bytes the caret line underlines; 0 underlines one
	Path     string // blocks around the place, outermost first: "vrrp_instance VI_1 > authentication"
	Severity Severity
	Err      error  // what is wrong
	Hint     string // what to write instead, or what is done with it now; may be empty
}

// Error renders the finding on one line.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s: %v", e.Pos, e.Severity, e.Err)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorList is everything found in one load, in the order of the text.
type ErrorList []*Error

// Worst is the highest severity in the list; ok is false for an empty list.
func (l ErrorList) Worst() (worst Severity, ok bool) {
	for _, e := range l {
		worst = max(worst, e.Severity)
	}
	return worst, len(l) > 0
}

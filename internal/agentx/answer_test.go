package agentx

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// few is a View of three objects.
type few struct{}

var objects = []Bind{{MustOID("1.3.6.1.4.1.5.1.0"), Int(1)}, {MustOID("1.3.6.1.4.1.5.2.0"), Text("two")}, {MustOID("1.3.6.1.4.1.5.3.0"), Count64(3)}}

func (few) Get(name OID) Value {
	for _, b := range objects {
		if b.Name.Compare(name) == 0 {
			return b.Value
		}
	}
	return Value{}
}

func (few) Next(after OID, include bool) (Bind, bool) {
	for _, b := range objects {
		if c := b.Name.Compare(after); c > 0 || c == 0 && include {
			return b, true
		}
	}
	return Bind{}, false
}

// Test takes numbers for the first of the objects.
func (few) Test(b Bind) uint16 {
	switch {
	case objects[0].Name.Compare(b.Name) != 0:
		return NotWritable
	case b.Value.Kind != Integer:
		return WrongType
	}
	return 0
}

func view() View { return few{} }

func TestAnswers(t *testing.T) {
	root, end := MustOID("1.3.6.1.4.1.5"), MustOID("1.3.6.1.4.1.6")
	for _, c := range []struct {
		ask  Packet
		want string
	}{
		{Packet{Type: Get, Ranges: []Range{{Start: objects[1].Name}, {Start: root}}}, "2.0=4 5=129"},
		{Packet{Type: GetNext, Ranges: []Range{{Start: root, End: end}, {Start: objects[0].Name, End: end}, {Start: objects[0].Name, Include: true, End: end}}}, "1.0=2 2.0=4 1.0=2"},
		{Packet{Type: GetNext, Ranges: []Range{{Start: objects[2].Name, End: end}, {Start: objects[0].Name, End: objects[1].Name}}}, "3.0=130 1.0=130"},
		{Packet{Type: GetBulk, NonRepeaters: 1, MaxRepetitions: 2, Ranges: []Range{{Start: root}, {Start: root}}}, "1.0=2 1.0=2 2.0=4"},
		{Packet{Type: GetBulk, MaxRepetitions: 60000, Ranges: []Range{{Start: root}}}, "1.0=2 2.0=4 3.0=70 3.0=130"},
		{Packet{Type: GetBulk, NonRepeaters: 9, MaxRepetitions: 5, Ranges: []Range{{Start: root}}}, "1.0=2"},
		{Packet{Type: Get, Context: []byte("x"), Ranges: []Range{{Start: root}}}, "error 262"},
		{Packet{Type: TestSet, Binds: []Bind{{objects[0].Name, Int(1)}}}, "error 17"},
	} {
		if got := told((&Responder{View: view}).Answer(&c.ask)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.ask, got, c.want)
		}
	}
}

// TestSets leads sets through all their steps; "written" is what stands.
func TestSets(t *testing.T) {
	good, typed, other := Bind{objects[0].Name, Int(5)}, Bind{objects[0].Name, Text("5")}, Bind{objects[1].Name, Int(5)}
	test := func(n uint32, binds ...Bind) Packet { return Packet{Type: TestSet, Transaction: n, Binds: binds} }
	step := func(kind Type, n uint32) Packet { return Packet{Type: kind, Transaction: n} }
	for _, c := range []struct {
		steps []Packet
		want  string
	}{
		{[]Packet{test(1, good), step(CommitSet, 1), step(CleanupSet, 1)}, "0/0 0/0 - written"},
		{[]Packet{test(1, good), step(CommitSet, 1), step(UndoSet, 1)}, "0/0 0/0 0/0 as before"},
		{[]Packet{test(1, good), step(CleanupSet, 1), step(CommitSet, 1)}, "0/0 - 14/0 as before"},
		{[]Packet{test(1, good, typed), step(CommitSet, 1)}, "7/2 14/0 as before"},
		{[]Packet{test(1, good, other), step(CleanupSet, 1)}, "17/2 - as before"},
		{[]Packet{step(CommitSet, 1), step(UndoSet, 1)}, "14/0 15/0 as before"},
		{[]Packet{test(1, good), test(2, good), step(CommitSet, 1), step(CommitSet, 2)}, "0/0 0/0 14/0 0/0 written"},
		{[]Packet{test(1, good), step(CommitSet, 1), step(CommitSet, 1), step(UndoSet, 2)}, "0/0 0/0 14/0 15/0 written"},
		{[]Packet{test(9, good), step(CommitSet, 9)}, "0/0 0/0 written"},
		{[]Packet{test(1, good, good), step(CommitSet, 1)}, "0/0 14/0 as before"},
	} {
		state := "as before"
		a := Responder{View: view, Write: func(binds []Bind) (func(), error) {
			if len(binds) > 1 {
				return nil, errors.New("too many")
			}
			state = "written"
			return func() { state = "as before" }, nil
		}}
		var got []string
		for _, p := range c.steps {
			if r := a.Answer(&p); r != nil {
				got = append(got, fmt.Sprintf("%d/%d", r.Error, r.Index))
			} else {
				got = append(got, "-")
			}
		}
		if text := strings.Join(append(got, state), " "); text != c.want {
			t.Errorf("%+v: %s, want %s", c.steps, text, c.want)
		}
	}
}

func told(p *Packet) string {
	if p.Error != 0 {
		return fmt.Sprintf("error %d", p.Error)
	}
	var list []string
	for _, b := range p.Binds {
		name := b.Name.String()
		list = append(list, fmt.Sprintf("%s=%d", strings.TrimPrefix(name[strings.Index(name, "1.5")+2:], "5."), b.Value.Kind))
	}
	return strings.Join(list, " ")
}

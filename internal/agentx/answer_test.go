package agentx

import (
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
		{Packet{Type: TestSet, Binds: []Bind{{root, Int(1)}}}, "error 17"},
		{Packet{Type: CommitSet}, "error 14"}, {Packet{Type: UndoSet}, "error 15"},
	} {
		if got := told(Answer(&c.ask, view)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.ask, got, c.want)
		}
	}
	if Answer(&Packet{Type: CleanupSet}, view) != nil {
		t.Error("CleanupSet has an answer")
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

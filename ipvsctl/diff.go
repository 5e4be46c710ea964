package ipvsctl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// OpKind is what an Op does.
type OpKind uint8

// The changes IPVS knows (IPVS_CMD_* of linux/ip_vs.h). Deleting a service
// takes its destinations with it.
const (
	AddService OpKind = iota
	EditService
	DelService
	AddDest
	EditDest
	DelDest
)

// String is the change in words: "add service".
func (k OpKind) String() string {
	return [...]string{"add service", "edit service", "delete service",
		"add server", "edit server", "delete server"}[k]
}

// Op is one change of an IPVS table. Definition holds for AddService and
// EditService, Dest for the three changes of destinations, Destination for
// AddDest and EditDest.
type Op struct {
	Kind        OpKind
	Service     ServiceKey
	Definition  Service
	Dest        DestKey
	Destination Destination
}

// String names the change and what it changes.
func (o Op) String() string {
	if o.Kind <= DelService {
		return fmt.Sprintf("%s %s", o.Kind, o.Service)
	}
	return fmt.Sprintf("%s %s of %s", o.Kind, o.Dest.Name(o.Service.Protocol), o.Service)
}

// Diff is what turns have into want, in an order that can be applied as it
// stands: changed and new services by key, each followed by its new, changed
// and deleted destinations, so that a service is not left empty on the way;
// deleted services last. What is equal is not touched and keeps its
// connections and counters. Both tables must be canonical.
func Diff(have, want Table) []Op {
	var ops []Op
	for _, k := range sortedKeys(want, ServiceKey.Compare) {
		old, stands := have[k]
		ops = appendEntry(ops, k, old, stands, want[k])
	}
	for _, k := range sortedKeys(have, ServiceKey.Compare) {
		if _, keep := want[k]; !keep {
			ops = append(ops, Op{Kind: DelService, Service: k})
		}
	}
	return ops
}

// appendEntry appends what turns the service k from old, if it stands, to want.
func appendEntry(ops []Op, k ServiceKey, old Entry, stands bool, want Entry) []Op {
	switch {
	case !stands:
		ops = append(ops, Op{Kind: AddService, Service: k, Definition: want.Service})
	case old.Service != want.Service:
		ops = append(ops, Op{Kind: EditService, Service: k, Definition: want.Service})
	}
	return appendDests(ops, k, old.Destinations, want.Destinations)
}

func appendDests(ops []Op, k ServiceKey, have, want map[DestKey]Destination) []Op {
	first := len(ops)
	for dk, d := range want {
		switch old, stands := have[dk]; {
		case !stands:
			ops = append(ops, Op{Kind: AddDest, Service: k, Dest: dk, Destination: d})
		case old != d:
			ops = append(ops, Op{Kind: EditDest, Service: k, Dest: dk, Destination: d})
		}
	}
	for dk := range have {
		if _, keep := want[dk]; !keep {
			ops = append(ops, Op{Kind: DelDest, Service: k, Dest: dk})
		}
	}
	slices.SortFunc(ops[first:], compareDestOps)
	return ops
}

func compareDestOps(a, b Op) int {
	if a.Kind != b.Kind {
		return int(a.Kind) - int(b.Kind)
	}
	return a.Dest.Compare(b.Dest)
}

func sortedKeys[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	return slices.SortedFunc(maps.Keys(m), compare)
}

// Apply changes t as the kernel would change its table. A change of a
// destination whose service does not stand has no effect.
func (t Table) Apply(ops ...Op) {
	for _, op := range ops {
		t.apply(op)
	}
}

func (t Table) apply(op Op) {
	e, stands := t[op.Service]
	switch op.Kind {
	case AddService:
		t[op.Service] = Entry{Service: op.Definition, Destinations: map[DestKey]Destination{}}
	case DelService:
		delete(t, op.Service)
	case EditService:
		if stands {
			t[op.Service] = Entry{Service: op.Definition, Destinations: e.Destinations}
		}
	case AddDest, EditDest:
		if stands {
			e.Destinations[op.Dest] = op.Destination
		}
	case DelDest:
		delete(e.Destinations, op.Dest)
	}
}

// Clone is a copy of t that shares nothing with it.
func (t Table) Clone() Table {
	c := make(Table, len(t))
	for k, e := range t {
		d := make(map[DestKey]Destination, len(e.Destinations))
		maps.Copy(d, e.Destinations)
		c[k] = Entry{Service: e.Service, Destinations: d}
	}
	return c
}

// shownOps bounds how many changes Summary spells out.
const shownOps = 3

// Summary is changes in one line of bounded length: the first few, and how many
// more there are.
func Summary(ops []Op) string {
	var words []string
	for _, op := range ops[:min(len(ops), shownOps)] {
		words = append(words, op.String())
	}
	if more := len(ops) - shownOps; more > 0 {
		words = append(words, fmt.Sprintf("and %d more changes", more))
	}
	return strings.Join(words, ", ")
}

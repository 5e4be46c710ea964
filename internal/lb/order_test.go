package lb

import "testing"

func TestOrders(t *testing.T) {
	p := plan(t, vs(1, rs(1, 3, tcp()), rs(2, 5, tcp())))
	n, _ := NewNode(p, nil)
	full := table(n, 0)
	order := func(o ...Order) { n.Step(Event{Kind: EventOrders, Orders: o}, nil) }
	at := func(kind string, w int) Order {
		return Order{Service: "[10.1.0.1]:tcp:80", Server: "[10.0.0.1]:tcp:80", Kind: kind, Weight: w}
	}
	server := func() (up bool, weight int, order string) {
		s := n.Status()[0].Servers[0]
		return s.Up, s.Weight, s.Order
	}
	check := func(what string, up bool, weight int, order string) {
		t.Helper()
		if u, w, o := server(); u != up || w != weight || o != order {
			t.Errorf("%s: up %v, weight %d, order %q; want %v, %d, %q", what, u, w, o, up, weight, order)
		}
	}
	order(at(Drain, 0))
	check("drained", true, 0, Drain)
	n.Step(down(0), nil)
	check("drained and failed", false, 0, Drain)
	order(at(Up, 0))
	check("held up although it fails", true, 3, Up)
	order(at(Weight, 9))
	check("weighed, and it fails", false, 9, Weight)
	n.Step(up(0), nil)
	check("weighed", true, 9, Weight)
	order(at(Down, 0))
	check("held down", false, 3, Down)

	next := plan(t, vs(1, rs(1, 4, tcp()), rs(2, 5, tcp())))
	next.Orders = []Order{at(Down, 0)}
	n.Step(Event{Kind: EventReload, Plan: next}, nil)
	check("held down over a reload", false, 4, Down)
	state := n.State()
	again := plan(t, vs(1, rs(1, 3, tcp()), rs(2, 5, tcp())))
	again.Orders = []Order{at(Down, 0)}
	n, _ = NewNode(again, &state)
	check("held down by the next process", false, 3, Down)
	order()
	check("as its checks say", true, 3, "")
	expect(t, "the table", table(n, 0), full)
}

// TestOrderAtStart: what is held down is not in the table for a moment.
func TestOrderAtStart(t *testing.T) {
	p := plan(t, vs(1, rs(1, 3), rs(2, 5)))
	p.Orders = []Order{{Service: "[10.1.0.1]:tcp:80", Server: "[10.0.0.1]:tcp:80", Kind: Down}}
	n, acts := NewNode(p, nil)
	if n.Status()[0].Servers[0].Up {
		t.Error("it is up")
	}
	expect(t, "told", told(acts), "set 0")
}

func TestFind(t *testing.T) {
	p := plan(t, vs(1, rs(1, 1), rs(2, 1)), vs(2, rs(1, 1)))
	for _, c := range []struct {
		server, service string
		want            int
	}{
		{"10.0.0.1", "", 2}, {"10.0.0.1:80", "", 2}, {"[10.0.0.1]:tcp:80", "", 2}, {"10.0.0.1:81", "", 0}, {"10.0.0.2", "", 1},
		{"10.0.0.1", "10.1.0.2:80", 1}, {"10.0.0.1", "10.1.0.9", 0}, {"10.0.0.2", "10.1.0.2", 0}, {"", "", 0},
	} {
		found, err := p.Find(c.server, c.service)
		if len(found) != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%q in %q: %v, %v", c.server, c.service, found, err)
		}
	}
}

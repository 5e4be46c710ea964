package vrrp

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// company is a sync group and its routers, driven as their owner would: every
// step is told to the group, and every order is obeyed before the next event.
type company struct {
	now    Time
	group  Group
	r      []Router
	faulty []bool
}

func newCompany(cfgs []Config) *company {
	c := &company{group: NewGroup(len(cfgs)), faulty: make([]bool, len(cfgs))}
	for _, cfg := range cfgs {
		cfg.Grouped = true
		c.r = append(c.r, New(cfg))
	}
	for i := range c.r {
		c.step(i, Event{Kind: EventStart})
	}
	return c
}

func (c *company) step(i int, ev Event) {
	queue := c.stepOne(i, ev, nil)
	c.obey(queue)
}

func (c *company) obey(queue []Order) {
	for ; len(queue) > 0; queue = queue[1:] {
		queue = c.stepOne(queue[0].Member, Event{Kind: queue[0].Kind}, queue)
	}
}

func (c *company) stepOne(i int, ev Event, orders []Order) []Order {
	var acts []Action
	c.r[i], acts = c.r[i].Step(c.now, ev, nil)
	orders = c.group.Stepped(i, ev.Kind, c.r[i], orders)
	for _, a := range acts {
		if a.Kind == ActAsk {
			orders = c.group.Ask(i, orders)
		}
	}
	return orders
}

// setFault flips the member's own fault.
func (c *company) setFault(i int) {
	c.faulty[i] = !c.faulty[i]
	if c.faulty[i] {
		c.obey(c.group.Fault(i, nil))
	} else {
		c.obey(c.group.Recover(i, nil))
	}
}

// advance fires all timers that are due until end.
func (c *company) advance(end Time) {
	for {
		i := 0
		for j := range c.r {
			if c.r[j].Next() < c.r[i].Next() {
				i = j
			}
		}
		if c.r[i].Next() > end {
			c.now = end
			return
		}
		c.now = max(c.now, c.r[i].Next())
		c.step(i, Event{Kind: EventTick})
	}
}

func (c *company) count(s State) (n int) {
	for i := range c.r {
		if c.r[i].State() == s {
			n++
		}
	}
	return n
}

func newPair() *company { return newCompany([]Config{config(2, 100), config(2, 50)}) }

func TestGroupWaitsForTheLast(t *testing.T) {
	c := newPair()
	c.advance(3*sec + 700*ms)
	if c.r[0].State() != Backup || c.r[0].Want() != Master {
		t.Errorf("the first to time out is %v and wants %v", c.r[0].State(), c.r[0].Want())
	}
	c.advance(3*sec + 900*ms)
	if c.count(Master) != 2 || c.group.State() != Master {
		t.Errorf("%d masters, group %v", c.count(Master), c.group.State())
	}
}

func TestGroupWantIsForgotten(t *testing.T) {
	c := newPair()
	c.advance(3*sec + 700*ms)
	c.step(0, heard(addr3, 200))
	c.advance(6 * sec)
	if c.count(Master) != 0 || c.r[1].Want() != Master {
		t.Errorf("%d masters while a member still follows another; the other wants %v", c.count(Master), c.r[1].Want())
	}
}

func TestGroupLosesTogether(t *testing.T) {
	c := newPair()
	c.advance(5 * sec)
	var acts []Action
	c.r[0], acts = c.r[0].Step(c.now, heard(addr3, 200), nil)
	orders := c.group.Stepped(0, EventAdvert, c.r[0], nil)
	if len(acts) != 1 || len(orders) != 1 || orders[0] != (Order{1, EventYield}) {
		t.Fatalf("actions %+v, orders %+v", acts, orders)
	}
	c.obey(orders)
	if c.count(Backup) != 2 || c.group.State() != Backup {
		t.Errorf("%d backups, group %v", c.count(Backup), c.group.State())
	}
}

// TestGroupYieldEndsThere: who yields asks nobody else to, or the orders of a
// large group would grow with its square.
func TestGroupYieldEndsThere(t *testing.T) {
	c := newCompany([]Config{config(2, 100), config(2, 90), config(2, 80)})
	c.advance(5 * sec)
	if orders := c.stepOne(1, Event{Kind: EventYield}, nil); len(orders) != 0 {
		t.Errorf("yielding gave the orders %v", orders)
	}
}

// TestGroupTakesLatecomer: a member that a reload added follows the masters.
func TestGroupTakesLatecomer(t *testing.T) {
	g := NewGroup(3)
	g.Stepped(0, EventReconfigure, Resume(0, config(2, 100), Master, 100), nil)
	for i := 1; i < 3; i++ {
		g.Stepped(i, EventStart, started(config(2, 100)), nil)
	}
	want := []Order{{2, EventGrant}, {0, EventGrant}, {1, EventGrant}}
	if got := g.Ask(2, nil); !slices.Equal(got, want) {
		t.Errorf("orders %v, want %v", got, want)
	}
}

func TestGroupFaultsTogether(t *testing.T) {
	c := newPair()
	c.advance(5 * sec)
	c.setFault(0)
	if c.count(Fault) != 2 || c.group.State() != Fault {
		t.Errorf("%d in fault, group %v", c.count(Fault), c.group.State())
	}
	c.setFault(1)
	c.setFault(0)
	if c.count(Fault) != 2 {
		t.Error("returned while a member has a fault")
	}
	c.setFault(1)
	if c.count(Backup) != 2 || c.group.State() != Backup {
		t.Errorf("%d backups, group %v", c.count(Backup), c.group.State())
	}
}

// TestGroupProperties: whatever the members hear, they are MASTER together or
// not at all and in FAULT together, and alone on the wire they become MASTER.
func TestGroupProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cfgs []Config
		for range rapid.IntRange(1, 5).Draw(t, "members") {
			cfgs = append(cfgs, drawConfig(t))
		}
		c := newCompany(cfgs)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			i := rapid.IntRange(0, len(c.r)-1).Draw(t, "member")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				c.setFault(i)
			case 1:
				c.advance(c.now + time.Duration(rapid.IntRange(0, 9000).Draw(t, "ms"))*ms)
			default:
				c.step(i, drawEvent(t, EventAdvert, EventPriority))
			}
			c.check(t)
		}
		for i, faulty := range c.faulty {
			if faulty {
				c.setFault(i)
			}
		}
		c.advance(c.now + 1000*sec)
		if c.group.State() != Master {
			t.Fatalf("left alone the group is %v", c.group.State())
		}
	})
}

func (c *company) check(t *rapid.T) {
	for _, s := range []State{Master, Fault} {
		if n := c.count(s); n != 0 && n != len(c.r) {
			t.Fatalf("%d of %d members are %v", n, len(c.r), s)
		}
		if all := c.count(s) == len(c.r); all != (c.group.State() == s) {
			t.Fatalf("the group is %v, all members %v: %v", c.group.State(), s, all)
		}
	}
	wanting, faulty := 0, 0
	for i := range c.r {
		wanting += change(false, c.r[i].Want() == Master)
		faulty += change(false, c.faulty[i])
	}
	if c.group.masters != c.count(Master) || c.group.wanting != wanting || c.group.faulty != faulty {
		t.Fatalf("counts %d, %d, %d are not those of the members", c.group.masters, c.group.wanting, c.group.faulty)
	}
}

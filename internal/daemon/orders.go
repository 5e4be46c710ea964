package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"keepgo/internal/lb"
	"keepgo/internal/status"
)

// orders are what operators have the daemon do. They outlive reloads, the death
// of a child and, by their file, that of the parent.
type orders struct {
	list []status.Order
	file string
	next *time.Timer // of the first that ends
}

// besidePIDFile is where something is kept that ends with the uptime of the
// machine.
func besidePIDFile(o Options, what string) string {
	dir, name := filepath.Split(o.PIDFile)
	return dir + "keepgo_" + strings.TrimSuffix(name, ".pid") + "_" + what + ".json"
}

// recall reads the orders that an earlier daemon left.
func (p *parent) recall() {
	p.orders.file = besidePIDFile(p.opts, "orders")
	text, err := os.ReadFile(p.orders.file)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err == nil {
		err = json.Unmarshal(text, &p.orders.list)
	}
	if err != nil {
		p.log.printf("orders of an earlier life: %v; there are none now", err)
		p.orders.list = nil
	}
	p.expire(time.Now())
	p.endOrders(bySNMP)
	for _, o := range p.orders.list {
		p.log.printf("An order of an earlier life holds on: %s", orderWords(&o))
	}
	p.wind()
}

// orderWords is an order in words.
func orderWords(o *status.Order) string {
	words := []string{o.Verb}
	for _, w := range []string{o.Name, o.Server} {
		if w != "" {
			words = append(words, w)
		}
	}
	if o.Service != "" {
		words = append(words, "of", o.Service)
	}
	if o.Verb == lb.Weight {
		words = append(words, fmt.Sprint("to ", o.Weight))
	}
	if o.By != "" {
		words = append(words, "by", o.By)
	}
	if o.Until != nil {
		words = append(words, "until", o.Until.Format(time.DateTime))
	}
	return strings.Join(words, " ")
}

// expire forgets the orders that have ended, and tells whether there were any.
func (p *parent) expire(now time.Time) bool {
	return p.endOrders(func(o *status.Order) bool { return o.Over(now) })
}

// endOrders forgets the orders that are meant, and tells whether there were any.
func (p *parent) endOrders(meant func(*status.Order) bool) bool {
	before := len(p.orders.list)
	p.orders.list = slices.DeleteFunc(p.orders.list, func(o status.Order) bool {
		over := meant(&o)
		if over {
			p.noteOrder("ORDER_ENDED", &o)
		}
		return over
	})
	return len(p.orders.list) < before
}

func bySNMP(o *status.Order) bool { return o.By == status.BySNMP }

// noteOrder logs and keeps what becomes of an order.
func (p *parent) noteOrder(state string, o *status.Order) {
	words := orderWords(o)
	p.log.printf("%s: %s", map[string]string{"ORDER": "Ordered", "ORDER_ENDED": "Order ended", "ORDER_BACK": "Order taken back"}[state], words)
	p.noteDaemon(state, "%s", words)
}

// order puts orders in force, each in place of one that it replaces.
func (p *parent) order(news ...status.Order) {
	for _, o := range news {
		o.Since = time.Now()
		p.orders.list = slices.DeleteFunc(p.orders.list, func(old status.Order) bool { return old.Same(&o) })
		p.orders.list = append(p.orders.list, o)
		p.noteOrder("ORDER", &o)
	}
	p.ordered()
}

// takeBack ends the orders that are meant, and returns how many those were.
func (p *parent) takeBack(meant func(*status.Order) bool) (n int) {
	p.orders.list = slices.DeleteFunc(p.orders.list, func(o status.Order) bool {
		if !meant(&o) {
			return false
		}
		n++
		p.noteOrder("ORDER_BACK", &o)
		return true
	})
	if n > 0 {
		p.ordered()
	}
	return n
}

// ordered keeps the orders as they are now, and has them obeyed.
func (p *parent) ordered() {
	p.keepOrders()
	p.vrrp.tell(toChild{Orders: &childOrders{Held: p.held()}})
	p.lvs.tell(toChild{Orders: &childOrders{Servers: p.serverOrders()}})
	p.wind()
}

// keepOrders writes the orders down.
func (p *parent) keepOrders() {
	text, err := json.Marshal(p.orders.list)
	if err == nil && len(p.orders.list) == 0 {
		if err = os.Remove(p.orders.file); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	} else if err == nil {
		err = writeSafe(p.orders.file, text, 0o600)
	}
	if err != nil {
		p.log.printf("orders: %v; they end with this daemon", err)
	}
}

// wind sets the alarm for the first order that ends.
func (p *parent) wind() {
	if p.orders.next != nil {
		p.orders.next.Stop()
	}
	first := time.Time{}
	for _, o := range p.orders.list {
		if o.Until != nil && (first.IsZero() || o.Until.Before(first)) {
			first = *o.Until
		}
	}
	if first.IsZero() {
		return
	}
	p.orders.next = time.AfterFunc(time.Until(first), func() {
		p.events <- func() {
			if p.expire(time.Now()) {
				p.ordered()
			}
		}
	})
}

// held are the instances that hold back.
func (p *parent) held() (names []string) {
	for _, o := range p.orders.list {
		switch o.Verb {
		case status.Switchover:
			names = append(names, o.Instances...)
		case status.Maintenance:
			for _, in := range p.cfg.Instances {
				names = append(names, in.Name)
			}
		}
	}
	return names
}

// serverOrders are the orders for servers.
func (p *parent) serverOrders() (list []lb.Order) {
	for _, o := range p.orders.list {
		if o.Server != "" {
			list = append(list, lb.Order{Service: o.Service, Server: o.Server, Kind: o.Verb, Weight: o.Weight})
		}
	}
	return list
}

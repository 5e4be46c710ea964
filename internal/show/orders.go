package show

import (
	"fmt"
	"strings"
	"time"

	"keepgo/internal/status"
)

// orders are what operators have the daemon do.
func (p *page) orders(s *status.Status) {
	for i := range s.Orders {
		o := &s.Orders[i]
		p.line("ORDER      %s, since %s%s", Order(o), age(s.Asked, o.Since), end(o, s.Asked))
	}
}

// Order is an order in words, without its times.
func Order(o *status.Order) string {
	switch {
	case o.Verb == status.Maintenance:
		return "maintenance: every instance holds back"
	case o.Verb == status.Switchover:
		return "switchover of " + o.Name + ": " + strings.Join(o.Instances, ", ") + " holds back"
	case o.Verb == "weight":
		return fmt.Sprintf("weight %d for %s of %s", o.Weight, o.Server, o.Service)
	}
	return fmt.Sprintf("%s %s of %s", o.Verb, o.Server, o.Service)
}

func end(o *status.Order, now time.Time) string {
	if o.By == status.BySNMP {
		return ", by SNMP until a reload"
	}
	if o.Until == nil {
		return ", until taken back"
	}
	return fmt.Sprintf(", until %s (%s)", o.Until.Format(time.DateTime), age(*o.Until, now))
}

package daemon

import (
	"fmt"
	"path/filepath"
	"testing"

	"keepgo/confparse"
	"keepgo/internal/lb"
	"keepgo/internal/snmp"
	"keepgo/internal/status"
)

// TestSNMPSetsAreTakenBack sets a priority and two weights, one in place of an
// operator's order, and takes them back in the ways there are.
func TestSNMPSetsAreTakenBack(t *testing.T) {
	const file, set = "150 true [weight b 7]", "90 false [weight a 5 weight b 6]"
	for _, c := range []struct {
		name  string
		after func(p *parent, back func())
		want  string
	}{
		{"nothing", func(*parent, func()) {}, set},
		{"another sub-agent fails", func(_ *parent, back func()) { back() }, file},
		{"a reload", func(p *parent, _ func()) { p.cfg = setConfig(); p.snmp.undone(p) }, "150 true []"},
		{"both", func(p *parent, back func()) {
			p.cfg = setConfig()
			p.cfg.Instances[0].Priority = 77
			p.snmp.undone(p)
			back()
		}, "77 true [weight b 7]"},
	} {
		o := Options{NoSyslog: true, LogFile: filepath.Join(t.TempDir(), "log")}
		p := &parent{opts: o, log: newSink(o).logger("Keepalived", "", 1, scope{}), cfg: setConfig(), vrrp: &child{}, lvs: &child{}}
		p.orders.file = filepath.Join(t.TempDir(), "orders")
		p.orders.list = []status.Order{{Verb: lb.Weight, Service: "s", Server: "b", Weight: 7}}
		back, err := p.assign([]snmp.Set{
			{Object: snmp.Priority, Instance: "V1", Number: 90}, {Object: snmp.Weight, Service: "s", Server: "a", Number: 5},
			{Object: snmp.Preempt, Instance: "V1", Number: 1}, {Object: snmp.Weight, Service: "s", Server: "b", Number: 6},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.after(p, back)
		if got := setNow(p); got != c.want {
			t.Errorf("after %s: %s, want %s", c.name, got, c.want)
		}
		if _, err := p.assign([]snmp.Set{{Object: snmp.Weight, Server: "c"}, {Object: snmp.Priority, Instance: "nobody"}}); err == nil || setNow(p) != c.want {
			t.Errorf("of an instance that is gone: %v, and %s", err, setNow(p))
		}
	}
}

func setConfig() *confparse.Config {
	return &confparse.Config{Instances: []*confparse.Instance{{Name: "V1", Priority: 150, NoPreempt: true}}}
}

// setNow is what stands of an instance, and the orders.
func setNow(p *parent) string {
	var list []string
	for _, o := range p.orders.list {
		list = append(list, fmt.Sprintf("%s %s %d", o.Verb, o.Server, o.Weight))
	}
	in := p.cfg.Instances[0]
	return fmt.Sprintf("%d %v %v", in.Priority, in.NoPreempt, list)
}

package preflight

import (
	"fmt"
	"slices"

	"keepgo/internal/lab/drill"
	"keepgo/internal/status"
)

// servers: what is behind the addresses works, as both see it.
func (c *check) servers() {
	if len(c.Here.Services) == 0 {
		return
	}
	wrong, up := c.down()
	good := fmt.Sprintf("%d virtual servers, %d real servers are up", len(c.Here.Services), up)
	if c.There == nil {
		good += "; whether the peer reaches them is not known"
	} else {
		wrong = append(wrong, c.downThere()...)
		good += ", as the peer sees them too"
	}
	c.say(Servers, wrong, good, "mend them first, or drain them: keepgo rs drain SERVER")
}

// down is what fails as this director sees it. A server that an order takes out
// is not missed.
func (c *check) down() (wrong []string, up int) {
	if c.Here.IPVS != "" {
		wrong = append(wrong, "the kernel balances nothing here: "+c.Here.IPVS)
	}
	for _, v := range c.Here.Services {
		if !v.Up || v.Sorry {
			wrong = append(wrong, v.Name+" has no quorum")
		}
		for _, s := range v.Servers {
			if s.Up {
				up++
			} else if s.Order == "" {
				wrong = append(wrong, fmt.Sprintf("%s of %s is down: %s", s.Name, v.Name, s.Why))
			}
		}
	}
	return wrong, up
}

// downThere is what works here and fails as the other director sees it.
func (c *check) downThere() (wrong []string) {
	if c.There.IPVS != "" {
		wrong = append(wrong, "the kernel balances nothing on the peer: "+c.There.IPVS)
	}
	seen := map[[2]string]*status.Server{}
	for _, v := range c.There.Services {
		for j := range v.Servers {
			if !v.Suspended {
				seen[[2]string{v.Name, v.Servers[j].Name}] = &v.Servers[j]
			}
		}
	}
	for _, v := range c.Here.Services {
		for _, s := range v.Servers {
			if t := seen[[2]string{v.Name, s.Name}]; s.Up && t != nil && !t.Up {
				wrong = append(wrong, fmt.Sprintf("%s of %s is down as the peer sees it", s.Name, v.Name))
			}
		}
	}
	return wrong
}

// someConnections are enough that a peer who takes them in has some.
const someConnections = 10

// Serving tells what does not work at the other director after it took over:
// addresses, and services that worked here before.
func Serving(f *Facts) (wrong []string) {
	for i := range f.Here.Instances {
		in := &f.Here.Instances[i]
		if t := f.twin(in); slices.Contains(f.Instances, in.Name) {
			wrong = append(wrong, unserved(in, t)...)
		}
	}
	there := map[string]bool{}
	for _, v := range f.There.Services {
		there[v.Name] = v.Up && !v.Sorry
	}
	for _, v := range f.Here.Services {
		if up, known := there[v.Name]; known && v.Up && !v.Sorry && !up {
			wrong = append(wrong, printable(v.Name)+" has no quorum")
		}
	}
	if f.There.IPVS != "" && f.Here.IPVS == "" {
		wrong = append(wrong, printable("the kernel balances nothing: "+f.There.IPVS))
	}
	return wrong
}

// unserved is what a twin lacks of being master.
func unserved(in, twin *status.Instance) (wrong []string) {
	if twin == nil || twin.State != "MASTER" {
		return []string{in.Name + " is not MASTER"}
	}
	for _, p := range twin.Places {
		if !p.Stands {
			wrong = append(wrong, printable(p.Address)+" is missing")
		}
	}
	return wrong
}

// sync: the other director knows the connections.
func (c *check) sync() {
	if c.Here.Sync == nil {
		return
	}
	const do = "see lvs_sync_daemon on both, and ipvsadm -l --daemon: without it the connections do not survive"
	ours := connections(c.Here)
	switch {
	case !c.Here.Sync.Sends:
		c.add(Sync, drill.Stops, "lvs_sync_daemon is configured, and none sends here", do)
	case c.There == nil:
		c.add(Sync, drill.Unknown, fmt.Sprintf("this director tells of its %d connections; whether the peer takes them in is not known (%s)", ours, c.TherePlan), "")
	case c.There.Sync == nil || !c.There.Sync.Takes:
		c.add(Sync, drill.Stops, "no sync daemon of the peer takes connections in", do)
	case ours >= someConnections && connections(c.There) == 0:
		c.add(Sync, drill.Stops, fmt.Sprintf("%d connections here, and the peer knows none", ours), do)
	default:
		c.add(Sync, drill.Good, fmt.Sprintf("%d connections here, %d on the peer", ours, connections(c.There)), "")
	}
}

// connections counts those that a director knows.
func connections(s *status.Status) (n int) {
	for _, v := range s.Services {
		for _, r := range v.Servers {
			if r.Traffic != nil {
				n += int(r.Traffic.Active) + int(r.Traffic.Inactive)
			}
		}
	}
	return n
}

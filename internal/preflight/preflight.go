// Package preflight judges whether a running pair of directors may practise a
// failover now, from what both of them tell. It is pure.
package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"keepgo/internal/lab/drill"
	"keepgo/internal/status"
)

// Facts are what is known of the pair.
type Facts struct {
	Now       time.Time
	Here      *status.Status
	Events    []status.Event // of this director, the oldest first
	Instances []string       // that are to be handed over
	Refused   string         // why they cannot be; "" if they can

	There     *status.Status // the other director; nil if it told nothing
	TherePlan string         // how it could be asked, or why that failed

	Return bool // they are to come back
	Break  bool // with priority 0, if nobody takes over otherwise
	// Rest is how long ago the last drill, and Calm how long ago the last change
	// of state must be.
	Rest, Calm time.Duration

	Raw, Ping error // why who has an address cannot be asked by ARP, and why it cannot be pinged; nil if it can
	Observers int   // that tell what they see
}

// Keys of the findings, in their order. Those of Master cannot be accepted.
const (
	Master      = "master"
	Peer        = "peer"
	Config      = "config"
	Takeover    = "takeover"
	Addresses   = "addresses"
	Split       = "split"
	Servers     = "servers"
	Sync        = "sync"
	Maintenance = "maintenance"
	Recent      = "recent"
	Flaps       = "flaps"
	Measure     = "measure"
	Return      = "return"
)

// Keys lists them all.
func Keys() []string {
	return []string{Master, Peer, Config, Takeover, Addresses, Split, Servers, Sync, Maintenance, Recent, Flaps, Measure, Return}
}

// Bounds of what a look may be made of.
const (
	stale      = 2 * time.Minute // the age of the other director's status
	splitShade = 24 * time.Hour  // how long a split brain casts doubt
	fewNamed   = 4               // things named in one finding; the others are counted
)

// Check judges the pair. What does not concern it is left out.
func Check(f *Facts) []drill.Finding {
	c := &check{Facts: f}
	for i := range f.Here.Instances {
		if in := &f.Here.Instances[i]; slices.Contains(f.Instances, in.Name) {
			c.ours = append(c.ours, in)
			c.twins = append(c.twins, f.twin(in))
		}
	}
	c.master()
	c.peer()
	c.config()
	c.takeover()
	c.addresses()
	c.split()
	c.servers()
	c.sync()
	c.maintenance()
	c.recent()
	c.flaps()
	c.measure()
	c.comeBack()
	return c.list
}

// check is a look under way.
type check struct {
	*Facts
	ours  []*status.Instance
	twins []*status.Instance // the other director's; nil where it tells of none
	list  []drill.Finding
}

// twin is the other director's half of a virtual router: of the same number
// and family, with an address in common if there are several.
func (f *Facts) twin(in *status.Instance) (found *status.Instance) {
	if f.There == nil {
		return nil
	}
	for i := range f.There.Instances {
		t := &f.There.Instances[i]
		if t.VRID != in.VRID || six(t) != six(in) {
			continue
		}
		if share(in, t) {
			return t
		}
		if found == nil {
			found = t
		}
	}
	return found
}

func six(in *status.Instance) bool {
	return len(in.Places) > 0 && strings.Contains(in.Places[0].Address, ":")
}

func share(a, b *status.Instance) bool {
	return slices.ContainsFunc(a.Places, func(p status.Place) bool {
		return slices.ContainsFunc(b.Places, func(q status.Place) bool { return p.Address == q.Address })
	})
}

// say adds a finding: good if nothing is wrong.
func (c *check) say(key string, wrong []string, good, do string) {
	if len(wrong) == 0 {
		c.add(key, drill.Good, good, "")
		return
	}
	c.add(key, drill.Stops, some(wrong), do)
}

func (c *check) add(key string, v drill.Verdict, evidence, do string) {
	c.list = append(c.list, drill.Finding{Key: key, Verdict: v, Evidence: printable(evidence), Do: do})
}

// printable takes from a text what a terminal would obey: some of it comes from
// another machine.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// some names the first of many.
func some(list []string) string {
	if n := len(list); n > fewNamed {
		return strings.Join(list[:fewNamed], "; ") + fmt.Sprintf("; and %d more", n-fewNamed)
	}
	return strings.Join(list, "; ")
}

// ago is how long before the look something was.
func (c *check) ago(t time.Time) string {
	return max(0, c.Now.Sub(t)).Round(time.Second).String() + " ago"
}

// master: everything that is to be handed over is here.
func (c *check) master() {
	if c.Refused != "" {
		c.add(Master, drill.Stops, c.Refused, "run the drill on the director that is MASTER, once all is well")
		return
	}
	var list []string
	for _, in := range c.ours {
		list = append(list, fmt.Sprintf("%s is MASTER since %s with priority %d", in.Name, c.ago(in.Since), in.Priority))
	}
	c.add(Master, drill.Good, some(list), "")
}

// addresses: they stand here, and not there.
func (c *check) addresses() {
	var wrong []string
	n := 0
	for i, in := range c.ours {
		for _, p := range in.Places {
			n++
			if !p.Stands {
				wrong = append(wrong, fmt.Sprintf("%s is missing here", p.Address))
			}
		}
		if c.twins[i] == nil {
			continue
		}
		for _, p := range c.twins[i].Places {
			if p.Stands {
				wrong = append(wrong, fmt.Sprintf("%s stands on the peer too", p.Address))
			}
		}
	}
	c.say(Addresses, wrong, fmt.Sprintf("all %d stand here", n), "see keepgo status on both; an address that another hand put there must go")
}

// split: nobody else was master lately.
func (c *check) split() {
	var wrong []string
	for i, in := range c.ours {
		if in.Rival != "" {
			wrong = append(wrong, in.Name+": "+in.Rival)
		}
		if t := c.twins[i]; t != nil && t.State == "MASTER" {
			wrong = append(wrong, in.Name+" is MASTER on the peer too")
		}
	}
	for _, e := range c.Events {
		if e.State == "SPLIT_BRAIN" && slices.Contains(c.Instances, e.Name) && c.Now.Sub(e.At) < splitShade {
			wrong = append(wrong, fmt.Sprintf("%s had two masters %s: %s", e.Name, c.ago(e.At), e.Why))
		}
	}
	c.say(Split, wrong, "no second master was seen", "find out why; a drill would add to it")
}

// maintenance: no order holds an instance back.
func (c *check) maintenance() {
	wrong := holding(c.Here, "here")
	if c.There != nil {
		wrong = append(wrong, holding(c.There, "on the peer")...)
	}
	c.say(Maintenance, wrong, "no order holds anything back", "keepgo maintenance off, keepgo switchover --back NAME, where it is")
}

func holding(s *status.Status, where string) (list []string) {
	for _, o := range s.Orders {
		switch o.Verb {
		case status.Maintenance:
			list = append(list, "maintenance is on "+where)
		case status.Switchover:
			list = append(list, o.Name+" was switched over "+where)
		}
	}
	return list
}

// recent: the last drill is long enough ago.
func (c *check) recent() {
	var wrong []string
	good := "this pair remembers no drill"
	for _, s := range []*status.Status{c.There, c.Here} {
		if s == nil || len(s.Drills) == 0 {
			continue
		}
		last := s.Drills[len(s.Drills)-1]
		good = fmt.Sprintf("the last drill, of %s, was %s and %s", last.Name, c.ago(last.Began), last.Outcome())
		if c.Now.Sub(last.Began) < c.Rest {
			wrong = append(wrong, good)
		}
	}
	c.say(Recent, wrong, good, fmt.Sprintf("wait until it is %s ago, or say another --rest", c.Rest))
}

// changes of state that a quiet pair does not show.
var changes = []string{"MASTER", "BACKUP", "FAULT", "STOP"}

// flaps: nothing changed its state lately.
func (c *check) flaps() {
	var wrong []string
	for _, e := range c.Events {
		if e.Kind == "INSTANCE" && slices.Contains(changes, e.State) && slices.Contains(c.Instances, e.Name) && c.Now.Sub(e.At) < c.Calm {
			wrong = append(wrong, fmt.Sprintf("%s became %s %s", e.Name, e.State, c.ago(e.At)))
		}
	}
	for i, t := range c.twins {
		if t != nil && c.Now.Sub(t.Since) < c.Calm {
			wrong = append(wrong, fmt.Sprintf("%s became %s on the peer %s", c.ours[i].Name, t.State, c.ago(t.Since)))
		}
	}
	c.say(Flaps, wrong, fmt.Sprintf("no change of state in the last %s", c.Calm), "see keepgo events; let it come to rest, or say another --calm")
}

// measure: what a handover costs can be seen.
func (c *check) measure() {
	const do = "run it as root, or with CAP_NET_RAW; or name an --observer elsewhere"
	switch {
	case c.Raw == nil:
		c.add(Measure, drill.Good, "who has the addresses is asked by ARP from here", "")
	case c.Ping == nil:
		c.add(Measure, drill.Unknown, fmt.Sprintf("%v: pings from here tell for how long nobody has an address, and nothing tells whether both have", c.Raw), do)
	case c.Observers > 0:
		c.add(Measure, drill.Unknown, fmt.Sprintf("%v: only observers measure", c.Raw), do)
	default:
		c.add(Measure, drill.Stops, fmt.Sprintf("nothing can be measured from here, and no limit holds: %v; %v", c.Raw, c.Ping), do)
	}
}

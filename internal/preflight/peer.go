package preflight

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"keepgo/internal/lab/drill"
)

// peer: the other director lives and hears this one.
func (c *check) peer() {
	if c.There == nil {
		c.heard()
		return
	}
	if age := c.Now.Sub(c.There.Asked); age > stale || age < -stale {
		c.add(Peer, drill.Stops, fmt.Sprintf("its status is of %s: too old to go by, or the clocks differ", c.There.Asked.Format(time.DateTime)), "ask for it again")
		return
	}
	var wrong, good []string
	for i, in := range c.ours {
		switch t := c.twins[i]; {
		case t == nil:
			wrong = append(wrong, fmt.Sprintf("it has no virtual router %d for %s", in.VRID, in.Name))
		case t.State != "BACKUP":
			wrong = append(wrong, fmt.Sprintf("%s is %s there", in.Name, t.State))
		case t.Master == "":
			wrong = append(wrong, fmt.Sprintf("it is BACKUP of %s, and hears no master", in.Name))
		case in.Source != "" && t.Master != in.Source:
			wrong = append(wrong, fmt.Sprintf("%s: it hears %s as the master, and this one sends from %s", in.Name, t.Master, in.Source))
		default:
			good = append(good, fmt.Sprintf("%s: it is BACKUP and hears %s", in.Name, t.Master))
		}
	}
	c.say(Peer, wrong, some(good), "see keepgo status there: until it hears this director it cannot take over in good order")
}

// heard is what this director alone knows of the other one.
func (c *check) heard() {
	var never, ever []string
	for _, in := range c.ours {
		last := time.Time{}
		who := ""
		for _, p := range in.Peers {
			if p.Heard != nil && p.Heard.After(last) {
				last, who = *p.Heard, p.Address
			}
		}
		if who == "" {
			never = append(never, fmt.Sprintf("%s: no other router was ever heard", in.Name))
		} else {
			ever = append(ever, fmt.Sprintf("%s: %s was heard %s", in.Name, who, c.ago(last)))
		}
	}
	if len(never) > 0 {
		c.add(Peer, drill.Stops, some(never)+" ("+c.TherePlan+")",
			"a BACKUP is silent: show it with --peer, or --accept peer: nothing is given up before another router is heard")
		return
	}
	c.add(Peer, drill.Unknown, some(ever)+"; whether it listens now is not known ("+c.TherePlan+")", "with --peer a keepgo tells")
}

// config: what must be alike is.
func (c *check) config() {
	var wrong []string
	for _, in := range c.ours {
		if in.Drift != "" {
			wrong = append(wrong, in.Name+": "+in.Drift)
		}
	}
	known := c.There != nil && c.There.Digest != "" && c.Here.Digest != ""
	if known && c.There.Digest != c.Here.Digest {
		wrong = append(wrong, differences(c.Here.Agreement, c.There.Agreement)...)
	}
	if !known && len(wrong) == 0 {
		c.add(Config, drill.Unknown, "the peer's configuration is not known ("+c.TherePlan+")", "keepgo check FILE FILE_OF_THE_PEER compares both")
		return
	}
	c.say(Config, wrong, "what must be alike is, digest "+c.Here.Digest, "make both alike: keepgo check FILE FILE_OF_THE_PEER names the lines")
}

// differences names what two agreements differ in.
func differences(here, there map[string]string) (list []string) {
	all := maps.Clone(here)
	maps.Copy(all, there)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		h, isHere := here[name]
		t, isThere := there[name]
		switch {
		case !isThere:
			list = append(list, name+": only here")
		case !isHere:
			list = append(list, name+": only on the peer")
		case h != t:
			list = append(list, fmt.Sprintf("%s: %s here, %s on the peer", name, h, t))
		}
	}
	if len(list) == 0 {
		list = append(list, "the digests differ: not the same versions of keepgo?")
	}
	return list
}

// takeover: the other one takes over from a running master.
func (c *check) takeover() {
	if c.There == nil {
		return
	}
	var wrong []string
	for i, t := range c.twins {
		switch {
		case t == nil || c.Break:
		case t.NoPreempt:
			wrong = append(wrong, c.ours[i].Name+": the peer has nopreempt, and takes nothing from a running master")
		case t.PreemptDelay > 0:
			wrong = append(wrong, fmt.Sprintf("%s: the peer takes over %v s late (preempt_delay)", c.ours[i].Name, t.PreemptDelay))
		}
	}
	c.say(Takeover, wrong, "the peer takes over from a master that holds back", "with --break it takes over after a goodbye, and the address is nowhere for a moment")
}

// comeBack: the addresses return when they may.
func (c *check) comeBack() {
	var wrong []string
	for i, in := range c.ours {
		t := c.twins[i]
		switch {
		case in.NoPreempt:
			wrong = append(wrong, in.Name+" has nopreempt here: it stays with the peer until that one fails or is switched over itself")
		case t != nil && t.Priority >= in.Priority:
			wrong = append(wrong, fmt.Sprintf("%s: the peer's priority %d is not below ours, %d: it stays there", in.Name, t.Priority, in.Priority))
		}
	}
	switch {
	case len(wrong) > 0 && !c.Return:
		c.add(Return, drill.Unknown, some(wrong), "what was handed over comes back by keepgo switchover on the peer")
	case c.There == nil && len(wrong) == 0:
		c.add(Return, drill.Unknown, "nothing here keeps it from coming back; the peer's priority is not known ("+c.TherePlan+")", "")
	default:
		c.say(Return, wrong, "it comes back when the order ends: the priority here is higher", "leave --return out, and switch over on the peer afterwards")
	}
}

package lb

import (
	"math"
	"strings"
)

// Follow is a FILE_CHECK or a BFD_CHECK: what the number in a tracked file, or
// the state of a BFD session, does to a server.
type Follow struct {
	Owner   Owner
	File    string // name of the track_file, or of a Session
	Weight  int    // the number is multiplied with it; 0 means down unless the number is 0
	Reverse bool   // the sign of the product, or with weight 0 what is good, is turned
	Alpha   bool   // the server is down until something is known
}

// Session is the name under which a BFD session is followed. Its number is 0
// while it is up, and 1 while it is not.
func Session(name string) string { return session + name }

const session = "bfd session "

// title is keepalived's name of a check that follows, in mails.
func title(file string) string {
	if name, is := strings.CutPrefix(file, session); is {
		return "BFD CHECK " + name
	}
	return "FILE CHECK"
}

// followed is why a server turned, in words.
func followed(file string, up bool) string {
	if name, is := strings.CutPrefix(file, session); is {
		return "BFD session " + name + map[bool]string{true: " is up", false: " is down"}[up]
	}
	return "the number in a tracked file"
}

// influence is what a followed file does to its server now.
type influence struct {
	down  bool
	shift int
}

// of is what a number does: keepalived.conf(5), FILE_CHECK.
func (f *Follow) of(number int) influence {
	if f.Weight == 0 {
		return influence{down: (number != 0) != f.Reverse}
	}
	shift := int64(number) * int64(f.Weight) // both fit 32 bits
	if f.Reverse {
		shift = -shift
	}
	if shift <= math.MinInt32 {
		return influence{down: true}
	}
	return influence{shift: int(min(shift, math.MaxInt32))}
}

// adoptFollows counts what is known of the files that the plan follows.
func (n *Node) adoptFollows() {
	n.influences = make([]influence, len(n.plan.Follows))
	n.followers = map[string][]int{}
	for i := range n.plan.Follows {
		f := &n.plan.Follows[i]
		n.followers[f.File] = append(n.followers[f.File], i)
		number, known := n.numbers[f.File]
		if !known && f.Alpha {
			number, known = 1, true
		}
		if known {
			n.influences[i] = f.of(number)
			n.pools[f.Owner.Pool].sway(f.Owner.Server, n.influences[i], +1)
		}
	}
}

// hearFile takes in the number in a tracked file.
func (n *Node) hearFile(name string, number int, acts []Action) []Action {
	if n.numbers == nil {
		n.numbers = map[string]int{}
	}
	n.numbers[name] = min(max(number, math.MinInt32), math.MaxInt32)
	for _, i := range n.followers[name] {
		f := &n.plan.Follows[i]
		now := f.of(n.numbers[name])
		if now == n.influences[i] {
			continue
		}
		p := &n.pools[f.Owner.Pool]
		p.sway(f.Owner.Server, n.influences[i], -1)
		n.influences[i] = now
		p.sway(f.Owner.Server, now, +1)
		edges := p.judge(f.Owner.Server)
		if len(edges) > 0 {
			acts = p.set(acts)
		}
		acts = p.tell(acts, edges, cause{file: name})
	}
	return acts
}

// sway adds what a file does to a server's tally, or with sign -1 takes it out.
func (p *pool) sway(server int, f influence, sign int) {
	p.servers[server].shift += sign * f.shift
	if f.down {
		p.servers[server].failed += sign
	}
}

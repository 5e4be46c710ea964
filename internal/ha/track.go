package ha

import (
	"fmt"
	"slices"

	"keepgo/vrrp"
)

// verdict is what all tracking says of an instance: the first cause of FAULT
// in words, the sum of the weights, and whether a script is still awaited.
type verdict struct {
	cause   string
	sum     int
	pending bool
	unmade  bool // what is awaited is its device
}

// judge recomputes an instance's verdict from the levels of everything it
// depends on, so no count of causes can go wrong.
func (n *Node) judge(m *member) verdict {
	v := verdict{cause: m.plan.Unusable}
	for _, t := range m.plan.Links {
		n.judgeLink(t, &v)
	}
	n.judgeDevice(m, &v)
	n.judgeExtra(m, &v)
	for _, t := range m.plan.Scripts {
		n.judgeScript(t, &v)
	}
	for _, t := range m.plan.Files {
		n.judgeFile(t, &v)
	}
	for _, t := range m.plan.Processes {
		n.judgeProcess(t, &v)
	}
	for _, t := range m.plan.BFDs {
		n.judgeBFD(t, &v)
	}
	n.judgeGround(m, &v)
	n.judgeSpeech(m, &v)
	return v
}

func (n *Node) judgeLink(t Track, v *verdict) {
	v.weigh(t, n.links[t.Link].Up, "interface %s is down", t.Link)
}

func (n *Node) judgeScript(t Track, v *verdict) {
	s := &n.scripts[t.Index]
	if !s.known {
		v.pending = v.pending || t.Weight == 0
		return
	}
	v.weigh(t, s.count >= s.plan.Rise, "script %s fails", s.plan.Name)
}

func (n *Node) judgeFile(t Track, v *verdict) {
	v.weighFile(t, n.files[n.plan.Files[t.Index]], n.plan.Files[t.Index])
}

func (n *Node) judgeProcess(t Track, v *verdict) {
	running, known := n.processes[n.plan.Processes[t.Index]]
	if !known {
		v.pending = v.pending || t.Weight == 0
		return
	}
	v.weigh(t, running, "process %s is not as it should be", n.plan.Processes[t.Index])
}

// judgeBFD takes a session that was not heard of yet for down, as keepalived.
func (n *Node) judgeBFD(t Track, v *verdict) {
	name := n.plan.BFDs[t.Index]
	v.weigh(t, n.bfds[name], "BFD session %s is down", name)
}

// judgeDevice waits for a device that was never there, and faults without one
// that was, or that is down.
func (n *Node) judgeDevice(m *member, v *verdict) {
	d := m.plan.Device
	if d == nil {
		return
	}
	link, known := n.links[m.device().name]
	switch {
	case !m.started && (m.device().name == "" || known && !link.Up):
		v.pending, v.unmade = true, true // it is being made
	case v.cause != "":
	case m.device().name == "":
		v.cause = "its interface above " + d.Parent + " is gone"
	case known && !link.Up && m.tracks(d.Parent):
		v.cause = "interface " + m.device().name + " is down"
	}
}

// judgeExtra faults where a further device is down by itself: what becomes of
// it with the interface below is that one's affair, and one that is missing is
// being made.
func (n *Node) judgeExtra(m *member, v *verdict) {
	for i, s := range m.extra() {
		if v.cause == "" && s.up && !n.links[s.name].Up && m.tracks(m.plan.Extra[i].Parent) {
			v.cause = "interface " + s.name + " is down"
		}
	}
}

// tracks tells whether an interface is among those the member depends on.
func (m *member) tracks(link string) bool {
	return slices.ContainsFunc(m.plan.Links, func(t Track) bool { return t.Link == link })
}

// weigh adds one tracker: weight 0 is a cause of FAULT while bad, a positive
// weight counts while good, a negative one while bad; reverse swaps good and
// bad (keepalived.conf(5), track_script).
func (v *verdict) weigh(t Track, good bool, words, name string) {
	if t.Reverse {
		good = !good
	}
	switch {
	case t.Weight == 0 && !good && v.cause == "":
		v.cause = fmt.Sprintf(words, name)
	case t.Weight > 0 && good, t.Weight < 0 && !good:
		v.sum += t.Weight
	}
}

// weighFile adds a tracked file: its number times the weight moves the
// priority, and from -254 on it is a cause of FAULT; with weight 0 any number
// but 0 is, or with reverse 0 itself (keepalived.conf(5), track_file).
func (v *verdict) weighFile(t Track, value int, name string) {
	change := value * t.Weight
	if t.Reverse {
		change = -change
	}
	bad := change <= -254
	if t.Weight == 0 {
		bad = (value != 0) != t.Reverse
	}
	switch {
	case bad && v.cause == "":
		v.cause = fmt.Sprintf("tracked file %s says %d", name, value)
	case !bad:
		v.sum += min(change, 253)
	}
}

// reconsider brings a member in line with its verdict.
func (n *Node) reconsider(now vrrp.Time, m *member, acts []Action) []Action {
	v := n.judge(m)
	switch {
	case m.started:
	case m.resumed && !v.unmade:
		return n.resume(now, m, v, acts)
	case v.pending && v.cause == "":
		return acts
	default:
		return n.wake(now, m, v, acts)
	}
	acts = n.reprioritise(now, m, v.sum, acts)
	was := m.cause
	m.blame(v.cause)
	switch {
	case was == "" && v.cause != "":
		return n.fail(now, m, acts)
	case was != "" && v.cause == "":
		return n.recover(now, m, acts)
	case was != v.cause: // another one now
		m.reason = v.cause
	}
	return acts
}

// reprioritise gives the router its effective priority.
func (n *Node) reprioritise(now vrrp.Time, m *member, sum int, acts []Action) []Action {
	p := m.priority(sum)
	if p == m.router.Priority() {
		return acts
	}
	acts = m.log(acts, "Changing effective priority from %d to %d", m.router.Priority(), p)
	acts = n.step(now, m, vrrp.Event{Kind: vrrp.EventPriority, Priority: p}, acts)
	if state := m.router.State(); m.plan.Priorities && (state == vrrp.Master || state == vrrp.Backup) {
		acts = append(acts, m.notify(state.String()+"_PRIORITY"))
	}
	return acts
}

// result hears that a tracked script ended.
func (n *Node) result(now vrrp.Time, i int, ok bool, words string, acts []Action) []Action {
	if i < 0 || i >= len(n.scripts) {
		return acts
	}
	s := &n.scripts[i]
	if !s.hear(ok) {
		return acts
	}
	if words == "" {
		words = outcome(ok)
	}
	acts = append(acts, Action{Kind: ActLog, Text: fmt.Sprintf("VRRP_Script(%s) %s", s.plan.Name, words)})
	return n.reconsiderAll(now, acts, tracker{trackedScript, i})
}

// tracker is something tracked: its kind, and its index in the plan.
type tracker struct {
	kind  uint8
	index int
}

const (
	trackedScript uint8 = iota
	trackedFile
	trackedProcess
	trackedBFD
)

// indexTrackers notes who depends on what is tracked.
func (n *Node) indexTrackers() {
	n.byTracker = map[tracker][]*member{}
	for _, m := range n.members {
		for kind, tracks := range [][]Track{m.plan.Scripts, m.plan.Files, m.plan.Processes, m.plan.BFDs} {
			for _, t := range tracks {
				k := tracker{uint8(kind), t.Index}
				n.byTracker[k] = append(n.byTracker[k], m)
			}
		}
	}
}

// reconsiderAll brings every member in line that depends on what changed.
func (n *Node) reconsiderAll(now vrrp.Time, acts []Action, changed tracker) []Action {
	if !n.running {
		return acts
	}
	for _, m := range n.byTracker[changed] {
		acts = n.reconsider(now, m, acts)
	}
	return acts
}

func uses(tracks []Track, index int) bool {
	return slices.ContainsFunc(tracks, func(t Track) bool { return t.Index == index })
}

// file hears the number in a tracked file. Values are kept by name, so that
// they outlive a reload.
func (n *Node) file(now vrrp.Time, name string, value int, acts []Action) []Action {
	if n.files[name] == value {
		return acts
	}
	n.files[name] = value
	return n.reconsiderAll(now, acts, tracker{trackedFile, slices.Index(n.plan.Files, name)})
}

// process hears whether a tracked process runs as it should.
func (n *Node) process(now vrrp.Time, name string, ok bool, acts []Action) []Action {
	if was, known := n.processes[name]; known && was == ok {
		return acts
	}
	n.processes[name] = ok
	return n.reconsiderAll(now, acts, tracker{trackedProcess, slices.Index(n.plan.Processes, name)})
}

// bfd hears whether a BFD session is up.
func (n *Node) bfd(now vrrp.Time, name string, up bool, acts []Action) []Action {
	if n.bfds[name] == up {
		return acts
	}
	n.bfds[name] = up
	return n.reconsiderAll(now, acts, tracker{trackedBFD, slices.Index(n.plan.BFDs, name)})
}

func outcome(ok bool) string {
	if ok {
		return "succeeded"
	}
	return "failed"
}

// hear counts one result and says whether the verdict changed. The first one
// decides; then rise successes bring the script up and fall failures down
// (keepalived.conf(5), vrrp_script).
func (s *script) hear(ok bool) bool {
	top := s.plan.Rise + s.plan.Fall - 1
	was, first := s.count >= s.plan.Rise, !s.known
	if first {
		s.known = true
		s.count = s.plan.Rise - 1
	}
	switch {
	case ok && s.count >= s.plan.Rise-1:
		s.count = top
	case ok:
		s.count++
	case s.count > s.plan.Rise:
		s.count--
	default:
		s.count = 0
	}
	return first || was != (s.count >= s.plan.Rise)
}

// adoptScripts keeps the results of scripts the old plan had too, scaled to
// their new rise and fall.
func (n *Node) adoptScripts(plans []Script) {
	old := map[string]script{}
	for _, s := range n.scripts {
		old[s.plan.Name+"\x00"+s.plan.Same] = s
	}
	n.scripts = make([]script, len(plans))
	for i, p := range plans {
		s := old[p.Name+"\x00"+p.Same]
		s.scale(p)
		n.scripts[i] = s
	}
}

// scale gives a script other bounds: up stays up and down stays down, and what
// was counted towards the other counts on, as far as there is room for it.
func (s *script) scale(p Script) {
	missed := s.plan.Rise + s.plan.Fall - 1 - s.count
	if s.known && s.count >= s.plan.Rise {
		s.count = max(p.Rise+p.Fall-1-missed, p.Rise)
	} else {
		s.count = min(s.count, p.Rise-1)
	}
	s.plan = p
}

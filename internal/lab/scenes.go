package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"keepgo/confparse"
	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
)

// deed is one scene: what is done, what must come of it, and how long that may
// take.
type deed struct {
	name  string
	do    func() error
	done  func() bool
	want  string // what is missing while done says no
	limit time.Duration
	takes time.Duration // usual length; 0 means that it is never left out
	heir  bool          // the virtual address may move
	first bool          // nothing answered before: there is no gap to measure

	least  time.Duration // how long it is watched at least
	silent bool          // no answer is asked for
	remark string        // what there is to know of it when all went well
}

// act plays a scene and keeps its outcome. A scene for which no time is left is
// left out.
func (p *play) act(d deed) error {
	p.scene = d.name
	defer func() { p.scene = "" }()
	p.leftOut = d.takes > p.budget-time.Since(p.started)
	if p.leftOut {
		p.leave(d.name, "takes about %v, and this lab takes less than %v", d.takes, p.budget.Round(time.Second))
		return nil
	}
	p.held = hold(p.held, p.webs)
	if _, err := p.wait(tail, p.witnessed); err != nil {
		return err
	}
	if p.beside && !d.first {
		if _, err := p.wait(p.takeover(), p.spoken); err != nil {
			return err
		}
	}
	begin, before := time.Now(), p.answers()
	if err := d.do(); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	settled := func() bool {
		return time.Since(begin) >= d.least && d.done() && (d.silent || p.answered(begin))
	}
	ok, err := p.wait(d.limit, settled)
	if err != nil {
		return err
	}
	end := time.Now()
	if _, err := p.wait(tail, func() bool { return p.staged(begin) }); ok && err != nil {
		return err
	}
	s := drill.Scene{Key: p.key, Name: d.name, OK: ok}
	p.measure(&s, begin, end)
	s.HTTP = drill.Since(before, p.answers())
	if d.first {
		s.GapMS, s.Asked, s.Lost = 0, 0, 0
	}
	if d.heir {
		s.Master = p.masterName()
	}
	s.Why = p.reason(d, ok)
	p.hopeless = p.hopeless || d.first && !ok
	p.finish(s)
	return nil
}

// spoken says whether the first address's master has just spoken. How long a
// master is missed depends on how long it had been silent before: two daemons
// are compared with it having been silent for as long.
func (p *play) spoken() bool {
	return slices.ContainsFunc(p.stage.sniff.Adverts(time.Now().Add(-lookEvery)), func(a netlab.Advert) bool {
		return a.VRID == p.stage.net.vips[0].instance.VRID && a.Priority > 0
	})
}

// reason says what a scene lacks, or what there is to know of one that went
// well.
func (p *play) reason(d deed, ok bool) string {
	if ok {
		return d.remark
	}
	if !d.done() {
		return fmt.Sprintf("not within %v: %s%s", d.limit.Round(time.Second), d.want, p.diagnosis())
	}
	return "the client gets no answer"
}

// leave keeps a scene that is not played, and why.
func (p *play) leave(name, why string, args ...any) {
	p.finish(drill.Scene{Key: p.key, Name: name, OK: true, Skipped: true, Why: "left out: " + fmt.Sprintf(why, args...)})
}

func (p *play) finish(s drill.Scene) {
	drill.Judge(&s, p.limits.For(p.key))
	p.report.Scenes = append(p.report.Scenes, s)
	p.report.OK = p.report.OK && s.OK
	p.view.say(sceneLine(p.clock(), s))
}

// masterName is who holds the virtual addresses, "" if they are divided.
func (p *play) masterName() string {
	name := ""
	for v := range p.stage.net.vips {
		m := p.master(v)
		if m < 0 || name != "" && name != p.stage.directors[m].Name {
			return ""
		}
		name = p.stage.directors[m].Name
	}
	return name
}

// Times that do not follow from the file.
const (
	startTime = 2 * time.Second // for a daemon to start
	slack     = 4 * time.Second // beyond the usual time, for a busy machine
)

// takeover is the longest any instance needs to notice that its master is gone:
// Master_Down_Interval, RFC 9568 section 6.1.
func (p *play) takeover() time.Duration {
	var t time.Duration
	for _, in := range p.cfg.Instances {
		t = max(t, time.Duration(max(in.DownTimerAdverts, 3)+1)*in.AdvertInt)
	}
	return t
}

// start brings both directors up and waits for the preferred one to be master.
func (p *play) start() error {
	least := time.Duration(0)
	if p.src.paired() {
		least = p.takeover() + time.Second // for a second master to show
	}
	err := p.act(deed{
		name: "both directors start", heir: true, first: true, least: least,
		do: func() error {
			for _, d := range p.stage.directors {
				if err := d.start(); err != nil {
					return err
				}
			}
			return nil
		},
		done:  func() bool { return p.begun() && p.bothAnswer() && (len(p.pings()) > 0 || p.unpingable()) },
		want:  "every address is with the director of the higher priority, and with no other",
		limit: p.takeover() + startTime + 3*slack,
	})
	if err != nil {
		return err
	}
	p.answering, p.begins = p.pings(), true
	if len(p.pings()) < len(p.stage.pings) {
		p.note("a virtual address does not answer ping, so no time can be measured for it")
	}
	return p.services()
}

// services notes what is real about the virtual servers, and begins to ask
// through them where the kernel can balance.
func (p *play) services() error {
	if len(p.cfg.VirtualServers) == 0 {
		return nil
	}
	for _, s := range p.status {
		if s != nil && s.IPVS != "" {
			p.note("nothing balances here (%s): VRRP, addresses, ARP and health checks are real", s.IPVS)
			return nil
		}
		if s != nil {
			p.report.DataPlane = s.DataPlane
		}
	}
	if p.report.DataPlane == "" {
		p.report.DataPlane = p.stage.directors[0].dataPlane()
	}
	for _, vs := range p.cfg.VirtualServers {
		for _, t := range p.targets(vs) {
			if len(p.webs) == mostAsked {
				p.note("clients ask the first %d services", mostAsked)
				return nil
			}
			p.webs = append(p.webs, ask(p.ctx, p.stage.client, t))
		}
	}
	return nil
}

// targets are what clients ask of a service: nothing of a firewall mark, which
// nobody gives their packets here.
func (p *play) targets(vs *confparse.VirtualServer) (list []target) {
	speaks := p.speaks(vs)
	add := func(a netip.Addr, port uint16) {
		if port == 0 && len(vs.Servers) > 0 {
			port = portOf(vs.Servers[0])
		}
		list = append(list, target{netip.AddrPortFrom(a, port), speaks})
	}
	switch {
	case speaks == "":
	case vs.Addr.IsValid():
		add(vs.Addr, vs.Port)
	case vs.Group != "":
		for _, e := range p.src.group(vs.Group) {
			if e.First.IsValid() {
				add(e.First, e.Port)
			}
		}
	}
	if len(list) == 0 && speaks != "" {
		p.note("virtual_server %s: nothing here gives packets a mark: no client asks it", nameOf(vs))
	}
	return list
}

// speaks is what the servers of a service speak; "" if no client here can.
func (p *play) speaks(vs *confparse.VirtualServer) string {
	network := networkOf(vs.Protocol)
	for _, rs := range vs.Servers {
		if m := p.stage.servers[rs.Addr]; m != nil && network != "" {
			e := endpoint{network, portOf(rs)}
			return m.sites[e].language(e)
		}
	}
	return ""
}

// mostAsked bounds the services that are asked, for the machine's sake.
const mostAsked = 8

// answers is what the client got so far, by service.
func (p *play) answers() []*drill.Answers {
	list := make([]*drill.Answers, len(p.webs))
	for i, w := range p.webs {
		list[i] = w.soFar()
	}
	return list
}

// bothAnswer says whether both daemons answer on their control sockets.
func (p *play) bothAnswer() bool { return p.alive(0) && p.alive(1) }

// alive says whether a director's daemon runs, and answers if it is ours.
func (p *play) alive(i int) bool {
	if p.foreign {
		return !p.stage.directors[i].ended()
	}
	return p.status[i] != nil
}

// unpingable says whether every instance forbids its address to answer.
func (p *play) unpingable() bool {
	return !slices.ContainsFunc(p.cfg.Instances, pingable)
}

// pingable says whether an instance's addresses answer. Those of vrrp_strict and
// no_accept do so all the same where the daemon was killed, and for the moment
// until they are filtered.
func pingable(in *confparse.Instance) bool {
	return in.Accept && !in.Strict || in.Priority == 255 // RFC 9568 section 6.4.3: the owner's
}

// begun says whether every virtual address is with the preferred director; any
// will do where the file says that the first one stays.
func (p *play) begun() bool {
	for v := range p.stage.net.vips {
		if m := p.master(v); m < 0 || m != p.stage.net.vips[v].preferred && p.preempts(v) {
			return false
		}
	}
	return true
}

// current is who is master of the first instance, and its partner.
func (p *play) current() (m, o int) {
	if p.master(0) == 1 {
		return 1, 0
	}
	return 0, 1
}

// realServer takes a real server away and gives it back.
func (p *play) realServer() error {
	vs, rs := p.victim()
	if rs == nil {
		if len(p.cfg.VirtualServers) > 0 {
			p.note("no real server has a check that would notice its end within the lab's time")
		}
		return nil
	}
	m := p.stage.servers[rs.Addr]
	took := noticeTime(rs)
	name := fmt.Sprintf("real server %s", rs.Addr)
	err := p.act(deed{
		name: name + " dies", takes: took, limit: took + slack, want: "it is out",
		do:   m.close,
		done: func() bool { return p.serverIs(vs, rs, false) },
	})
	if err != nil {
		return err
	}
	return p.act(deed{
		name: name + " comes back", limit: took + slack, want: "it is in again",
		do:   m.cure,
		done: func() bool { return p.serverIs(vs, rs, true) },
	})
}

// longestNotice is how slow a check may be to be played.
const longestNotice = 15 * time.Second

// victim is the real server whose end is noticed soonest.
func (p *play) victim() (*confparse.VirtualServer, *confparse.RealServer) {
	var svc *confparse.VirtualServer
	var best *confparse.RealServer
	for _, vs := range p.cfg.VirtualServers {
		for _, rs := range vs.Servers {
			m := p.stage.servers[rs.Addr]
			seen := slices.ContainsFunc(rs.Checkers, func(c *confparse.Checker) bool { return notices(c, rs) })
			if m == nil || m.host == nil || !seen || noticeTime(rs) > longestNotice {
				continue
			}
			if best == nil || noticeTime(rs) < noticeTime(best) {
				svc, best = vs, rs
			}
		}
	}
	return svc, best
}

// notices says whether a check sees that its real server serves nothing.
func notices(c *confparse.Checker, rs *confparse.RealServer) bool {
	return c.Addr == rs.Addr && c.Kind != confparse.MiscCheck && c.Kind != confparse.FileCheck && c.Kind != confparse.BFDCheck
}

// noticeTime is the longest until a check has failed often enough.
func noticeTime(rs *confparse.RealServer) time.Duration {
	var t time.Duration
	for _, c := range rs.Checkers {
		if notices(c, rs) {
			t = max(t, c.DelayLoop+time.Duration(c.Retry)*(c.DelayBeforeRetry+time.Second)+time.Second)
		}
	}
	return t
}

// serverIs says whether every running daemon has a real server in or out.
func (p *play) serverIs(vs *confparse.VirtualServer, rs *confparse.RealServer, up bool) bool {
	found := 0
	for _, s := range p.status {
		if s == nil {
			continue
		}
		for _, service := range s.Services {
			for _, server := range service.Servers {
				if namesServer(server.Name, rs) && namesService(service.Name, vs) {
					if server.Up != up {
						return false
					}
					found++
				}
			}
		}
	}
	return found > 0
}

// namesServer says whether a name like [10.0.0.1]:tcp:80 means a real server.
func namesServer(name string, rs *confparse.RealServer) bool {
	return strings.Contains(name, "["+rs.Addr.String()+"]") && strings.HasSuffix(name, fmt.Sprintf(":%d", rs.Port))
}

// namesService says whether a name like [10.0.0.100]:tcp:80 means a service. Of
// groups and marks any will do.
func namesService(name string, vs *confparse.VirtualServer) bool {
	return !vs.Addr.IsValid() ||
		strings.Contains(name, "["+vs.Addr.String()+"]") && strings.HasSuffix(name, fmt.Sprintf(":%d", vs.Port))
}

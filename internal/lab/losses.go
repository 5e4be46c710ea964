package lab

import (
	"fmt"
	"time"
)

// loss is one way to lose the master and to get it back.
type loss struct {
	gone, back string // names of the scenes, with the director's name to fill in
	take, give func(*director) error
	moves      func(vip int) bool // nil means every address
	startup    time.Duration      // until the director can take part again
	want       string             // what is missing while the partner is not master; "" for just that
}

// powerCut ends the master's machine and brings it back.
func (p *play) powerCut() error {
	return p.lose(loss{gone: "%s loses power (kill -9)", back: "%s returns",
		take: (*director).powerCut, give: (*director).powerOn, startup: startTime})
}

// stopping stops the master's daemon and starts it again.
func (p *play) stopping() error {
	return p.lose(loss{gone: "%s is stopped", back: "%s is started again",
		take: (*director).stop, give: (*director).start, startup: startTime})
}

// lose plays a loss of the current master and its return.
func (p *play) lose(l loss) error {
	m, o := p.current()
	d := p.stage.directors[m]
	takes := 2*p.takeover() + l.startup
	if l.want == "" {
		l.want = p.stage.directors[o].Name + " is master"
	}
	err := p.act(deed{
		name: fmt.Sprintf(l.gone, d.Name), heir: true, takes: takes, limit: p.takeover() + slack,
		do:   func() error { return l.take(d) },
		done: func() bool { return p.heirHolds(o, l.moves) && (!d.ending || d.ended()) },
		want: l.want,
	})
	if err != nil || p.leftOut {
		return err
	}
	return p.act(deed{
		name: fmt.Sprintf(l.back, d.Name), heir: true, least: p.restTime(), limit: p.takeover() + l.startup + slack,
		do:   func() error { return l.give(d) },
		done: func() bool { return p.alive(m) && p.settledAfterReturn(m) },
		want: "the address is where it belongs",
	})
}

// heirHolds says whether a director holds every address that had to move.
func (p *play) heirHolds(o int, moves func(int) bool) bool {
	for v := range p.stage.net.vips {
		if (moves == nil || moves(v)) && !p.holds[o][v] {
			return false
		}
	}
	return true
}

// settledAfterReturn says whether every address is where it belongs after a
// director has come back: with the preferred one, unless the file says that
// running masters are left alone.
func (p *play) settledAfterReturn(back int) bool {
	for v := range p.stage.net.vips {
		m := p.master(v)
		if m < 0 || p.takesBack(v, back) && m != back {
			return false
		}
	}
	return true
}

// takesBack says whether a director that comes back takes an address within the
// lab's time: it is preferred.
func (p *play) takesBack(v, back int) bool {
	return back == p.stage.net.vips[v].preferred && p.preempts(v)
}

// preempts says whether the preferred director takes an address from a running
// master within the lab's time.
func (p *play) preempts(v int) bool {
	in := p.stage.net.vips[v].instance
	return p.stage.net.vips[v].preferred != nobody && !in.NoPreempt && in.PreemptDelay < slack
}

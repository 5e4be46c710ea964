package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keepgo/confparse"
	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
	"keepgo/internal/status"
)

// play is a lab being played.
type play struct {
	ctx     context.Context
	src     *source
	cfg     *confparse.Config
	stage   *stage
	view    view
	report  drill.Report
	started time.Time
	tick    *time.Ticker

	// What the last look around saw.
	status [2]*status.Status
	holds  [2][]bool // by director and vip
	told   map[string]string

	looking time.Duration // what the last look took

	webs  []*web // of the services that are asked through the virtual address
	scene string // what is being played
	// leftOut says that the last scene was not played for want of time.
	leftOut bool

	budget   time.Duration // the longest it may take
	key      string        // of the drill that is played
	limits   drill.Limits
	held     []*held
	foreign  bool // the daemon is not keepgo: nothing is known but what is seen
	beside   bool // another daemon plays it too
	setClock bool // the machine's clock may be set
	options  Options
	live     *live // nil where the book is played
	// answering are the pings that are answered; known once the play begins.
	answering []*netlab.Pinger
	begins    bool
	// hopeless says that the pair did not even start well.
	hopeless bool
}

// lookEvery is how often the play looks around; it also bounds how much later
// than the deed's end a scene ends.
const lookEvery = 50 * time.Millisecond

// pingEvery is how often the client asks the virtual address.
const pingEvery = 10 * time.Millisecond

func newPlay(ctx context.Context, src *source, s *stage, v view, budget time.Duration) *play {
	return &play{ctx: ctx, src: src, cfg: src.Config, stage: s, view: v, started: time.Now(), budget: budget,
		tick: time.NewTicker(lookEvery), told: map[string]string{}, report: drill.Report{OK: true}}
}

// run plays the drills of a book, from the first start to the last scene.
func (p *play) run(book []chapter) error {
	if err := p.beginPings(); err != nil {
		return err
	}
	defer func() { p.held = drop(p.held) }()
	for _, c := range book {
		if p.key = c.key; p.limits.For(c.key).Skip {
			continue
		}
		if p.hopeless {
			p.leave(c.about, "the pair never came to rest")
			continue
		}
		if err := c.play(p); err != nil {
			return err
		}
	}
	if n := p.stage.sniff.Dropped(); n > 0 {
		p.note("the machine was too busy to note %d frames: stages may be missing", n)
	}
	p.report.HTTP = p.answers()
	p.report.TookMS = time.Since(p.started).Milliseconds()
	return nil
}

// beginPings has the client ask every virtual address.
func (p *play) beginPings() error {
	for _, v := range p.stage.net.vips {
		ping, err := p.stage.client.Ping(v.addr, pingEvery)
		if err != nil {
			return err
		}
		p.stage.pings = append(p.stage.pings, ping)
	}
	return nil
}

// look sees how everything is, tells what changed, and notices a daemon that
// ended unasked.
func (p *play) look() error {
	defer func(begin time.Time) { p.looking = time.Since(begin) }(time.Now())
	for i, d := range p.stage.directors {
		p.status[i] = nil
		if d.proc == nil || d.frozen {
			continue
		}
		if d.ended() && d.ending {
			continue
		}
		if d.ended() {
			if p.live != nil {
				d.ending = true
				p.view.say(fmt.Sprintf("%s  %s: the daemon ended (%v): %s", p.clock(), d.Name, d.proc.Err(), d.proc.LogTail(1)))
				continue
			}
			return fmt.Errorf("%s: the daemon ended (%v). Its last words:\n%s", d.Name, d.proc.Err(), d.proc.LogTail(15))
		}
		if p.foreign {
			continue
		}
		p.status[i] = d.status()
		p.tell(d.Name, p.status[i])
	}
	for i, d := range p.stage.directors {
		p.holds[i] = p.holds[i][:0]
		for _, v := range p.stage.net.vips {
			p.holds[i] = append(p.holds[i], d.Holds(v.addr))
		}
	}
	p.view.draw(p.picture())
	return nil
}

func (d *director) ended() bool {
	select {
	case <-d.proc.Done():
		return true
	default:
		return false
	}
}

// wait looks around until ok says yes. It gives up after the limit, and ends
// early with an error when a daemon dies or the play is broken off.
func (p *play) wait(limit time.Duration, ok func() bool) (bool, error) {
	for end := time.Now().Add(limit); ; {
		if err := p.look(); err != nil {
			return false, err
		}
		if ok() {
			return true, nil
		}
		if time.Now().After(end) {
			return false, nil
		}
		select {
		case <-p.tick.C:
		case <-p.ctx.Done():
			if errors.Is(p.ctx.Err(), context.DeadlineExceeded) {
				return false, fmt.Errorf("the lab took longer than %v", p.budget)
			}
			return false, errors.New("interrupted")
		}
	}
}

// master is the only director that holds a virtual address, -1 for none or both.
func (p *play) master(vip int) int {
	a, b := p.holds[0][vip], p.holds[1][vip]
	switch {
	case a && !b:
		return 0
	case b && !a:
		return 1
	}
	return -1
}

// answered says whether the client gets answers again: from every virtual
// address that ever answered, one has come since the instant and lately.
func (p *play) answered(since time.Time) bool {
	lately := time.Now().Add(-max(10*pingEvery, 2*p.looking)) // on a slow machine the look itself makes it late
	if lately.After(since) {
		since = lately
	}
	for _, ping := range p.pings() {
		if !ping.AnsweredSince(since) {
			return false
		}
	}
	return true
}

// pings are those whose address answers once both directors have started.
func (p *play) pings() []*netlab.Pinger {
	if p.begins {
		return p.answering
	}
	var out []*netlab.Pinger
	for v, ping := range p.stage.pings {
		if !ping.Last().IsZero() && pingable(p.stage.net.vips[v].instance) {
			out = append(out, ping)
		}
	}
	return out
}

// gap is the longest time any of the virtual addresses was silent.
func (p *play) gap(since time.Time) time.Duration {
	var gap time.Duration
	for _, ping := range p.pings() {
		gap = max(gap, ping.Gap(since))
	}
	return gap
}

// note says something about the whole lab, once.
func (p *play) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.report.Notes = append(p.report.Notes, text)
	p.view.say(p.clock() + "  " + text)
}

// clock is the time since the beginning, for the play-by-play.
func (p *play) clock() string {
	return fmt.Sprintf("%5.1f s", time.Since(p.started).Seconds())
}

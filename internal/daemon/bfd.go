package daemon

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"keepgo/bfd"
	"keepgo/bfd/sock"
	"keepgo/confparse"
	"keepgo/internal/lb"
)

const (
	// bfdRetry is how often a way that cannot be opened is tried, as in keepalived.
	bfdRetry = 60 * time.Second
	// bfdPatience is how long a process that takes another's place waits for a
	// session to come up before it says that it is not: until then what the old
	// one said holds.
	bfdPatience = 5 * time.Second
)

// bfdPlan is one bfd_instance for the BFD process.
type bfdPlan struct {
	Name    string
	Config  bfd.Config
	Path    sock.Path
	MaxHops int // -1 for any number
}

// bfdNews is what became of a session.
type bfdNews struct {
	Name string
	Up   bool
}

// planBFD plans the BFD process.
func planBFD(cfg *confparse.Config) []bfdPlan {
	plans := make([]bfdPlan, 0, len(cfg.BFDs))
	for _, b := range cfg.BFDs {
		plans = append(plans, bfdPlan{
			Name:    b.Name,
			Config:  bfd.Config{MinRx: b.MinRx, MinTx: b.MinTx, IdleTx: b.IdleTx, Multiplier: b.Multiplier, Passive: b.Passive},
			Path:    sock.Path{Source: b.Source, Neighbor: b.Neighbor, TTL: b.TTL, Multihop: b.Multihop},
			MaxHops: b.MaxHops,
		})
	}
	return plans
}

// sessionIs passes on what became of a session to those who are to hear it.
func (p *parent) sessionIs(news bfdNews) {
	for _, b := range p.cfg.BFDs {
		if b.Name != news.Name {
			continue
		}
		p.sessions[b.Name] = news.Up
		if b.VRRP {
			p.vrrp.tell(toChild{Sessions: map[string]bool{b.Name: news.Up}})
		}
		if b.Checker {
			p.lvs.tell(toChild{Files: map[string]int{lb.Session(b.Name): down(news.Up)}})
		}
	}
}

// numbersFor are the numbers in tracked files, and the BFD sessions among them
// as checks follow them.
func (p *parent) numbersFor(cfg *confparse.Config) map[string]int {
	numbers := maps.Clone(p.numbers)
	for _, b := range cfg.BFDs {
		if up, known := p.sessions[b.Name]; known && b.Checker {
			numbers[lb.Session(b.Name)] = down(up)
		}
	}
	return numbers
}

// down is 1 for what is not up.
func down(up bool) int {
	if up {
		return 0
	}
	return 1
}

// bfdSession is a session with its way.
type bfdSession struct {
	bfdPlan
	bfd.Session
	sender *sock.Sender
	again  bfd.Time // when the way is tried again
	told   bool     // the parent knows the state
	was    bfd.State
}

// bfdLoop is the BFD process: packets and deadlines go in, states come out.
type bfdLoop struct {
	up       *link[fromChild, toChild]
	log      func(format string, args ...any)
	rank     *rank
	began    time.Time
	sessions map[string]*bfdSession
	door     *sock.Door
	multihop bool
	packets  chan sock.Received
	timer    *time.Timer
	buf      []byte
	// promise is where who watches over this process sees when the timer is due.
	promise *atomic.Int64
}

// runBFD is the main function of the BFD process.
func runBFD(up *link[fromChild, toChild]) error {
	l := &bfdLoop{
		up: up, log: logTo(up), rank: newRank(logTo(up)), began: time.Now(), sessions: map[string]*bfdSession{},
		packets: make(chan sock.Received, 256), timer: time.NewTimer(time.Hour),
	}
	var err error
	if l.promise, err = inheritPromise(); err != nil {
		return err
	}
	if err := bfdRights().confine(); err != nil {
		return err
	}
	up.send(fromChild{Waiting: true})
	for {
		select {
		case r := <-l.packets:
			l.hear(r)
		case <-l.timer.C:
			l.due()
		case m, open := <-up.in:
			if !open || m.Stop {
				l.stop()
				return nil
			}
			if m.Leave { // the neighbors are told nothing
				return nil
			}
			if m.Manner != nil {
				l.rank.set(*m.Manner)
			}
			if m.BFD != nil {
				if err := l.adopt(*m.BFD); err != nil {
					return err
				}
				up.send(fromChild{Ready: true})
			}
		}
		l.wind()
	}
}

func (l *bfdLoop) now() bfd.Time { return time.Since(l.began) }

// adopt goes on with other sessions. Those with the same name and neighbor stay
// as they are.
func (l *bfdLoop) adopt(plans []bfdPlan) error {
	now, next := l.now(), make(map[string]*bfdSession, len(plans))
	for _, p := range plans {
		s := l.sessions[p.Name]
		if s == nil || s.Path.Neighbor != p.Path.Neighbor || s.Path.Multihop != p.Path.Multihop {
			s = &bfdSession{bfdPlan: p, Session: bfd.New(p.Config, rand.Uint64(), now), was: bfd.Down}
		} else {
			delete(l.sessions, p.Name)
			if s.Path != p.Path && s.sender != nil {
				s.sender.Close()
				s.sender = nil
			}
			s.Configure(p.Config, now)
		}
		s.bfdPlan, s.again = p, 0
		next[p.Name] = s
		l.multihop = l.multihop || p.Path.Multihop
	}
	for _, s := range l.sessions {
		l.close(s)
	}
	l.sessions = next
	return l.listen()
}

// listen opens the ports, and once more with that of several hops.
func (l *bfdLoop) listen() (err error) {
	if l.door != nil {
		l.door.Close()
	}
	l.door, err = sock.Open(l.multihop, func(r sock.Received) {
		select {
		case l.packets <- r:
		default: // a flood: BFD bears the loss of a packet
		}
	})
	return err
}

// hear takes in a packet: by the discriminator it names, else by its addresses
// (RFC 5880 section 6.3).
func (l *bfdLoop) hear(r sock.Received) {
	if r.Err != nil {
		return
	}
	s := l.find(r)
	if s == nil || s.MaxHops >= 0 && r.Hops+s.MaxHops < int(s.Path.TTL) {
		return
	}
	if p, send := s.Hear(r.Packet, l.now()); send {
		l.send(s, p)
	}
	l.tell(s)
}

func (l *bfdLoop) find(r sock.Received) *bfdSession {
	for _, s := range l.sessions {
		switch {
		case s.Path.Multihop != r.Multihop || s.Path.Neighbor.WithZone("") != r.From:
		case r.Packet.Yours != 0 && r.Packet.Yours != s.Discriminator():
		case s.Path.Source.IsValid() && s.Path.Source != r.To && r.To != (netip.Addr{}):
		default:
			return s
		}
	}
	return nil
}

// due does what time has come for.
func (l *bfdLoop) due() {
	now := l.now()
	for _, s := range l.sessions {
		for range 4 { // a deadline that was met may set another that is past
			if s.Next() > now {
				break
			}
			if p, send := s.Due(now); send {
				l.send(s, p)
			}
		}
		l.tell(s)
	}
}

// wind sets the timer to the next deadline.
func (l *bfdLoop) wind() {
	next, now := l.now()+time.Hour, l.now()
	for _, s := range l.sessions {
		next = min(next, s.Next())
		if !s.told {
			next = min(next, max(now, bfdPatience))
		}
	}
	wait := max(next-now, 0)
	l.promise.Store(int64(sinceBoot() + wait))
	l.timer.Reset(wait)
}

func (l *bfdLoop) send(s *bfdSession, p bfd.Packet) {
	if s.sender == nil && !l.dial(s) {
		return
	}
	l.buf = p.Append(l.buf[:0])
	if err := s.sender.Send(l.buf); err != nil { // the interface went, or its address
		s.sender.Close()
		s.sender = nil
	}
}

// dial opens a session's way, at times.
func (l *bfdLoop) dial(s *bfdSession) bool {
	now := l.now()
	if now < s.again {
		return false
	}
	var err error
	if s.sender, err = sock.Dial(s.Path); err != nil {
		s.sender = nil
		if s.again == 0 {
			l.log("(%s) no way to %s: %v; it is tried again", s.Name, s.Path.Neighbor, err)
		}
		s.again = now + bfdRetry
		if s.Config.IdleTx < bfdRetry {
			s.again = now + s.Config.IdleTx
		}
		return false
	}
	return true
}

// tell says that a session's state is another one. That the other end's operator
// took it down is nobody's fault: it is logged, and goes no further.
func (l *bfdLoop) tell(s *bfdSession) {
	state := s.State()
	if state == s.was && (s.told || l.now() < bfdPatience) {
		return
	}
	if state != s.was && (state == bfd.Up || s.was == bfd.Up) {
		if d := s.Expired(); state == bfd.Down && d > 0 {
			l.log("(%s) Expired after %d ms", s.Name, d.Milliseconds())
		}
		l.log("(%s) Entering %s state", s.Name, state)
	}
	fell := s.was == bfd.Up
	s.was = state
	switch {
	case state == bfd.Up, fell && !s.Excused(), !s.told && l.now() >= bfdPatience:
		s.told = true
		l.up.send(fromChild{BFD: &bfdNews{s.Name, state == bfd.Up}})
	}
}

// close ends a session, and tells the other end.
func (l *bfdLoop) close(s *bfdSession) {
	p := s.Close()
	l.send(s, p)
	if s.sender != nil {
		s.sender.Close()
	}
}

func (l *bfdLoop) stop() {
	for _, s := range l.sessions {
		l.close(s)
	}
	if l.door != nil {
		l.door.Close()
	}
}

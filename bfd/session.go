package bfd

import (
	"math"
	"time"
)

// Time is monotonic, since some start.
type Time = time.Duration

// never is a deadline that does not come.
const never Time = math.MaxInt64

// Config is what one end of a session wants. Intervals are above 0.
type Config struct {
	MinRx      time.Duration // Required Min RX Interval
	MinTx      time.Duration // Desired Min TX Interval while up
	IdleTx     time.Duration // the same while not; RFC 5880 section 6.8.3 wants a second at least
	Multiplier uint8
	Passive    bool // says nothing before the other end has
}

// Session is one end of a BFD session: RFC 5880 section 6.8. It is a comparable
// value.
type Session struct {
	config Config
	random uint64 // of the generator, splitmix64

	state   State
	why     Diagnostic
	mine    uint32 // bfd.LocalDiscr
	expired time.Duration

	remote  Packet // what the other end said last; Mine 0: nothing that counts
	heard   bool   // something since the session was begun
	polling bool   // a Poll Sequence is under way, RFC 5880 section 6.5

	transmit, detect, forget Time
}

// New is a session that is Down. Seed makes discriminators and jitter differ
// from those of other sessions.
func New(c Config, seed uint64, now Time) Session {
	s := Session{config: c, random: seed, state: Down, transmit: never, detect: never, forget: never}
	s.mine = s.discriminator()
	if !c.Passive {
		s.transmit = now
	}
	return s
}

// State is the session's state.
func (s *Session) State() State { return s.state }

// Discriminator is that of this end, by which the other's packets are told.
func (s *Session) Discriminator() uint32 { return s.mine }

// Expired is how long nothing was heard when the session went down for that,
// and 0 when it went for another reason.
func (s *Session) Expired() time.Duration { return s.expired }

// Excused reports whether the session is not up because the other end's operator
// wants it so: nothing is wrong with the path.
func (s *Session) Excused() bool {
	return s.state != Up && s.remote.State == AdminDown && s.remote.Mine != 0
}

// Next is when Due has something to do.
func (s *Session) Next() Time { return min(s.transmit, s.detect, s.forget) }

// Configure goes on with another Config: what is new in the intervals is told to
// the other end.
func (s *Session) Configure(c Config, now Time) {
	if c == s.config {
		return
	}
	s.config = c
	s.polling = s.state == Up
	if !c.Passive || s.heard {
		s.transmit = now
	}
}

// Due does what time has come for. It returns the packet to send, if there is
// one.
func (s *Session) Due(now Time) (p Packet, send bool) {
	if now >= s.detect {
		s.expired = s.detection()
		s.fall(DetectionExpired, now)
	}
	if now >= s.forget { // RFC 5880 section 6.8.1, bfd.RemoteDiscr
		s.forget, s.remote = never, Packet{}
		s.mine = s.discriminator()
	}
	if now < s.transmit {
		return p, false
	}
	s.schedule(now)
	return s.packet(), s.speaks()
}

// speaks reports whether packets are sent by themselves: RFC 5880 section 6.8.7.
func (s *Session) speaks() bool {
	if s.config.Passive && !s.heard {
		return false
	}
	known := s.remote.Mine != 0
	switch {
	case known && s.remote.MinRx == 0:
		return false
	case known && s.remote.Demand && s.state == Up && s.remote.State == Up && !s.polling:
		return false
	}
	return true
}

// schedule sets the time of the next packet: what both ends agree to, less 10 to
// 25 percent so that sessions do not fall into step (RFC 5880 section 6.8.7).
func (s *Session) schedule(now Time) {
	interval := max(s.desired(), s.remote.MinRx)
	s.transmit = now + interval - interval*time.Duration(10+s.roll()%16)/100
}

// desired is the interval this end wants to send at.
func (s *Session) desired() time.Duration {
	if s.state == Up {
		return s.config.MinTx
	}
	return max(s.config.IdleTx, s.config.MinTx)
}

// detection is how long silence lasts before the session is down: RFC 5880
// section 6.8.4.
func (s *Session) detection() time.Duration {
	return time.Duration(s.remote.Multiplier) * max(s.config.MinRx, s.remote.MinTx)
}

// packet is what this end has to say now.
func (s *Session) packet() Packet {
	return Packet{
		Diagnostic: s.why, State: s.state, Poll: s.polling, Multiplier: s.config.Multiplier,
		Mine: s.mine, Yours: s.remote.Mine, MinTx: s.desired(), MinRx: s.config.MinRx,
	}
}

// Hear takes in a packet that is for this session: RFC 5880 section 6.8.6. It
// returns the packet to answer at once with, if there is one.
func (s *Session) Hear(p Packet, now Time) (answer Packet, send bool) {
	if s.state == AdminDown {
		return answer, false
	}
	slower := p.MinRx != s.remote.MinRx
	s.remote, s.heard, s.forget = p, true, never
	if p.Final {
		s.polling = false
	}
	before := s.state
	s.turn(p, now)
	if s.state == Init || s.state == Up {
		s.detect = now + s.detection()
		if p.Demand && s.state == Up && p.State == Up { // its packets come on demand only
			s.detect = never
		}
	}
	if s.state != before || s.transmit == never || slower && s.state == Up {
		s.schedule(now)
	}
	if s.state == Up && before != Up { // tell it at once, and the new interval with it
		s.polling = s.config.MinTx != max(s.config.IdleTx, s.config.MinTx)
	}
	if !p.Poll && s.state == before {
		return answer, false
	}
	answer = s.packet()
	if p.Poll {
		answer.Final, answer.Poll = true, false
	}
	return answer, s.remote.MinRx != 0 || p.Poll
}

// turn is the state machine of RFC 5880 section 6.8.6.
func (s *Session) turn(p Packet, now Time) {
	switch {
	case p.State == AdminDown:
		if s.state != Down {
			s.expired = 0
			s.fall(NeighborSaidDown, now)
		}
	case s.state == Down && p.State == Down:
		s.state = Init
	case s.state == Down && p.State == Init, s.state == Init && (p.State == Init || p.State == Up):
		s.state, s.why = Up, NoDiagnostic
	case s.state == Up && p.State == Down:
		s.expired = 0
		s.fall(NeighborSaidDown, now)
	}
}

// fall takes the session down. What is known of the other end is kept for one
// more detection time.
func (s *Session) fall(why Diagnostic, now Time) {
	s.forget = now + s.detection()
	s.state, s.why, s.detect, s.polling = Down, why, never, false
	s.transmit = min(s.transmit, now)
	if s.config.Passive {
		s.heard = why != DetectionExpired
	}
}

// Close is the last packet: the session is down because this end wants it.
func (s *Session) Close() Packet {
	s.state, s.why = AdminDown, AdministrativeDown
	s.transmit, s.detect, s.forget = never, never, never
	return s.packet()
}

// discriminator is a number that is not 0.
func (s *Session) discriminator() uint32 {
	for {
		if d := uint32(s.roll()); d != 0 {
			return d
		}
	}
}

// roll is the next number of splitmix64 (Steele, Lea and Flood, 2014).
func (s *Session) roll() uint64 {
	s.random += 0x9e3779b97f4a7c15
	z := s.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

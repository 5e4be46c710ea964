package subagent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"keepgo/internal/agentx"
)

// How a session waits. Nothing here has an effect on who only notifies.
const (
	dialLimit  = 5 * time.Second
	writeLimit = 5 * time.Second
	// heartbeat is how often a master that says nothing is asked whether it is
	// there, as net-snmp does by default (agentXPingInterval).
	heartbeat = 15 * time.Second
	// answerTime is how many seconds the master gives us, in Open and Register.
	answerTime = 5
	maxWaiting = 4096
)

// session is one connection to the master.
type session struct {
	conn    net.Conn
	id      uint32
	last    uint32 // packet
	in      chan agentx.Packet
	err     error                           // why in is closed
	waiting map[uint32]func(*agentx.Packet) // by the packet that they wait for the answer of
	refused map[string]uint16               // subtrees that another sub-agent has, and the error
	answers agentx.Responder
	alive   bool // heard since the last heartbeat
	log     func(format string, a ...any)
}

// dial connects to a master and opens a session.
func dial(ctx context.Context, o *Options, log func(string, ...any)) (*session, error) {
	network, address, err := Address(o.Socket)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: dialLimit}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, in: make(chan agentx.Packet), waiting: map[uint32]func(*agentx.Packet){}, refused: map[string]uint16{}, log: log}
	if err := s.open(o); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// open says who we are and waits for the number of the session.
func (s *session) open(o *Options) error {
	_ = s.conn.SetReadDeadline(time.Now().Add(dialLimit))
	r := bufio.NewReader(s.conn)
	if err := s.send(&agentx.Packet{Type: agentx.Open, Timeout: answerTime, OID: o.ID, Text: []byte(o.Name)}); err != nil {
		return err
	}
	p, err := agentx.Read(r)
	switch {
	case err != nil:
		return err
	case p.Type != agentx.Response:
		return fmt.Errorf("a packet of type %d instead of the answer to Open", p.Type)
	case p.Error != 0:
		return fmt.Errorf("it refuses a session: error %d", p.Error)
	}
	_ = s.conn.SetReadDeadline(time.Time{})
	s.id, s.alive = p.Session, true
	go s.read(r)
	return nil
}

// read hands over what the master says until the connection ends.
func (s *session) read(r *bufio.Reader) {
	defer close(s.in)
	for {
		p, err := agentx.Read(r)
		if err != nil {
			s.err = err
			return
		}
		s.in <- p
	}
}

// send writes a packet of the session; one that is no answer gets a number.
func (s *session) send(p *agentx.Packet) error {
	p.Session = s.id
	if p.Type != agentx.Response {
		s.last++
		p.ID = s.last
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeLimit))
	_, err := s.conn.Write(p.Append(nil))
	return err
}

// call sends a packet and hears its answer later.
func (s *session) call(p *agentx.Packet, then func(*agentx.Packet)) error {
	if len(s.waiting) >= maxWaiting {
		return errors.New("it answers nothing of what it is told")
	}
	err := s.send(p)
	s.waiting[p.ID] = then
	return err
}

// register asks for a subtree. One that another sub-agent has is asked for again
// with every heartbeat, and told once.
func (s *session) register(tree agentx.OID) error {
	name := tree.String()
	return s.call(&agentx.Packet{Type: agentx.Register, Timeout: answerTime, Priority: 127, OID: tree}, func(r *agentx.Packet) {
		was, refused := s.refused[name]
		switch {
		case r.Error == 0 && refused:
			s.log("SNMP: %s is ours now", name)
			delete(s.refused, name)
		case r.Error == agentx.Duplicate && was != r.Error:
			s.log("SNMP: another sub-agent of the master has %s, perhaps another keepalived; it is asked for again", name)
		case r.Error != 0 && was != r.Error:
			s.log("SNMP: the master refuses %s: error %d; it is asked for again", name, r.Error)
		}
		if r.Error != 0 {
			s.refused[name] = r.Error
		}
	})
}

// beat asks a master that was silent whether it is there, and once more for what
// it refused.
func (s *session) beat() error {
	if !s.alive {
		return errors.New("it does not answer")
	}
	s.alive = false
	for name := range s.refused {
		if err := s.register(agentx.MustOID(name)); err != nil {
			return err
		}
	}
	return s.call(&agentx.Packet{Type: agentx.Ping}, func(*agentx.Packet) {})
}

// heard deals with a packet of the master.
func (s *session) heard(p *agentx.Packet) error {
	s.alive = true
	switch {
	case p.Type == agentx.Close:
		return fmt.Errorf("it closes the session: reason %d", p.Reason)
	case p.Type == agentx.Response:
		then := s.waiting[p.ID]
		delete(s.waiting, p.ID)
		if p.Error == agentx.NotOpen {
			return errors.New("it knows our session no more")
		}
		if then != nil {
			then(p)
		}
		return nil
	case p.Session != s.id:
		return s.send(&agentx.Packet{Type: agentx.Response, Transaction: p.Transaction, ID: p.ID, Error: agentx.NotOpen})
	}
	if r := s.answers.Answer(p); r != nil {
		return s.send(r)
	}
	return nil
}

// end closes the session in order.
func (s *session) end() {
	const shutdown = 5 // reasonShutdown, RFC 2741 section 6.2.2
	_ = s.send(&agentx.Packet{Type: agentx.Close, Reason: shutdown})
	s.drop()
}

// drop ends the connection and its reader.
func (s *session) drop() {
	s.conn.Close()
	for range s.in {
	}
}

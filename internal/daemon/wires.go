package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"keepgo/internal/ha"
	"keepgo/vrrp"
	"keepgo/vrrp/sock"
)

// letter is an advert on its way: whose, and what is to be told of it.
type letter struct {
	wire     *wire
	in       *ha.Instance
	to       netip.Addr
	priority uint8
}

// speak is the beat of the adverts: all that one wire carries go together, once
// every wire stands that one of them needs.
func (l *vrrpLoop) speak(acts []ha.Action) {
	var wall time.Time // of all of them
	for i := range acts {
		switch a := &acts[i]; a.Kind {
		case ha.ActSend:
			if wall.IsZero() {
				wall = time.Now()
			}
			l.send(wall, a)
		case ha.ActWires:
			l.post()
			l.rewire()
		case ha.ActReserve:
			name, number := l.node.Reserved(a.ID)
			l.up.send(fromChild{Sequence: &sequence{name, number}})
		}
	}
	l.post()
}

// send sends an instance's advert to its group or to each of its peers.
func (l *vrrpLoop) send(wall time.Time, a *ha.Action) {
	advert := a.Compose(wall)
	if advert.Socket == 0 {
		return
	}
	w := l.plugs[advert.Socket-1]
	if w.conn.FD() < 0 {
		return
	}
	if w.group.IsValid() {
		l.sendTo(w, &advert, w.group, a.Priority)
		return
	}
	for i := range advert.Expect.Peers {
		l.sendTo(w, &advert, advert.Expect.Peers[i].Addr, a.Priority)
	}
}

// sendTo puts one packet to those that are to be sent.
func (l *vrrpLoop) sendTo(w *wire, advert *ha.Advert, dst netip.Addr, priority uint8) {
	if l.batch.Full() {
		l.post()
	}
	l.batch.Add(w.conn, advert.AppendTo(l.batch.Room(), dst), dst)
	l.letters = append(l.letters, letter{w, advert.Instance, dst, priority})
}

// post sends them.
func (l *vrrpLoop) post() {
	l.batch.Send(l.posted)
	clear(l.letters)
	l.letters = l.letters[:0]
}

// posted hears of the i-th. A failure is told once until a packet gets through to
// where this one was for, but not where the last one before a fault finds no way
// any more.
func (l *vrrpLoop) posted(i int, err error) {
	p := &l.letters[i]
	switch {
	case err == nil:
		if len(p.wire.lost) > 0 {
			delete(p.wire.lost, p.to)
		}
	case !p.wire.lost[p.to]:
		if p.priority > 0 {
			l.log("(%s) cannot send adverts: %v", p.in.Name, err)
		}
		if p.wire.lost == nil {
			p.wire.lost = map[netip.Addr]bool{}
		}
		p.wire.lost[p.to] = true
	}
}

// maxFailures to receive in a row are taken for the end of a socket.
const maxFailures = 16

// drain lets the node hear what has come on a wire.
func (l *vrrpLoop) drain(key ha.Wire, w *wire) (more bool) {
	more, err := w.conn.Read(l.room)
	if err == nil {
		w.failures = 0
		return more
	}
	l.log("receiving adverts: %v", err)
	if w.failures++; w.failures == maxFailures {
		l.log("%d failures in a row: nothing is heard on %s until it changes", maxFailures, key.Link)
		l.unplug(key, w)
	}
	return w.failures < maxFailures
}

// receive lets the node hear a packet.
func (l *vrrpLoop) receive(key ha.Wire, r *sock.Received) {
	now := time.Now()
	l.event = ha.Packet{Wire: key, At: now, Arrival: vrrp.Arrival{
		Src: r.Src, Dst: r.Dst, TTL: r.TTL, Header: r.Header(), Data: r.Data(),
	}}
	l.lull.heard++
	l.stepAt(l.clock.at(now)-waited(now, r.At), ha.Event{Kind: ha.EventPacket, Packet: &l.event})
}

// rewire opens the sockets the node needs and closes those it does not. One
// that cannot be opened is told and tried again when its interface changes.
func (l *vrrpLoop) rewire() {
	wanted := l.node.Wires()
	for key, w := range l.wires {
		if _, ok := wanted[key]; !ok {
			l.unplug(key, w)
		}
	}
	l.plugs = l.plugs[:0:0]
	sockets := make(map[ha.Wire]int, len(wanted))
	for key, use := range wanted {
		if l.wires[key] == nil {
			if err := l.plug(key, use); err != nil {
				l.log("%v", err)
				continue
			}
		}
		if err := l.wires[key].use(use); err != nil {
			l.log("%v", err)
		}
		l.plugs = append(l.plugs, l.wires[key])
		sockets[key] = len(l.plugs)
	}
	l.node.Plug(sockets)
}

// unplug closes a wire.
func (l *vrrpLoop) unplug(key ha.Wire, w *wire) {
	l.poll.remove(w.conn.FD())
	w.conn.Close()
	delete(l.wires, key)
}

// plug opens the socket of a wire, and listens.
func (l *vrrpLoop) plug(key ha.Wire, use ha.Use) error {
	w := &wire{group: key.Group, buffer: use.Buffer}
	var err error
	if w.conn, err = sock.Open(sock.Config{
		Link: key.Link, IfIndex: key.Index, Source: key.Source, Group: key.Group, Unicast: key.Unicast, AH: key.AH,
		TTL: use.TTL, Buffer: use.Buffer,
		Receive: func(r *sock.Received) { l.receive(key, r) },
	}); err != nil {
		return err
	}
	if err := l.poll.add(w.conn.FD(), func() bool { return l.drain(key, w) }); err != nil {
		w.conn.Close()
		return fmt.Errorf("listening on %s: %w", key.Link, err)
	}
	l.wires[key] = w
	return nil
}

// use fits an open socket to those who share it.
func (w *wire) use(u ha.Use) error {
	err := w.conn.SetVRIDs(u.VRIDs)
	if w.buffer != u.Buffer {
		w.buffer = u.Buffer
		err = errors.Join(err, w.conn.SetBuffer(u.Buffer))
	}
	return err
}

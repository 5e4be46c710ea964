package daemon

import (
	"errors"
	"net/netip"
	"time"

	"keepgo/internal/ha"
	"keepgo/vrrp"
	"keepgo/vrrp/sock"
)

// send sends an instance's advert to its group or to each of its peers.
func (l *vrrpLoop) send(id int, priority uint8) {
	in := l.node.Planned(id)
	key, ok := l.node.Wire(id)
	if !ok || in == nil {
		return
	}
	w := l.wires[key]
	if w == nil {
		return
	}
	l.node.Compose(time.Now(), id, priority)
	if !key.Unicast {
		l.sendTo(w, id, in.Group, priority)
		return
	}
	for i := range in.Expect.Peers {
		l.sendTo(w, id, in.Expect.Peers[i].Addr, priority)
	}
}

// sendTo sends one packet. A failure is told once until a packet gets through,
// but not where the last one before a fault finds no way any more.
func (l *vrrpLoop) sendTo(w *wire, id int, dst netip.Addr, priority uint8) {
	l.packet = l.node.AppendAdvert(l.packet[:0], id, dst)
	err := w.conn.Send(l.packet, dst)
	if err != nil && !w.silent && priority > 0 {
		l.log("(%s) cannot send adverts to %s: %v", l.node.Planned(id).Name, dst, err)
	}
	w.silent = err != nil
}

// receive lets the node hear a packet and gives its memory back.
func (l *vrrpLoop) receive(in *inbound) {
	l.event = ha.Packet{Wire: in.wire, At: time.Now(), Arrival: vrrp.Arrival{
		Src: in.pkt.Src, Dst: in.pkt.Dst, TTL: in.pkt.TTL, Header: in.pkt.Header(), Data: in.pkt.Data(),
	}}
	l.step(ha.Event{Kind: ha.EventPacket, Packet: &l.event})
	l.free <- in
}

// rewire opens the sockets the node needs and closes those it does not. One
// that cannot be opened is told and tried again when its interface changes.
func (l *vrrpLoop) rewire() {
	wanted := l.node.Wires()
	for key, w := range l.wires {
		if _, ok := wanted[key]; !ok {
			go w.conn.Close() // it waits for its reader, which may wait for this loop
			delete(l.wires, key)
		}
	}
	for key, use := range wanted {
		if l.wires[key] == nil {
			conn, err := l.open(key, use)
			if err != nil {
				l.log("%v", err)
				continue
			}
			l.wires[key] = &wire{conn: conn, buffer: use.Buffer}
		}
		if err := l.wires[key].use(use); err != nil {
			l.log("%v", err)
		}
	}
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

// open opens the socket of a wire.
func (l *vrrpLoop) open(key ha.Wire, use ha.Use) (*sock.Conn, error) {
	return sock.Open(sock.Config{
		Link: key.Link, IfIndex: key.Index, Source: key.Source, Group: key.Group, Unicast: key.Unicast, AH: key.AH,
		TTL: use.TTL, Buffer: use.Buffer,
		Receive: func(r *sock.Received) {
			in := <-l.free
			in.wire, in.pkt = key, *r
			l.heard <- in
		},
		Failed: func(err error) { l.log("receiving adverts on %s: %v", key.Link, err) },
	})
}

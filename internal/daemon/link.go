package daemon

import (
	"encoding/gob"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"sync"
)

// backlog bounds what waits for a peer that does not read. One that lets this
// much pile up is taken for dead.
const backlog = 100_000

// link carries values of one type to a peer process and of another from it,
// over a socket pair. Sending never waits for the peer.
type link[Out, In any] struct {
	conn net.Conn
	in   chan In // closed when the peer is gone

	mu     sync.Mutex
	queue  []Out
	kept   []Out // in place of queue while held
	held   bool
	closed bool
	wake   chan struct{}
	done   chan struct{} // closed when the writer has ended
}

// newLink speaks over an inherited or freshly made socket. It takes the file.
func newLink[Out, In any](f *os.File) (*link[Out, In], error) {
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, err
	}
	l := &link[Out, In]{
		conn: conn,
		in:   make(chan In, 64),
		wake: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
	go l.read(l.in)
	go l.write()
	return l, nil
}

// send queues a value for the peer.
func (l *link[Out, In]) send(v Out) {
	l.mu.Lock()
	switch {
	case l.held && len(l.kept) < backlog:
		l.kept = append(l.kept, v)
	case l.held:
	case len(l.queue) >= backlog:
		l.conn.Close()
	case !l.closed:
		l.queue = append(l.queue, v)
	}
	l.mu.Unlock()
	l.nudge()
}

// hold sends a last value and keeps what follows: the peer is about to become
// another program, which does not know what was said of types until now. It gets
// what was kept as one JSON list, when this end is closed.
func (l *link[Out, In]) hold(last Out) {
	l.mu.Lock()
	l.queue = append(l.queue, last)
	l.held, l.kept = true, []Out{}
	l.mu.Unlock()
	l.nudge()
}

// release sends what was kept: the peer has stayed what it was.
func (l *link[Out, In]) release() {
	l.mu.Lock()
	l.queue, l.kept, l.held = append(l.queue, l.kept...), nil, false
	l.mu.Unlock()
	l.nudge()
}

// holds tells whether anything is kept for another program.
func (l *link[Out, In]) holds() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// close sends what is queued and ends the link.
func (l *link[Out, In]) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.nudge()
	<-l.done
}

func (l *link[Out, In]) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take empties the queue.
func (l *link[Out, In]) take() (batch []Out, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch, l.queue = l.queue, nil
	return batch, l.closed
}

func (l *link[Out, In]) write() {
	defer close(l.done)
	defer l.conn.Close()
	enc := gob.NewEncoder(l.conn)
	for range l.wake {
		batch, closed := l.take()
		for i := range batch {
			if enc.Encode(&batch[i]) != nil {
				return
			}
		}
		if closed && l.holds() {
			_ = json.NewEncoder(l.conn).Encode(l.kept) // nothing is sent any more
		}
		if closed {
			return
		}
	}
}

func (l *link[Out, In]) read(in chan<- In) {
	defer close(in)
	dec := gob.NewDecoder(l.conn)
	for {
		var v In
		if err := dec.Decode(&v); err != nil {
			if !errors.Is(err, io.EOF) {
				l.conn.Close()
			}
			return
		}
		in <- v
	}
}

package probe

import (
	"context"
	"net"
	"sync"
)

// traceRoom bounds how much of each direction a Trace keeps.
const traceRoom = 2048

// Trace notes what is said during a probe, for people. Over TLS it is what is
// said inside. It keeps the beginning of each direction. The zero value is
// ready; it is safe for concurrent use.
type Trace struct {
	mu             sync.Mutex
	sent, received Said
	notes          []string
}

// Said is one direction of a conversation.
type Said struct {
	Head []byte // at most 2048 bytes
	Size int    // bytes in all
}

func (s *Said) add(b []byte) {
	s.Size += len(b)
	s.Head = append(s.Head, b[:min(len(b), traceRoom-len(s.Head))]...)
}

type traceKey struct{}

// WithTrace lets a probe made under ctx note in t what is said.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// traceOf is the trace of a probe; nil for almost all, which its methods take.
func traceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// Sent is what the probe said.
func (t *Trace) Sent() Said { return t.copy(&t.sent) }

// Received is what it heard.
func (t *Trace) Received() Said { return t.copy(&t.received) }

func (t *Trace) copy(s *Said) Said {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Said{append([]byte(nil), s.Head...), s.Size}
}

// Notes tell what happened beside the conversation, such as the handshake of TLS.
func (t *Trace) Notes() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.notes...)
}

func (t *Trace) note(text string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notes = append(t.notes, text)
}

func (t *Trace) sends(b []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent.add(b)
}

func (t *Trace) receives(b []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.received.add(b)
}

// over is a connection whose conversation is noted.
func (t *Trace) over(conn net.Conn) net.Conn {
	if t == nil {
		return conn
	}
	return overheard{conn, t}
}

type overheard struct {
	net.Conn
	trace *Trace
}

// Read implements net.Conn.
func (o overheard) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	o.trace.receives(b[:n])
	return n, err
}

// Write implements net.Conn.
func (o overheard) Write(b []byte) (int, error) {
	n, err := o.Conn.Write(b)
	o.trace.sends(b[:n])
	return n, err
}

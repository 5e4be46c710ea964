package bus

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// fake is a bus that hears what is said on it.
type fake struct {
	t        *testing.T
	listener net.Listener
	address  string
	caller   uint32 // the user of every caller
	taken    bool   // another program has the name
	deaf     bool   // it takes nothing after the name is given

	mu      sync.Mutex
	conns   []net.Conn
	names   []string
	said    []string
	replies []*dbus.Message
}

// newFake opens a bus at a path.
func newFake(t *testing.T, path string) *fake {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, listener: l, address: "unix:path=" + path}
	t.Cleanup(f.close)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, c)
			f.mu.Unlock()
			go f.serve(c)
		}
	}()
	return f
}

// close ends the bus, and every connection.
func (f *fake) close() {
	f.listener.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
	f.conns = nil
}

// serve lets one in, and answers what it asks the bus.
func (f *fake) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for begun := false; !begun; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch line = strings.Trim(line, "\x00\r\n"); {
		case line == "AUTH":
			fmt.Fprint(c, "REJECTED EXTERNAL\r\n")
		case line == "AUTH EXTERNAL":
			fmt.Fprint(c, "DATA\r\n")
		case strings.HasPrefix(line, "DATA"):
			fmt.Fprint(c, "OK 0123456789abcdef0123456789abcdef\r\n")
		case line == "BEGIN":
			begun = true
		}
	}
	for {
		m, err := dbus.DecodeMessage(r)
		if err != nil {
			return
		}
		if f.hear(c, m) {
			return
		}
	}
}

// hear keeps what was said, and answers calls. It tells whether to listen no
// more.
func (f *fake) hear(c net.Conn, m *dbus.Message) (enough bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch m.Type {
	case dbus.TypeSignal:
		f.said = append(f.said, strings.TrimSuffix(fmt.Sprintln(append([]any{head(m, dbus.FieldPath), head(m, dbus.FieldMember)}, m.Body...)...), "\n"))
	case dbus.TypeMethodReply, dbus.TypeError:
		f.replies = append(f.replies, m)
	case dbus.TypeMethodCall:
		member := fmt.Sprint(head(m, dbus.FieldMember))
		answer := map[string]any{"Hello": ":1.7", "RequestName": uint32(dbus.RequestNameReplyPrimaryOwner), "GetConnectionUnixUser": f.caller}[member]
		if member == "RequestName" {
			f.names = append(f.names, m.Body[0].(string))
			if f.taken {
				answer = uint32(dbus.RequestNameReplyExists)
			}
		}
		f.send(c, &dbus.Message{Type: dbus.TypeMethodReply, Body: []any{answer}, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldReplySerial: dbus.MakeVariant(m.Serial()), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(answer)),
		}})
		return f.deaf && member == "RequestName"
	}
	return false
}

func head(m *dbus.Message, f dbus.HeaderField) any { return m.Headers[f].Value() }

func (f *fake) send(c net.Conn, m *dbus.Message) {
	if err := m.EncodeTo(c, binary.LittleEndian); err != nil {
		f.t.Error(err)
	}
}

// call calls a method of whoever is on the bus, and waits for the answer.
func (f *fake) call(path, iface, member string, args ...any) *dbus.Message {
	f.t.Helper()
	f.mu.Lock()
	m := &dbus.Message{Type: dbus.TypeMethodCall, Body: args, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(path)), dbus.FieldInterface: dbus.MakeVariant(iface),
		dbus.FieldMember: dbus.MakeVariant(member), dbus.FieldSender: dbus.MakeVariant(":1.9"),
	}}
	if len(args) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(args...))
	}
	before := len(f.replies)
	f.send(f.conns[len(f.conns)-1], m)
	f.mu.Unlock()
	var reply *dbus.Message
	eventually(f.t, member+" is answered", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.replies) > before {
			reply = f.replies[before]
		}
		return reply != nil
	})
	return reply
}

// hears waits until the bus has heard just these signals since it was asked
// last, in this order.
func (f *fake) hears(want ...string) {
	f.t.Helper()
	var have []string
	eventually(f.t, "the bus hears "+strings.Join(want, ", "), func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		have = slices.Clone(f.said)
		return len(have) >= len(want)
	})
	if !slices.Equal(have, want) {
		f.t.Fatalf("the bus heard\n%s\nand not\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	f.mu.Lock()
	f.said = nil
	f.mu.Unlock()
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came that %s", what)
		}
		<-tick.C
	}
}

// subject is a door under test, with what it logs and what it is told to do.
type subject struct {
	*Door
	mu     sync.Mutex
	logged []string
	orders []string
	refuse error
}

func newSubject(t *testing.T, address string) *subject {
	s := &subject{}
	s.Door = New(Options{
		Address: address,
		Obey: func(_ context.Context, o Order, instance string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.orders = append(s.orders, strings.TrimSpace(string(o)+" "+instance))
			return s.refuse
		},
		Log: func(format string, args ...any) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.logged = append(s.logged, fmt.Sprintf(format, args...))
		},
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Close(ctx)
		if t.Failed() {
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Logf("it logged %q", s.logged)
		}
	})
	return s
}

// says counts the lines of the log that have a text in them.
func (s *subject) says(text string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.logged {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func socketIn(t *testing.T) string { return filepath.Join(t.TempDir(), "bus") }

package subagent

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keepgo/internal/agentx"
)

// one is a View of one object.
type one struct{}

var object = agentx.Bind{Name: root.Add(2, 0), Value: agentx.Text("two")}

var root, other = agentx.MustOID("1.3.6.1.4.1.5"), agentx.MustOID("1.3.6.1.4.1.7")

func (one) Get(agentx.OID) agentx.Value               { return object.Value }
func (one) Next(agentx.OID, bool) (agentx.Bind, bool) { return object, true }
func (one) Test(agentx.Bind) uint16                   { return 0 }

func view() agentx.View { return one{} }

// master is the other end of a session.
type master struct {
	t *testing.T
	l net.Listener
	c net.Conn
	r *bufio.Reader
}

// accept takes a session in, under a number.
func (m *master) accept(session uint32) {
	m.t.Helper()
	c, err := m.l.Accept()
	if err != nil {
		m.t.Fatal(err)
	}
	m.c, m.r = c, bufio.NewReader(c)
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	p := m.hear(agentx.Open)
	m.say(agentx.Packet{Type: agentx.Response, Session: session, ID: p.ID})
}

func (m *master) hear(want agentx.Type) agentx.Packet {
	m.t.Helper()
	p, err := agentx.Read(m.r)
	if err != nil || p.Type != want {
		m.t.Fatalf("the master hears %+v, %v, not type %d", p, err, want)
	}
	return p
}

func (m *master) say(p agentx.Packet) {
	m.t.Helper()
	if _, err := m.c.Write(p.Append(nil)); err != nil {
		m.t.Fatal(err)
	}
}

// lines is a log that tests read.
type lines struct {
	mu    sync.Mutex
	list  []string
	first chan struct{} // closed by the first line; nil where nobody waits for it
}

func (l *lines) add(format string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list = append(l.list, fmt.Sprintf(format, a...)); len(l.list) == 1 && l.first != nil {
		close(l.first)
	}
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

func TestSession(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master")
	log := &lines{first: make(chan struct{})}
	a := New(view, nil, log.add)
	a.Set(&Options{Socket: "unix:" + path, Name: "test", ID: root, Trees: []agentx.OID{root, other}})
	a.Notify(func() (agentx.OID, []agentx.Bind) { return root.Add(0, 1), []agentx.Bind{object} }) // before there is a master

	<-log.first // it has tried in vain
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := &master{t: t, l: l}
	m.accept(11)
	first, second := m.hear(agentx.Register), m.hear(agentx.Register)
	if first.Session != 11 || second.OID.String() != "1.3.6.1.4.1.7" {
		t.Errorf("it registers %+v and %+v", first, second)
	}
	m.say(agentx.Packet{Type: agentx.Response, Session: 11, ID: second.ID, Error: agentx.Duplicate})
	if p := m.hear(agentx.Notify); p.Binds[0].Value.OID.String() != "1.3.6.1.4.1.5.0.1" || len(p.Binds) != 2 {
		t.Errorf("it notifies of %+v", p)
	}
	m.say(agentx.Packet{Type: agentx.Get, Session: 11, Transaction: 5, ID: 6, Ranges: []agentx.Range{{Start: object.Name}}})
	if p := m.hear(agentx.Response); p.Transaction != 5 || p.ID != 6 || string(p.Binds[0].Value.Text) != "two" {
		t.Errorf("it answers %+v", p)
	}
	m.say(agentx.Packet{Type: agentx.Get, Session: 12, Ranges: []agentx.Range{{Start: object.Name}}})
	if p := m.hear(agentx.Response); p.Error != agentx.NotOpen {
		t.Errorf("to another session it answers %+v", p)
	}
	m.c.Close() // the master dies, and comes back

	m.accept(13)
	m.hear(agentx.Register)
	m.hear(agentx.Register)
	a.Set(nil)
	if p := m.hear(agentx.Close); p.Reason != 5 {
		t.Errorf("it closes with %+v", p)
	}
	a.Close(10 * time.Second)
	text := strings.Join(log.all(), "\n")
	for _, want := range []string{"connect: no such file", "connected to the AgentX master", "another sub-agent of the master has 1.3.6.1.4.1.7"} {
		if strings.Count(text, want) == 0 || strings.Count(text, "no such file") != 1 {
			t.Errorf("the log has not %q, or an absent master more than once:\n%s", want, text)
		}
	}
}

// What is told last is told before the agent ends.
func TestCloseSendsWhatWaits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := New(view, nil, t.Logf)
	a.Set(&Options{Socket: "tcp:" + l.Addr().String()})
	m := &master{t: t, l: l}
	m.accept(1)
	for i := range 3 {
		a.Notify(func() (agentx.OID, []agentx.Bind) { return root.Add(0, uint32(i)), nil })
	}
	ended := make(chan struct{})
	go func() { a.Close(20 * time.Second); close(ended) }()
	for range 3 {
		m.hear(agentx.Notify)
	}
	m.hear(agentx.Close)
	<-ended
}

// Nobody waits for an agent whose master takes nothing.
func TestNotifyNeverBlocks(t *testing.T) {
	log := &lines{}
	a := New(view, nil, log.add)
	a.Set(&Options{Socket: filepath.Join(t.TempDir(), "nobody")})
	for range traps + 100 {
		a.Notify(func() (agentx.OID, []agentx.Bind) { return nil, nil })
	}
	a.Close(10 * time.Second)
	if text := strings.Join(log.all(), "\n"); strings.Count(text, "are lost") != 1 {
		t.Errorf("the log says\n%s", text)
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"unix:/var/agentx/master": "unix /var/agentx/master", "/run/x": "unix /run/x", "tcp:localhost:705": "tcp localhost:705", "tcp:10.0.0.1": "tcp 10.0.0.1:705",
		"localhost:1705": "tcp localhost:1705", "tcp6:[::1]:705": "tcp6 [::1]:705", "tcp6:[::1]": "tcp6 [::1]:705",
	} {
		network, address, err := Address(in)
		if got := network + " " + address; err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", in, got, err, want)
		}
	}
	if _, _, err := Address("udp:localhost:705"); err == nil {
		t.Error("AgentX over UDP is no fault")
	}
}

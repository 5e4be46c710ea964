package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// nuisance is what a client of the control socket does: what it writes, and
// whether it reads on.
type nuisance struct {
	name string
	says func(r *rand.Rand) []byte
	mute bool // it waits for no answer, and does not go either
}

func request(method, path, body string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
}

var (
	methodsAsked = []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "get", "\x00", "PRI"}
	pathsAsked   = []string{"/status", "/events", "/events?after=x", "/events?after=99999999999999999999", "/rs", "/leave", "/maintenance", "/switchover", "/plan",
		"/explain/", "/explain/VI_1", "/explain/%00%ff", "/../../etc/passwd", "/" + strings.Repeat("a/", 4000), "*", "http://[::1", "/nosuch"}
	bodiesAsked = []string{"", "{", "[]", "null", "0", `{"verb":"drain"}`, `{"verb":"drain","server":"10.0.0.9"}`, `{"verb":"\u0000","server":"x","weight":-1e99}`,
		`{"path":"/dev/zero"}`, `{"path":"/proc/self/fd/0"}`, `{"path":"."}`, `{"path":""}`, `{"on":"yes"}`, `{"on":false}`, `{"name":"nosuch","back":true}`, `{"name":"\ud800"}`, `{"service":"x"}`,
		strings.Repeat("[", 60000), strings.Repeat(`{"a":`, 10000), "\xff\xfe\x00"}
)

var nuisances = []nuisance{
	{name: "says nothing", says: func(*rand.Rand) []byte { return nil }},
	{name: "noise", says: func(r *rand.Rand) []byte {
		b := make([]byte, r.IntN(4096))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}},
	{name: "half a header", says: func(*rand.Rand) []byte { return []byte("GET /status HTTP/1.1\r\nHost: ") }},
	{name: "huge header", says: func(*rand.Rand) []byte {
		return []byte("GET /status HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 1<<20))
	}},
	{name: "many headers", says: func(*rand.Rand) []byte {
		return []byte("GET /status HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 100_000))
	}},
	{name: "huge body", says: func(*rand.Rand) []byte { return request("POST", "/rs", strings.Repeat(" ", 4<<20)) }},
	{name: "body that does not come", says: func(*rand.Rand) []byte {
		return []byte("POST /rs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{")
	}},
	{name: "chunks without end", says: func(*rand.Rand) []byte {
		return []byte("POST /plan HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\n \r\n", 50_000))
	}},
	{name: "many requests at once, no answer read", mute: true, says: func(*rand.Rand) []byte {
		return bytes.Repeat(request("GET", "/status", ""), 3000)
	}},
	{name: "any request", says: func(r *rand.Rand) []byte {
		pick := func(list []string) string { return list[r.IntN(len(list))] }
		return request(pick(methodsAsked), pick(pathsAsked), pick(bodiesAsked))
	}},
}

// annoy does it once. It returns an error if the daemon neither answers nor hangs
// up in time.
func (n *nuisance) annoy(socket string, seed uint64) error {
	c, err := net.DialTimeout("unix", socket, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	says := n.says(rand.New(rand.NewPCG(seed, 0)))
	if n.mute {
		_, err = c.Write(says) // what the daemon does not take fails when it hangs up
	} else {
		go c.Write(says)
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%s (seed %d): no answer in %v", n.name, seed, patience)
	}
	return nil
}

// TestControlSocketIsAbused: whatever clients do, each is answered or let go, the
// daemon grows no more than so many clients take, and it stays MASTER.
func TestControlSocketIsAbused(t *testing.T) {
	t.Parallel()
	k := wire{version: 2}
	a := confA(k)
	a.after = refused
	w := newPair(t, k, a, confB(k))
	d := w.a
	w.eventually("it answers", func() bool { return d.state() == "MASTER" })
	fifo := w.lab.Dir + "/fifo"
	w.do(syscall.Mkfifo(fifo, 0o600))
	if out, err := d.ask("plan", fifo); err == nil || !strings.Contains(out, "is no file") {
		t.Errorf("the plan of a pipe: %v %s", err, out)
	}
	since, pid, before := time.Now(), d.proc.PID(), sizeOf(d.proc.PID())
	var clients sync.WaitGroup
	var done atomic.Int32
	for i := range 400 {
		clients.Go(func() {
			if err := nuisances[i%len(nuisances)].annoy(d.socket, uint64(i)); err != nil {
				t.Error(err)
			}
			done.Add(1)
		})
	}
	clients.Wait()
	w.eventually("it answers again", func() bool { return d.state() == "MASTER" })
	w.moreAdverts(d, 2)
	w.unshaken(d, k.interval(), since)
	w.eventually("descriptors are given back", func() bool { return sizeOf(pid).files <= before.files+3 })
	after := sizeOf(pid)
	t.Logf("%d clients in %v: %+v, then %+v", done.Load(), time.Since(since).Round(time.Second), before, after)
	if after.kilobytes > before.kilobytes+64<<10 {
		t.Errorf("it grew: %+v, then %+v", before, after)
	}
	if log := d.proc.Log(); strings.Contains(log, "panic") {
		t.Errorf("it panicked:\n%s", log)
	}
	d.stop()
}

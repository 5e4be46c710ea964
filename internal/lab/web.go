package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
)

// target is a service as clients see it.
type target struct {
	netip.AddrPort
	speaks string
}

func (t target) String() string { return t.speaks + " " + t.AddrPort.String() }

// web is a client that asks a virtual server over and over.
type web struct {
	client  *netlab.Host
	target  target
	mu      sync.Mutex
	answers drill.Answers
	last    time.Time     // of the last answer
	gap     time.Duration // the longest time between two
	heardAt []time.Time   // every answer
}

// Times of the clients.
const (
	askEvery = 50 * time.Millisecond // the pause between two questions
	askTime  = time.Second           // the longest an answer may take
)

// ask starts to ask until ctx ends.
func ask(ctx context.Context, client *netlab.Host, t target) *web {
	w := &web{client: client, target: t, answers: drill.Answers{Target: t.String(), Servers: map[string]int{}}}
	go func() {
		tick := time.NewTicker(askEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.one(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return w
}

// one asks once and notes who answered.
func (w *web) one(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	server, err := w.question(limited)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		w.answers.Failed++
	default:
		w.answers.Servers[server]++
		w.heard(time.Now())
	}
}

func (w *web) heard(now time.Time) {
	if !w.last.IsZero() {
		w.gap = max(w.gap, now.Sub(w.last))
	}
	w.last = now
	w.heardAt = append(w.heardAt, now)
}

// silent is the longest time without an answer between an instant and now;
// false before the first.
func (w *web) silent(since time.Time) (longest time.Duration, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := since
	for i := sort.Search(len(w.heardAt), func(i int) bool { return w.heardAt[i].After(since) }); i < len(w.heardAt); i++ {
		longest, last = max(longest, w.heardAt[i].Sub(last)), w.heardAt[i]
	}
	return max(longest, time.Since(last)), len(w.heardAt) > 0
}

// question asks once, and returns the server that answered.
func (w *web) question(ctx context.Context) (server string, err error) {
	network := "tcp"
	if w.target.speaks == speaksUDP || w.target.speaks == speaksDNS {
		network = "udp"
	}
	c, err := w.client.Dial(ctx, network, w.target.AddrPort.String())
	if err != nil {
		return "", err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		c.SetDeadline(end)
	}
	switch w.target.speaks {
	case speaksHTTPS:
		return whoHTTP(encrypted(c), nil, w.target)
	case speaksSMTP:
		return whoSMTP(bufio.NewReader(c))
	case speaksDNS:
		return whoDNS(c)
	case speaksUDP:
		return whoUDP(c)
	}
	return whoHTTP(c, nil, w.target)
}

// encrypted begins TLS with a server of the lab, whose certificate is its own.
func encrypted(c net.Conn) net.Conn { return tls.Client(c, &tls.Config{InsecureSkipVerify: true}) }

// mostBody bounds what is read of a page.
const mostBody = 1 << 18

// whoHTTP asks for a page: the only one of its connection, unless there is a
// reader that has more to read.
func whoHTTP(c net.Conn, more *bufio.Reader, t target) (string, error) {
	ending, in := "", more
	if more == nil {
		ending, in = "Connection: close\r\n", bufio.NewReader(c)
	}
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", t.AddrPort, ending); err != nil {
		return "", err
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, mostBody)); err != nil {
		return "", err
	}
	if more != nil && res.Close {
		return "", errors.New("the server wants no more questions")
	}
	return res.Header.Get(serverHeader), nil
}

// whoSMTP reads a line of a mail server.
func whoSMTP(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "220" && words[0] != "250" {
		return "", fmt.Errorf("the mail server says %.60q", line)
	}
	return words[1], nil
}

func whoUDP(c net.Conn) (string, error) {
	if _, err := io.WriteString(c, question); err != nil {
		return "", err
	}
	b := make([]byte, 512)
	n, err := c.Read(b)
	return string(b[:n]), err
}

func whoDNS(c net.Conn) (string, error) {
	name, err := dnsmessage.NewName(whoName)
	if err != nil {
		return "", err
	}
	ask := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(time.Now().UnixNano()), RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}}}
	b, err := ask.Pack()
	if err != nil {
		return "", err
	}
	if _, err := c.Write(b); err != nil {
		return "", err
	}
	b = make([]byte, 512)
	n, err := c.Read(b)
	if err != nil {
		return "", err
	}
	var reply dnsmessage.Message
	if err := reply.Unpack(b[:n]); err != nil || reply.ID != ask.ID || len(reply.Answers) == 0 {
		return "", fmt.Errorf("no answer to the question: %w", err)
	}
	if txt, ok := reply.Answers[0].Body.(*dnsmessage.TXTResource); ok && len(txt.TXT) > 0 {
		return txt.TXT[0], nil
	}
	return "", errors.New("the answer has no text")
}

// soFar is what the client got until now.
func (w *web) soFar() *drill.Answers {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.answers
	a.Servers = maps.Clone(a.Servers)
	return &a
}

// forget begins the longest time without an answer anew.
func (w *web) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gap = 0
}

// silence is how long the client has been without an answer, and the longest it
// ever was; zero before the first.
func (w *web) silence() (now, longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last.IsZero() {
		return 0, 0
	}
	now = time.Since(w.last)
	return now, max(now, w.gap)
}

// Package client asks a virtual server over and over, each time over a
// connection of its own, and hears who answers.
package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"syscall"
	"time"

	"keepgo/internal/traffic"
)

// Mode is how it is asked.
type Mode string

// The modes.
const (
	HTTP Mode = "http" // a page; the first text in it, or a header, tells the server
	TLS  Mode = "tls"  // the same over TLS, whoever signed the certificate
	TCP  Mode = "tcp"  // a connection; the first line that the server says tells it
	UDP  Mode = "udp"  // a datagram; the first line of the answer tells the server
)

// Options say what is asked.
type Options struct {
	Target  netip.AddrPort
	Mode    Mode
	Rate    float64       // questions a second, up to MaxRate
	Timeout time.Duration // of one
	Host    string        // HTTP, TLS: the site's name; "" for the address
	Path    string        // HTTP, TLS: of the page
	Header  string        // HTTP, TLS: the one that tells the server; "" for the page
	Send    string        // TCP, UDP: what is said first
}

// Bounds.
const (
	MaxRate  = 1000     // questions a second
	maxReply = 8 << 10  // bytes that are read
	waiting  = 4 * 1000 // questions that may be under way
	// greeting is how long a TCP server may take to say something unasked.
	greeting = 300 * time.Millisecond
)

// Told says by what servers are told apart.
func (o *Options) Told() string {
	switch {
	case o.Mode == TCP:
		return "the first line they say"
	case o.Mode == UDP:
		return "the first line of their answer"
	case o.Header != "":
		return "the header " + o.Header
	}
	return "the first text of their page"
}

// String is what is asked for, as an address of the web has it.
func (o *Options) String() string {
	scheme := string(o.Mode)
	if o.Mode == TLS {
		scheme = "https"
	}
	u := url.URL{Scheme: scheme, Host: o.Target.String(), Path: o.Path}
	return u.String()
}

// Run asks until ctx ends, and calls heard for every answer, one at a time, also
// for those that come after that. Questions go out when they are due, whatever
// became of those before.
func Run(ctx context.Context, o Options, heard func(traffic.Answer)) {
	r := run{Options: o, begin: time.Now(), answers: make(chan traffic.Answer, waiting), places: make(chan struct{}, waiting)}
	r.ask = r.asker()
	told := make(chan struct{})
	go func() {
		defer close(told)
		for a := range r.answers {
			heard(a)
		}
	}()
	r.all(ctx)
	for range waiting { // all are back
		r.places <- struct{}{}
	}
	close(r.answers)
	<-told
}

// run is one at work.
type run struct {
	Options
	ask     func(context.Context) (name string, waited time.Duration, err error)
	begin   time.Time
	answers chan traffic.Answer
	places  chan struct{} // taken by questions that are under way
}

// all asks at the rate until ctx ends.
func (r *run) all(ctx context.Context) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / r.Rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		due := time.Duration(float64(n) / r.Rate * float64(time.Second))
		for time.Since(r.begin) < due {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		r.places <- struct{}{}
		go r.one(due)
	}
}

// one asks once.
func (r *run) one(due time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), r.Timeout)
	defer cancel()
	name, waited, err := r.ask(ctx)
	a := traffic.Answer{At: due, Took: time.Since(r.begin) - due - waited, Server: name}
	if err != nil {
		a.Server, a.Fault = "", fault(err)
	}
	r.answers <- a
	<-r.places // not before: the places tell that all answers are there
}

// fault is an error in a few words, without what is different every time.
func fault(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return "no answer in time"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	return traffic.Name(err.Error())
}

// asker is what asks once and tells who answered. waited is how long it waited
// in vain for a word of a server that has answered.
func (o *Options) asker() func(context.Context) (name string, waited time.Duration, err error) {
	if o.Mode == TCP || o.Mode == UDP {
		return o.line
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxReply,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: o.Host}}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context) (string, time.Duration, error) {
		name, err := o.page(ctx, client)
		return name, 0, err
	}
}

// page asks for a page.
func (o *Options) page(ctx context.Context, client *http.Client) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.String(), nil)
	if err != nil {
		return "", err
	}
	req.Host = o.Host
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	switch {
	case err != nil:
		return "", err
	case res.StatusCode >= http.StatusInternalServerError:
		return "", fmt.Errorf("HTTP status %d", res.StatusCode)
	case o.Header != "":
		return named(res.Header.Get(o.Header), "(no "+o.Header+")"), nil
	}
	return named(string(body), "(an empty page)"), nil
}

// named is a server's name of what it said.
func named(said, empty string) string {
	if name := traffic.Name(said); name != "" {
		return name
	}
	return empty
}

// line connects, says what is to be said and reads a line.
func (o *Options) line(ctx context.Context) (string, time.Duration, error) {
	conn, err := new(net.Dialer).DialContext(ctx, string(o.Mode), o.Target.String())
	if err != nil {
		return "", 0, err
	}
	defer conn.Close()
	end, _ := ctx.Deadline()
	patient := o.Mode == UDP || o.Send != ""
	connected := time.Now()
	if !patient && end.After(connected.Add(greeting)) {
		end = connected.Add(greeting)
	}
	if err = conn.SetDeadline(end); err == nil && patient {
		_, err = io.WriteString(conn, o.Send)
	}
	if err != nil {
		return "", 0, err
	}
	text, err := firstLine(conn)
	switch {
	case text != "":
		return named(text, "(an empty line)"), 0, nil
	case !patient && os.IsTimeout(err):
		return "(says nothing)", time.Since(connected), nil
	}
	return "", 0, err
}

// firstLine is what a server says until it ends the line, the datagram or the
// connection.
func firstLine(conn net.Conn) (string, error) {
	if _, udp := conn.(*net.UDPConn); udp {
		buf := make([]byte, maxReply)
		n, err := conn.Read(buf)
		if n == 0 && err == nil {
			return " ", nil // an empty datagram
		}
		return string(buf[:n]), err
	}
	return bufio.NewReader(io.LimitReader(conn, maxReply)).ReadString('\n')
}

package probe

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"keepgo/checker"
	"keepgo/checker/pcre"
)

// Bounds on what a server may make us read.
const (
	maxHead = 64 << 10
	maxBody = 64 << 20
)

// askHTTP is HTTP_GET and SSL_GET: one request for the step-th url. Connecting,
// the TLS handshake and every read and write may each take the check's timeout,
// and all of it together four times that and one interval more.
func askHTTP(ctx context.Context, c *checker.Check, step int) checker.Outcome {
	if c.Probe.Web == nil || step >= len(c.Probe.Web.URLs) {
		return checker.Outcome{Answer: checker.Local, Why: "no url to ask", Phrase: httpSubject(c) + ": no url to ask."}
	}
	url := &c.Probe.Web.URLs[step]
	end := time.Now().Add(4*c.Timeout + c.Interval)
	conn, err := dial(ctx, &c.Probe, c.Timeout)
	if err != nil {
		return connectFailure(c, url, err)
	}
	defer conn.Close() // without TLS's close_notify, as keepalived does by default
	return exchange(&pacedConn{Conn: conn, step: c.Timeout, end: end, trace: traceOf(ctx)}, c, url)
}

func connectFailure(c *checker.Check, url *checker.URL, err error) checker.Outcome {
	o := checker.Outcome{Answer: answer(err), Why: reason(err, c.Timeout), Rule: patience(c, err)}
	switch {
	case o.Answer == checker.Local:
		o.Phrase = "WEB connection to " + c.Name + " could not be tried (" + o.Why + "). Rescheduling."
	case timedOut(err):
		o.Phrase = onURL("Timeout connecting", c, url) + "."
	default:
		o.Phrase = onURL("Connection failed", c, url) + ". (" + o.Why + ")"
	}
	return o
}

// exchange asks url over a connection that stands and judges the answer.
func exchange(conn *pacedConn, c *checker.Check, url *checker.URL) checker.Outcome {
	if c.Probe.Web.TLS == nil {
		return getURL(conn.trace.over(conn), c, url)
	}
	s, err := secure(conn, c, url, c.Timeout)
	if err != nil {
		return broken("TLS handshake", c, url, err)
	}
	if conn.trace != nil {
		conn.trace.note(handshake(s))
	}
	o := getURL(conn.trace.over(s), c, url)
	if url.Polite && o.Answer == checker.Passed {
		if err := part(s); err != nil {
			return broken("TLS shutdown", c, url, err)
		}
	}
	return o
}

// buffers are those of headers and bodies.
var buffers = sync.Pool{New: func() any { b := make([]byte, 4096); return &b }}

// getURL asks and judges, over TLS or not.
func getURL(conn net.Conn, c *checker.Check, url *checker.URL) checker.Outcome {
	if _, err := conn.Write(request(c.Probe.Web.Protocol, url)); err != nil {
		return broken("Timeout WEB write", c, url, err)
	}
	return judge(conn, c, url)
}

// judge reads an answer and judges it. Of one with a status that is not wanted
// it reads the header alone.
func judge(r io.Reader, c *checker.Check, url *checker.URL) checker.Outcome {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	head, rest, err := readHead(r, *buf)
	if err != nil {
		return broken("Timeout WEB read", c, url, err)
	}
	status, err := parseStatus(head)
	if err != nil || !wanted(url.Status, status) {
		if err == nil {
			err = fmt.Errorf("status %d, wanted %s", status, wantedText(url.Status))
		}
		return bad("HTTP status code", "status_code "+wantedText(url.Status), c, url, err)
	}
	return judgeBody(&bodyReader{rest: rest, r: r, length: contentLength(head)}, c, url, status)
}

// judgeBody reads the whole body, keeping none of it, and compares digest and
// regex where they are wanted.
func judgeBody(body *bodyReader, c *checker.Check, url *checker.URL, status int) checker.Outcome {
	matched, digest, err := compare(body, c, url)
	if body.err != nil {
		return broken("Timeout HTTP read", c, url, body.err)
	}
	if err != nil {
		return bad("Regex match", regexRule(url), c, url, err)
	}
	switch {
	case url.Digest != "" && !strings.EqualFold(digest, url.Digest):
		return bad("MD5 digest", "digest "+url.Digest, c, url, fmt.Errorf("digest of %d bytes is %s, wanted %s%s", body.n, digest, url.Digest, body.shortfall()))
	case url.Regex != nil && matched == url.NoMatch:
		return bad("Regex match", regexRule(url), c, url, regexFault(url.NoMatch))
	}
	return checker.Outcome{Answer: checker.Passed, Why: statusWhy(status, url) + body.shortfall(),
		Phrase: tested(url) + " success to " + c.Name + " url(" + url.Path + ")"}
}

func statusWhy(status int, url *checker.URL) string {
	return "status " + strconv.Itoa(status) + " from " + url.Path
}

// compare reads the body to its end.
func compare(body *bodyReader, c *checker.Check, url *checker.URL) (matched bool, digest string, err error) {
	var sum hash.Hash
	r := io.Reader(body)
	if url.Digest != "" {
		sum = md5.New()
		r = io.TeeReader(body, sum)
	}
	if url.Regex != nil {
		if matched, err = match(url.Regex, r, c.Timeout); err != nil {
			return false, "", err
		}
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for err == nil {
		_, err = r.Read(*buf)
	}
	if sum != nil {
		digest = hex.EncodeToString(sum.Sum(nil))
	}
	return matched, digest, ignoreEnd(err)
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// tested names the last thing a url's answer was compared by.
func tested(url *checker.URL) string {
	switch {
	case url.Regex != nil:
		return "Regex match"
	case url.Digest != "":
		return "MD5 digest"
	}
	return "HTTP status code"
}

func regexRule(url *checker.URL) string {
	text := "regex " + strconv.Quote(url.Regex.Text)
	if url.NoMatch {
		text += ", regex_no_match"
	}
	return text
}

func regexFault(noMatch bool) error {
	if noMatch {
		return errors.New("body matches the regex that it must not match")
	}
	return errors.New("body does not match the regex")
}

// match searches a body. Patterns are compiled once.
func match(p *pcre.Pattern, body io.Reader, limit time.Duration) (bool, error) {
	x, err := patterns.of(p, limit)
	if err != nil {
		return false, err
	}
	return x.Match(body)
}

// patterns are those compiled so far, until the configuration is read again.
var patterns = library{known: map[string]*pcre.Matcher{}}

type library struct {
	mu    sync.Mutex
	known map[string]*pcre.Matcher
}

func (l *library) of(p *pcre.Pattern, limit time.Duration) (*pcre.Matcher, error) {
	key := fmt.Sprintf("%d %d %v %v %s", p.Min, p.Max, limit, p.Options, p.Text)
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.known[key]; x != nil {
		return x, nil
	}
	x, err := p.Compile(limit)
	if err == nil {
		l.known[key] = x
	}
	return x, err
}

func (l *library) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.known)
}

// broken is the outcome of an exchange that did not come to its end.
func broken(during string, c *checker.Check, url *checker.URL, err error) checker.Outcome {
	why := reason(err, c.Timeout)
	if errors.Is(err, errTooLong) {
		why = fmt.Sprintf("answer not complete within %v", 4*c.Timeout+c.Interval)
	}
	if strings.HasPrefix(during, "TLS") {
		why = during + ": " + why
	} else if !timedOut(err) && !errors.Is(err, errTooLong) {
		during = "Error in answer"
	}
	rule := patience(c, err)
	if errors.Is(err, errTooLong) {
		rule = fmt.Sprintf("4 x connect_timeout %v + delay_loop %v", c.Timeout, c.Interval)
	}
	return checker.Outcome{Answer: answer(err), Why: why + " (" + url.Path + ")", Phrase: onURL(during, c, url) + ". (" + why + ")", Rule: rule}
}

// bad is the outcome of an answer that is not the one wanted by a rule.
func bad(what, rule string, c *checker.Check, url *checker.URL, err error) checker.Outcome {
	return checker.Outcome{Why: err.Error() + " (" + url.Path + ")", Rule: rule,
		Phrase: onURL(what+" error to", c, url) + ": " + err.Error() + "."}
}

func onURL(what string, c *checker.Check, url *checker.URL) string {
	return fmt.Sprintf("%s %s url(%s)", what, c.Name, url.Path)
}

// request is keepalived's request, byte for byte.
func request(protocol string, url *checker.URL) []byte {
	b := make([]byte, 0, 96+len(url.Path)+len(url.Host))
	b = append(append(b, "GET "...), url.Path...)
	if protocol == "1.1" {
		b = append(b, " HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\n"...)
	} else {
		b = append(b, " HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\n"...)
	}
	if protocol == "1.1" || protocol == "1.0C" {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(append(append(b, "Host: "...), url.Host...), "\r\n\r\n"...)
}

// wanted says that status is in one of the ranges, or 200..299 without any.
func wanted(ranges []checker.Range, status int) bool {
	for _, r := range ranges {
		if status >= r.First && status <= r.Last {
			return true
		}
	}
	return len(ranges) == 0 && status >= 200 && status <= 299
}

func wantedText(ranges []checker.Range) string {
	if len(ranges) == 0 {
		return "200-299"
	}
	var b strings.Builder
	for i, r := range ranges {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d", r.First)
		if r.Last != r.First {
			fmt.Fprintf(&b, "-%d", r.Last)
		}
	}
	return b.String()
}

func httpSubject(c *checker.Check) string {
	if w := c.Probe.Web; w != nil && w.TLS != nil {
		return "SSL_CHECK on service " + c.Name
	}
	return "HTTP_CHECK on service " + c.Name
}

func httpUp(c *checker.Check) string {
	return "Remote Web server " + c.Name + " succeed on service."
}

// errTooLong ends an exchange whose overall time is over.
var errTooLong = errors.New("overall time is over")

// pacedConn bounds every read and write, and the sum of them.
type pacedConn struct {
	net.Conn
	step  time.Duration
	end   time.Time
	until time.Time // an earlier end of what is under way, zero none
	trace *Trace    // nil: nobody listens
}

// deadline is when the read or write that begins now must be over.
func (p *pacedConn) deadline() time.Time {
	t := time.Now().Add(p.step)
	for _, end := range []time.Time{p.end, p.until} {
		if !end.IsZero() && end.Before(t) {
			t = end
		}
	}
	return t
}

// late says it where the overall time was what ended a read or write.
func (p *pacedConn) late(err error) error {
	if err != nil && !time.Now().Before(p.end) {
		return errTooLong
	}
	return err
}

// Read implements net.Conn.
func (p *pacedConn) Read(b []byte) (int, error) {
	p.Conn.SetReadDeadline(p.deadline())
	n, err := p.Conn.Read(b)
	return n, p.late(err)
}

// Write implements net.Conn.
func (p *pacedConn) Write(b []byte) (int, error) {
	p.Conn.SetWriteDeadline(p.deadline())
	n, err := p.Conn.Write(b)
	return n, p.late(err)
}

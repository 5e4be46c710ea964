package probe

import (
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"time"

	"keepgo/checker"
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
	if step >= len(c.Probe.URLs) {
		return checker.Outcome{Answer: checker.Local, Why: "no url to ask", Phrase: httpSubject(c) + ": no url to ask."}
	}
	url := &c.Probe.URLs[step]
	end := time.Now().Add(4*c.Timeout + c.Interval)
	conn, err := dial(ctx, &c.Probe, c.Timeout)
	if err != nil {
		return connectFailure(c, url, err)
	}
	defer conn.Close() // without TLS's close_notify, as keepalived does by default
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return exchange(&pacedConn{Conn: conn, step: c.Timeout, end: end}, c, url)
}

func connectFailure(c *checker.Check, url *checker.URL, err error) checker.Outcome {
	o := checker.Outcome{Answer: answer(err), Why: reason(err, c.Timeout)}
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
func exchange(conn net.Conn, c *checker.Check, url *checker.URL) checker.Outcome {
	if c.Probe.TLS {
		secure := tls.Client(conn, tlsConfig(url))
		if err := secure.Handshake(); err != nil {
			return broken("TLS handshake", c, url, err)
		}
		conn = secure
	}
	if _, err := io.WriteString(conn, request(c.Probe.Protocol, url)); err != nil {
		return broken("Timeout WEB write", c, url, err)
	}
	head, rest, err := readHead(conn)
	if err != nil {
		return broken("Timeout WEB read", c, url, err)
	}
	status, err := parseStatus(head)
	if err != nil || !wanted(url.Status, status) {
		if err == nil {
			err = fmt.Errorf("status %d, wanted %s", status, wantedText(url.Status))
		}
		return bad("HTTP status code", c, url, err)
	}
	return judgeBody(io.MultiReader(rest, conn), head, c, url, status)
}

// judgeBody reads the whole body, keeping none of it, and compares digest and
// regex where they are wanted.
func judgeBody(r io.Reader, head []byte, c *checker.Check, url *checker.URL, status int) checker.Outcome {
	body := &bodyReader{r: r, length: contentLength(head)}
	sum := md5.New()
	matched, err := match(url.Regex, io.TeeReader(body, sum))
	if err == nil {
		_, err = io.Copy(sum, body)
	}
	if body.err != nil {
		return broken("Timeout HTTP read", c, url, body.err)
	}
	if err != nil {
		return bad("Regex match", c, url, err)
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	switch {
	case url.Digest != "" && !strings.EqualFold(digest, url.Digest):
		return bad("MD5 digest", c, url, fmt.Errorf("digest of %d bytes is %s, wanted %s%s", body.n, digest, url.Digest, body.shortfall()))
	case url.Regex != "" && matched == url.NoMatch:
		return bad("Regex match", c, url, regexFault(url.NoMatch))
	}
	return checker.Outcome{Answer: checker.Passed, Why: fmt.Sprintf("status %d from %s", status, url.Path),
		Phrase: fmt.Sprintf("%s success to %s url(%s).", tested(url), c.Name, url.Path)}
}

// tested names the last thing a url's answer was compared by.
func tested(url *checker.URL) string {
	switch {
	case url.Regex != "":
		return "Regex match"
	case url.Digest != "":
		return "MD5 digest"
	}
	return "HTTP status code"
}

func regexFault(noMatch bool) error {
	if noMatch {
		return errors.New("body matches the regex that it must not match")
	}
	return errors.New("body does not match the regex")
}

func match(pattern string, r io.Reader) (bool, error) {
	if pattern == "" {
		return false, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return false, err
	}
	return re.MatchReader(&runeReader{r: r}), nil
}

// broken is the outcome of an exchange that did not come to its end.
func broken(during string, c *checker.Check, url *checker.URL, err error) checker.Outcome {
	why := reason(err, c.Timeout)
	if errors.Is(err, errTooLong) {
		why = fmt.Sprintf("answer not complete within %v", 4*c.Timeout+c.Interval)
	}
	if during == "TLS handshake" {
		why = "TLS handshake: " + why
	} else if !timedOut(err) && !errors.Is(err, errTooLong) {
		during = "Error in answer"
	}
	return checker.Outcome{Why: why + " (" + url.Path + ")", Phrase: onURL(during, c, url) + ". (" + why + ")"}
}

// bad is the outcome of an answer that is not the one wanted.
func bad(what string, c *checker.Check, url *checker.URL, err error) checker.Outcome {
	return checker.Outcome{Why: err.Error() + " (" + url.Path + ")",
		Phrase: onURL(what+" error to", c, url) + ": " + err.Error() + "."}
}

func onURL(what string, c *checker.Check, url *checker.URL) string {
	return fmt.Sprintf("%s %s url(%s)", what, c.Name, url.Path)
}

// request is keepalived's request, byte for byte.
func request(protocol string, url *checker.URL) string {
	version, closing := "1.0", ""
	if protocol == "1.1" {
		version = "1.1"
	}
	if protocol == "1.1" || protocol == "1.0C" {
		closing = "Connection: close\r\n"
	}
	return "GET " + url.Path + " HTTP/" + version + "\r\nUser-Agent: KeepAliveClient\r\n" +
		closing + "Host: " + url.Host + "\r\n\r\n"
}

// tlsConfig accepts every certificate, and old servers: a check asks whether a
// server serves, not who it is.
func tlsConfig(url *checker.URL) *tls.Config {
	cfg := &tls.Config{InsecureSkipVerify: true, ServerName: url.SNI, MinVersion: tls.VersionTLS10}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		cfg.CipherSuites = append(cfg.CipherSuites, s.ID)
	}
	return cfg
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
	if c.Probe.TLS {
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
	step time.Duration
	end  time.Time
}

// deadline is when the read or write that begins now must be over.
func (p *pacedConn) deadline() time.Time {
	if t := time.Now().Add(p.step); t.Before(p.end) {
		return t
	}
	return p.end
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

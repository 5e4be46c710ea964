package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"keepgo/checker"
)

// maxSMTPLine bounds the line of a mail server, as keepalived's buffer does.
const maxSMTPLine = 512

// askSMTP is SMTP_CHECK: greeting, HELO, QUIT. Connecting and every step may
// take the check's timeout.
func askSMTP(ctx context.Context, c *checker.Check, _ int) checker.Outcome {
	conn, err := dial(ctx, &c.Probe, c.Timeout)
	if err != nil {
		return smtpOutcome(c, err, "Could not connect to server")
	}
	defer conn.Close()
	during, err := dialogue(&steps{conn: traceOf(ctx).over(conn), limit: c.Timeout}, c.Probe.Helo)
	if err != nil {
		return smtpOutcome(c, err, during)
	}
	return checker.Outcome{Answer: checker.Passed, Why: "said 250"}
}

// dialogue is the whole conversation; during says where it broke off.
func dialogue(s *steps, helo string) (during string, err error) {
	if err := s.expect("220"); err != nil {
		return "Bad greeting banner from server", err
	}
	if err := s.say("HELO " + helo + "\r\n"); err != nil {
		return "Write failure to server", err
	}
	if err := s.expect("250"); err != nil {
		return "Bad HELO response from server", err
	}
	if err := s.say("QUIT\r\n"); err != nil {
		return "Write failure to server", err
	}
	if _, err := s.line(); err != nil && !errors.Is(err, errLongLine) { // what it says is not looked at
		return "Read failure from server", err
	}
	return "", nil
}

// smtpOutcome is a failure in keepalived's words.
func smtpOutcome(c *checker.Check, err error, during string) checker.Outcome {
	target := fmt.Sprintf("[%s]:%d", c.Probe.Target.Addr(), c.Probe.Target.Port())
	o := checker.Outcome{Answer: answer(err), Why: reason(err, c.Timeout), Rule: patience(c, err)}
	switch {
	case o.Answer == checker.Local:
		o.Phrase = "SMTP_CHECK connection to " + target + " could not be tried (" + o.Why + "). Rescheduling."
		return o
	case timedOut(err) && during == "Could not connect to server":
		during = "Connection timeout to server"
	case timedOut(err):
		during = "Read timeout from server"
	}
	o.Phrase = "SMTP_CHECK " + during + " " + target + " (" + o.Why + ")"
	return o
}

// steps is a conversation each of whose steps has a limit.
type steps struct {
	conn interface {
		io.ReadWriter
		SetDeadline(time.Time) error
	}
	limit time.Duration
	buf   [maxSMTPLine]byte
	n     int // bytes in buf
	used  int // of them, those of the last line
}

func (s *steps) say(text string) error {
	if err := s.conn.SetDeadline(time.Now().Add(s.limit)); err != nil {
		return err
	}
	_, err := io.WriteString(s.conn, text)
	return err
}

var errLongLine = fmt.Errorf("a line of more than %d bytes", maxSMTPLine)

// line is the next line without its end. It must be complete within the limit,
// however slowly it drips.
func (s *steps) line() ([]byte, error) {
	s.n = copy(s.buf[:], s.buf[s.used:s.n])
	s.used = 0
	if err := s.conn.SetDeadline(time.Now().Add(s.limit)); err != nil {
		return nil, err
	}
	for {
		if end := bytes.IndexByte(s.buf[:s.n], '\n'); end >= 0 {
			s.used = end + 1
			return bytes.TrimSuffix(s.buf[:end], []byte{'\r'}), nil
		}
		if s.n == len(s.buf) {
			return nil, errLongLine
		}
		n, err := s.conn.Read(s.buf[s.n:])
		if s.n += n; err != nil && n == 0 {
			return nil, err
		}
	}
}

// expect reads a line that must begin with a code and a blank. A reply of
// several lines ("250-") does not count, as with keepalived.
func (s *steps) expect(code string) error {
	line, err := s.line()
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte(code+" ")) {
		return fmt.Errorf("it says %.60q, wanted %s", line, code)
	}
	return nil
}

func smtpSubject(c *checker.Check) string { return "SMTP_CHECK on service " + c.Name }

func smtpUp(c *checker.Check) string {
	return "Remote SMTP server " + c.Name + " succeed on service."
}

// smtpDown is what is wrong, as keepalived says it.
func smtpDown(_ *checker.Check, o *checker.Outcome) string { return o.Phrase }

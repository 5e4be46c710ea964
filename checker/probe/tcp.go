package probe

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/checker"
)

// askTCP is TCP_CHECK: the target passes when it completes the handshake.
func askTCP(ctx context.Context, c *checker.Check, _ int) checker.Outcome {
	fd, pending, err := begin(&c.Probe, unix.SOCK_STREAM, 0)
	switch {
	case err != nil:
	case pending:
		s := wrap(ctx, fd, c.Probe.Target)
		err = s.established(time.Now().Add(c.Timeout))
		s.Close()
	default:
		unix.Close(fd)
	}
	return tcpOutcome(c, err)
}

// tcpOutcome is what an attempt to connect says.
func tcpOutcome(c *checker.Check, err error) checker.Outcome {
	if err == nil {
		return checker.Outcome{Answer: checker.Passed, Why: "connected"}
	}
	o := checker.Outcome{Answer: answer(err), Why: reason(err, c.Timeout), Rule: patience(c, err)}
	switch {
	case o.Answer == checker.Local:
		o.Phrase = "TCP connect to " + c.Name + " could not be tried (" + o.Why + "). Rescheduling."
	case timedOut(err):
		o.Phrase = "TCP connection to " + c.Name + " timeout."
	default:
		o.Phrase = "TCP connection to " + c.Name + " failed. (" + o.Why + ")"
	}
	return o
}

func tcpSubject(c *checker.Check) string { return "TCP_CHECK on service " + c.Name }

func tcpUp(c *checker.Check) string { return "TCP connection to " + c.Name + " success." }

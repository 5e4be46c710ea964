package probe

import (
	"context"

	"keepgo/checker"
)

// askTCP is TCP_CHECK: the target passes when it completes the handshake.
func askTCP(ctx context.Context, c *checker.Check, _ int) checker.Outcome {
	conn, err := dial(ctx, &c.Probe, c.Timeout)
	if err == nil {
		conn.Close()
		return checker.Outcome{Answer: checker.Passed, Why: "connected"}
	}
	o := checker.Outcome{Answer: answer(err), Why: reason(err, c.Timeout)}
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

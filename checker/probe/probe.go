// Package probe asks real servers whether they serve: one file a probe, and the
// Runner that repeats them. It opens sockets and starts programs; the rule that
// turns answers into a verdict is checker.Damper.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"keepgo/checker"
)

// kind is what the Runner must know of one sort of probe.
type kind struct {
	// ask makes one probe: the step-th request of c. It returns within a
	// bounded time, and soon after ctx ends.
	ask func(ctx context.Context, c *checker.Check, step int) checker.Outcome
	// subject begins the log line of a verdict: "TCP_CHECK on service X".
	subject func(c *checker.Check) string
	// up is the log line of a target that came back.
	up func(c *checker.Check) string
	// down is the log line of a target that is given up; nil: subject, how often
	// it was tried, and the reason.
	down func(c *checker.Check, o *checker.Outcome) string
	// fromStart counts the wait for the next probe from the start of this one.
	fromStart bool
}

// kinds is the table of probes, by checker.Kind.
var kinds = [...]kind{
	checker.TCP:    {ask: askTCP, subject: tcpSubject, up: tcpUp},
	checker.HTTP:   {ask: askHTTP, subject: httpSubject, up: httpUp},
	checker.Script: {ask: askScript, subject: scriptSubject, up: scriptUp, down: scriptDown, fromStart: true},
	checker.SMTP:   {ask: askSMTP, subject: smtpSubject, up: smtpUp, down: smtpDown},
	checker.DNS:    {ask: askDNS, subject: dnsSubject, up: dnsUp, down: dnsDown},
	checker.UDP:    {ask: askUDP, subject: udpSubject, up: udpUp},
	checker.Ping:   {ask: askPing, subject: pingSubject, up: pingUp},
}

// Once makes one probe, the step-th request of c (0 but for HTTP with several
// urls). It takes a bounded time: a few times c.Timeout and c.Interval.
func Once(ctx context.Context, c *checker.Check, step int) checker.Outcome {
	return explained(c, kindOf(c).ask(ctx, c, step))
}

// explained is an outcome with the way by which a probe was made that failed.
func explained(c *checker.Check, o checker.Outcome) checker.Outcome {
	if o.Answer == checker.Failed && c.Probe.Via.IsValid() {
		o.Why += through(&c.Probe)
	}
	return o
}

// through says by which way a probe was made that failed.
func through(p *checker.Probe) string {
	return fmt.Sprintf(", asked as %s through %s: has the server lost %s on lo?", p.Target, p.Via, p.Target.Addr())
}

func kindOf(c *checker.Check) *kind {
	if int(c.Probe.Kind) >= len(kinds) {
		return &unknown
	}
	return &kinds[c.Probe.Kind]
}

// unknown stands for a kind that this program has no probe for.
var unknown = kind{
	ask: func(_ context.Context, c *checker.Check, _ int) checker.Outcome {
		why := fmt.Sprintf("probe kind %d is not known", c.Probe.Kind)
		return checker.Outcome{Answer: checker.Local, Why: why, Phrase: c.Name + ": " + why + "."}
	},
	subject: func(c *checker.Check) string { return "Check of " + c.Name },
	up:      func(c *checker.Check) string { return "Check of " + c.Name + " success." },
}

// downLine is keepalived's log line for a target that is given up.
func downLine(c *checker.Check, o *checker.Outcome) string {
	if down := kindOf(c).down; down != nil {
		line := down(c, o)
		if c.Probe.Via.IsValid() {
			line += through(&c.Probe)
		}
		return line
	}
	line := kindOf(c).subject(c) + " failed"
	if c.Retry > 0 {
		line += fmt.Sprintf(" after %d retries", c.Retry)
	}
	return line + ". (" + o.Why + ")"
}

// answer tells a failure of the target from one of this side. Only connect(2)
// speaks of the target; socket, bind and setsockopt errors are ours, and so is
// a connect that found no free local port.
func answer(err error) checker.Answer {
	if _, ours := errors.AsType[identityError](err); ours || scarce(err) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		return checker.Local
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok && call.Syscall != "connect" && call.Syscall != "read" && call.Syscall != "write" {
		return checker.Local
	}
	return checker.Failed
}

// scarce says that this machine ran out of something.
func scarce(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EAGAIN} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// patience is the rule by which an error decided: the timeout, if that was over.
func patience(c *checker.Check, err error) string {
	if timedOut(err) {
		return fmt.Sprintf("connect_timeout %v", c.Timeout)
	}
	return ""
}

// reason is a connection's error without Go's wrapping, for operators.
func reason(err error, timeout time.Duration) string {
	if timedOut(err) || errors.Is(err, syscall.ETIMEDOUT) {
		return fmt.Sprintf("no answer within %v", timeout)
	}
	if errors.Is(err, io.EOF) {
		return "closed the connection"
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok && answer(err) == checker.Local {
		return call.Error()
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	return err.Error()
}

func timedOut(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

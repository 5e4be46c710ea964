package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/checker"
)

// maxStrays is how many datagrams that are no answer are looked at before the
// target is taken for one that floods.
const maxStrays = 1000

// filler is what keepalived sends where nothing else is told.
const filler = "keepalived check - "

// room is how much of a datagram is read, where a longer one is not asked for:
// many wait at a time.
const room = 512

// fill is n bytes of filler.
func fill(n int) []byte { return []byte(strings.Repeat(filler, n/len(filler)+1)[:n]) }

// converse sends one datagram and shows each that comes back to judge, until
// it says that one is the answer, or nothing more comes within the timeout.
func converse(ctx context.Context, c *checker.Check, protocol int, request []byte, judge func([]byte) (done bool, err error)) error {
	fd, _, err := begin(&c.Probe, unix.SOCK_DGRAM, protocol)
	if err != nil {
		return err
	}
	s := wrap(ctx, fd, c.Probe.Target)
	defer s.Close()
	if err = hearErrors(fd, c); err != nil {
		return err
	}
	if err = s.SetDeadline(time.Now().Add(c.Timeout)); err != nil {
		return err
	}
	if _, err = s.Write(request); err != nil {
		return err
	}
	trace := traceOf(ctx)
	trace.sends(request)
	buf := make([]byte, size(&c.Probe))
	for range maxStrays {
		n, err := s.Read(buf)
		if err != nil && !errors.Is(err, io.EOF) { // os.File takes an empty datagram for the end
			return err
		}
		trace.receives(buf[:n])
		if done, err := judge(buf[:n]); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%d datagrams came and none was the answer", maxStrays)
}

// size is how much of an answer to p must be read to judge it.
func size(p *checker.Probe) int {
	if p.Datagram == nil {
		return room
	}
	return min(max(room, p.Datagram.Max+1, len(p.Datagram.Reply)), math.MaxUint16)
}

// hearErrors makes every ICMP error about the target one of the socket, not
// only that a port is closed: IP_RECVERR in ip(7).
func hearErrors(fd int, c *checker.Check) error {
	level, option := unix.SOL_IP, unix.IP_RECVERR
	if !c.Probe.Target.Addr().Is4() {
		level, option = unix.SOL_IPV6, unix.IPV6_RECVERR
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, 1))
}

// short is the outcome of a datagram probe that got no good answer.
func short(c *checker.Check, err error, local, failed string) checker.Outcome {
	o := checker.Outcome{Answer: answer(err), Why: reason(err, c.Timeout), Rule: patience(c, err)}
	o.Phrase = failed + " (" + o.Why + ")"
	if o.Answer == checker.Local {
		o.Phrase = local + " (" + o.Why + "). Rescheduling."
	}
	return o
}

package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"keepgo/checker"
)

// The header of an echo request, RFC 792 and RFC 4443 section 4.1. The kernel
// writes identifier and checksum on a socket of this sort: icmp(7).
const (
	echoHeader   = 8
	echoRequest4 = 8
	echoReply4   = 0
	echoRequest6 = 128
	echoReply6   = 129
	echoPayload  = 128 // bytes, as keepalived sends
)

// sequence numbers the echo requests of this process.
var sequence atomic.Uint32

// askPing is PING_CHECK: the target passes when it echoes.
func askPing(ctx context.Context, c *checker.Check, _ int) checker.Outcome {
	protocol, request, reply := unix.IPPROTO_ICMP, byte(echoRequest4), byte(echoReply4)
	if !c.Probe.Target.Addr().Is4() {
		protocol, request, reply = unix.IPPROTO_ICMPV6, echoRequest6, echoReply6
	}
	number := uint16(sequence.Add(1))
	packet := append(make([]byte, echoHeader, echoHeader+echoPayload), fill(echoPayload)...)
	packet[0] = request
	binary.BigEndian.PutUint16(packet[6:], number)
	judge := func(b []byte) (bool, error) {
		return len(b) >= echoHeader && b[0] == reply && binary.BigEndian.Uint16(b[6:]) == number, nil
	}
	err := converse(ctx, c, protocol, packet, judge)
	if errors.Is(err, unix.EACCES) && pingers.widen() == nil {
		err = converse(ctx, c, protocol, packet, judge)
	}
	if err == nil {
		return checker.Outcome{Answer: checker.Passed, Why: "echoed"}
	}
	o := short(c, err, "ICMP connect to "+c.Name+" could not be tried", "ICMP connection to "+c.Name+" failed.")
	if timedOut(err) {
		o.Phrase = "ICMP connection to address " + c.Probe.Target.Addr().String() + " timeout."
	}
	return o
}

func pingSubject(c *checker.Check) string {
	if c.Retry > 0 { // so keepalived does
		return "ICMP CHECK on service " + c.Name + " of " + c.Service
	}
	return "ICMP CHECK on service " + c.Name
}

func pingUp(c *checker.Check) string { return "ICMP connection to " + c.Name + " success." }

// pingRange names the groups whose processes may open sockets for echo
// requests: icmp(7). It counts for IPv6 too.
const pingRange = "/proc/sys/net/ipv4/ping_group_range"

// pingers is the setting of pingRange that was found, to be put back.
var pingers permission

type permission struct {
	mu  sync.Mutex
	old []byte // nil: not changed by us
}

// widen lets our group open such sockets.
func (p *permission) widen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.old != nil {
		return nil
	}
	old, err := os.ReadFile(pingRange)
	if err != nil {
		return err
	}
	var first, last uint32
	if _, err := fmt.Sscan(string(old), &first, &last); err != nil {
		return err
	}
	group := uint32(os.Getegid())
	if last < first { // "1 0" is nobody
		first, last = group, group
	}
	if err := os.WriteFile(pingRange, fmt.Appendf(nil, "%d\t%d", min(first, group), max(last, group)), 0); err != nil {
		return err
	}
	p.old = old
	return nil
}

// restore puts the setting back as it was found.
func (p *permission) restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.old != nil {
		os.WriteFile(pingRange, p.old, 0) // there is nothing left to do about it
		p.old = nil
	}
}

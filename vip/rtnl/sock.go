package rtnl

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

const (
	// maxBatch is the number of requests in one send. Each may be answered by an
	// error message, and more than about this many overflow the default receive
	// buffer of 208 KiB.
	maxBatch = 128
	// commandBuffer holds the answers to a batch with much to spare, in bytes.
	commandBuffer = 1 << 20
	// maxRead holds the largest message the kernel builds for a dump, 32 KiB,
	// and a link notification with its virtual functions.
	maxRead = 64 << 10
	// maxDumps bounds how often a dump is started again because what it lists
	// changed meanwhile (NLM_F_DUMP_INTR).
	maxDumps = 8
)

// errUnsteady says that a list changed each time that it was read: what was read
// last may lack something.
var errUnsteady = errors.New("it changes all the time")

// errLost says that the kernel's answer did not fit into the receive buffer.
var errLost = errors.New("the kernel's answer was lost")

// dial opens a NETLINK_ROUTE socket in the calling thread's network namespace.
// Buffers beyond net.core.rmem_max need CAP_NET_ADMIN; without it the limit holds.
func dial(groups uint32, buffer int) (fd int, port uint32, err error) {
	fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, 0, fmt.Errorf("opening a rtnetlink socket: %w", err)
	}
	_ = Buffer{buffer, true}.set(fd)
	// All only make answers shorter or clearer; kernels before 4.20 lack some.
	for _, option := range []int{unix.NETLINK_CAP_ACK, unix.NETLINK_EXT_ACK, unix.NETLINK_GET_STRICT_CHK} {
		_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, option, 1)
	}
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err == nil {
		port, err = ownPort(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, 0, fmt.Errorf("binding a rtnetlink socket: %w", err)
	}
	return fd, port, nil
}

// Buffer is the size of a receive buffer.
type Buffer struct {
	Bytes int
	Force bool // beyond net.core.rmem_max, where the process may
}

func (b Buffer) set(fd int) error {
	if b.Force && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, b.Bytes) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, b.Bytes)
}

// SetBuffers changes the receive buffers of the socket on which changes are
// heard and of that on which orders are given and answered. Those of no bytes
// get their defaults.
func (d *Door) SetBuffers(events, commands Buffer) error {
	if events.Bytes == 0 {
		events = Buffer{DefaultReceiveBuffer, true}
	}
	if commands.Bytes == 0 {
		commands = Buffer{commandBuffer, true}
	}
	err := errors.Join(d.listener.control(events.set), commands.set(d.commands.fd))
	if err != nil {
		return fmt.Errorf("sizing the receive buffers of rtnetlink: %w", err)
	}
	return nil
}

// ownPort is the address the kernel gave the socket.
func ownPort(fd int) (uint32, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	if nl, ok := sa.(*unix.SockaddrNetlink); ok {
		return nl.Pid, nil
	}
	return 0, unix.EAFNOSUPPORT
}

// recv reads one datagram of the kernel; what other processes send is passed
// over. A datagram larger than buf is as good as lost.
func recv(fd int, buf []byte) ([]byte, error) {
	for {
		n, _, flags, from, err := unix.Recvmsg(fd, buf, nil, unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if flags&unix.MSG_TRUNC != 0 {
			return nil, unix.ENOBUFS
		}
		if nl, ok := from.(*unix.SockaddrNetlink); ok && nl.Pid == 0 {
			return buf[:n], nil
		}
	}
}

// request is one change for the kernel and, afterwards, its answer.
type request struct {
	kind   vip.OpKind
	entry  *entry
	index  int   // of the link of an address
	err    error // nil, a unix.Errno, or errLost; with the kernel's own words where it has some
	owner  int   // of a removal
	repair bool  // the addition of what is missing, not new
}

// encode appends the request as a message.
func (r *request) encode(b []byte, index func(string) int, flags uint16, seq uint32) []byte {
	switch e := r.entry; {
	case e.rule != nil:
		return appendRule(b, r.kind, e.rule, flags, seq)
	case e.route != nil:
		return appendRoute(b, r.kind, e.route, index, flags, seq)
	}
	return appendOp(b, vip.Op{Kind: r.kind, Address: *r.entry.address}, r.index, flags, seq)
}

// commander sends requests and dumps. The kernel handles a request within the
// send, so its answers are there when the send returns: nothing here waits.
type commander struct {
	fd    int
	port  uint32
	seq   uint32
	out   []byte
	in    []byte
	index func(string) int // of a link
}

func newCommander() (*commander, error) {
	fd, port, err := dial(0, commandBuffer)
	if err != nil {
		return nil, err
	}
	return &commander{fd: fd, port: port, in: make([]byte, maxRead)}, nil
}

func (c *commander) close() { unix.Close(c.fd) }

// do sends at most maxBatch requests in one message and fills in their
// answers. Only the last asks for an acknowledgement: errors come unasked.
func (c *commander) do(reqs []request) {
	first := c.seq + 1
	c.out = c.out[:0]
	for i := range reqs {
		flags := uint16(0)
		if i == len(reqs)-1 {
			flags = unix.NLM_F_ACK
		}
		c.seq++
		reqs[i].err = nil
		c.out = reqs[i].encode(c.out, c.index, flags, c.seq)
	}
	c.carryOut(reqs, first)
}

// carryOut sends what was encoded and fills in the answers.
func (c *commander) carryOut(reqs []request, first uint32) {
	if err := c.send(); err != nil {
		setErrors(reqs, err)
		return
	}
	if !c.answers(reqs, first) {
		for i := range reqs {
			if reqs[i].err == nil {
				reqs[i].err = errLost
			}
		}
	}
}

func setErrors(reqs []request, err error) {
	for i := range reqs {
		reqs[i].err = err
	}
}

func (c *commander) send() error {
	for {
		err := unix.Sendto(c.fd, c.out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if err != unix.EINTR {
			return err
		}
	}
}

// answers reads until the acknowledgement of the last request and reports
// whether every answer was seen.
func (c *commander) answers(reqs []request, first uint32) bool {
	whole := true
	for {
		b, err := recv(c.fd, c.in)
		if err == unix.ENOBUFS {
			whole = false
			continue
		}
		if err != nil {
			return false
		}
		for m, rest, ok := nextMessage(b); ok; m, rest, ok = nextMessage(rest) {
			i := m.seq - first
			if m.kind != unix.NLMSG_ERROR || i >= uint32(len(reqs)) {
				continue
			}
			reqs[i].err = decodeError(m)
			if m.seq == c.seq {
				return whole
			}
		}
	}
}

// decodeError reads NLMSG_ERROR, and the kernel's explanation behind it
// (NLMSGERR_ATTR_MSG) where it gives one.
func decodeError(m message) error {
	if len(m.body) < 4 {
		return unix.EBADMSG
	}
	errno := -int32(host.Uint32(m.body))
	if errno == 0 {
		return nil
	}
	if m.flags&unix.NLM_F_ACK_TLVS == 0 || len(m.body) < 4+headerLen {
		return unix.Errno(errno)
	}
	skip := 4 + headerLen
	if m.flags&unix.NLM_F_CAPPED == 0 {
		skip = 4 + align(int(host.Uint32(m.body[4:])))
	}
	for a, rest, ok := nextAttribute(m.body[min(max(skip, 0), len(m.body)):]); ok; a, rest, ok = nextAttribute(rest) {
		if a.kind == unix.NLMSGERR_ATTR_MSG {
			return fmt.Errorf("%w (%s)", unix.Errno(errno), cString(a.value))
		}
	}
	return unix.Errno(errno)
}

// dump hands every message of a kind to each; body is what the request holds,
// often only zeros. When the list changed while it was read, it starts again
// after calling reset; at last the error is errUnsteady.
func (c *commander) dump(kind uint16, body []byte, reset func(), each func(message)) error {
	for range maxDumps {
		reset()
		c.seq++
		c.out = appendHeader(c.out[:0], kind, unix.NLM_F_DUMP, c.seq)
		c.out = finish(append(c.out, body...), 0)
		if err := c.send(); err != nil {
			return err
		}
		if again, err := c.readDump(each); err != nil || !again {
			return err
		}
	}
	return errUnsteady
}

func (c *commander) readDump(each func(message)) (again bool, err error) {
	for {
		b, err := recv(c.fd, c.in)
		if err != nil {
			return false, err
		}
		for m, rest, ok := nextMessage(b); ok; m, rest, ok = nextMessage(rest) {
			if m.seq != c.seq {
				continue
			}
			again = again || m.flags&unix.NLM_F_DUMP_INTR != 0
			switch m.kind {
			case unix.NLMSG_DONE:
				return again, nil
			case unix.NLMSG_ERROR:
				return false, decodeError(m)
			}
			each(m)
		}
	}
}

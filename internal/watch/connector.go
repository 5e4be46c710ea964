package watch

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The events of processes, enum proc_cn_event of linux/cn_proc.h. Those of none
// are answers to a request.
const (
	eventNone = 0x00000000
	eventFork = 0x00000001
	eventExec = 0x00000002
	eventComm = 0x00000200
	eventExit = 0x80000000
)

// The group of processes and what may be asked of it, linux/connector.h and
// linux/cn_proc.h.
const (
	cnIdxProc = 1
	cnValProc = 1
	cnListen  = 1
	cnIgnore  = 2
)

// Where things stand in a message: struct nlmsghdr, struct cn_msg, struct
// proc_event.
const (
	seqAt   = unix.NLMSG_HDRLEN + 8
	whatAt  = unix.NLMSG_HDRLEN + 20
	dataAt  = whatAt + 16
	msgSize = dataAt + 24 // the largest event
)

// receiveBuffer is how many bytes of events may wait: a machine starts a
// thousand processes while nobody reads.
const receiveBuffer = 1 << 20

// event is what happened to a process.
type event struct {
	what   uint32
	pid    int32
	parent int32  // of a fork
	seq    uint32 // of an answer
	errno  uint32 // of an answer
}

// parseEvent reads one message of the connector. Events of threads, and those
// that do not change what a process is, are none.
func parseEvent(b []byte) (e event, ok bool) {
	if len(b) < dataAt+8 {
		return event{}, false
	}
	word := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	pid, tgid := word(dataAt), word(dataAt+4)
	switch e.what = word(whatAt); e.what {
	case eventNone:
		e.seq, e.errno = word(seqAt), word(dataAt)
		return e, true
	case eventFork:
		if len(b) < dataAt+16 {
			return event{}, false
		}
		e.parent = int32(tgid)
		pid, tgid = word(dataAt+8), word(dataAt+12)
	case eventExec, eventComm, eventExit:
	default:
		return event{}, false
	}
	e.pid = int32(pid)
	return e, pid == tgid
}

// eventFilter is a program for bpf(4) that lets in what parseEvent takes, so
// that threads cost this process nothing.
func eventFilter() []bpf.Instruction {
	process := func(at uint32) []bpf.Instruction { // its number is that of its thread group
		return []bpf.Instruction{
			bpf.LoadAbsolute{Off: at, Size: 4},
			bpf.TAX{},
			bpf.LoadAbsolute{Off: at + 4, Size: 4},
			bpf.JumpIfX{Cond: bpf.JumpEqual, SkipTrue: 1},
			bpf.RetConstant{Val: 0},
			bpf.RetConstant{Val: 1<<32 - 1},
		}
	}
	is := func(what uint32, skip uint8) bpf.Instruction {
		return bpf.JumpIf{Cond: bpf.JumpEqual, Val: bigEndian(what), SkipTrue: skip}
	}
	head := []bpf.Instruction{
		bpf.LoadAbsolute{Off: whatAt, Size: 4},
		is(eventFork, 11), // to the second process
		is(eventNone, 9),  // to the end of the first
		is(eventExec, 3),
		is(eventComm, 2),
		is(eventExit, 1),
		bpf.RetConstant{Val: 0},
	}
	return slices.Concat(head, process(dataAt), process(dataAt+8))
}

// bigEndian is how a filter, which loads words as big-endian, sees one of the
// host.
func bigEndian(v uint32) uint32 {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], v)
	return binary.BigEndian.Uint32(b[:])
}

// connector is the kernel's process connector. It belongs to the machine:
// there is none in a network namespace made later, and it answers nobody in
// another user or process namespace.
type connector struct {
	fd        int
	seq       uint32
	listening bool
}

// openConnector opens a socket that hears nothing yet.
func openConnector() (*connector, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, err
	}
	c := &connector{fd: fd, seq: uint32(os.Getpid())}
	if err := c.prepare(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

func (c *connector) prepare() error {
	if err := unix.Bind(c.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	_ = setBuffer(c.fd, receiveBuffer, true) // as much as one may have
	raw, err := bpf.Assemble(eventFilter())
	if err != nil {
		return err
	}
	prog := make([]unix.SockFilter, len(raw))
	for i, ins := range raw {
		prog[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	return unix.SetsockoptSockFprog(c.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
}

// setBuffer sizes a receive buffer; force goes beyond net.core.rmem_max where
// the process may.
func setBuffer(fd, bytes int, force bool) error {
	if force && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
}

// listen asks for events, or asks for them no more: the kernel makes them as
// long as somebody has asked. Whether it does is in its answer, which does not
// come to those who may not.
func (c *connector) listen(on bool) error {
	if on == c.listening {
		return nil
	}
	c.listening = on
	if !on {
		err := c.send(cnIgnore)
		_ = unix.SetsockoptInt(c.fd, unix.SOL_NETLINK, unix.NETLINK_DROP_MEMBERSHIP, cnIdxProc) // others' events are passed over
		return err
	}
	if err := unix.SetsockoptInt(c.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, cnIdxProc); err != nil {
		return fmt.Errorf("joining the events of processes: %w", err)
	}
	return c.send(cnListen)
}

// send makes a request, enum proc_cn_mcast_op.
func (c *connector) send(op uint32) error {
	c.seq++
	e := binary.NativeEndian
	b := e.AppendUint32(nil, whatAt+4) // struct nlmsghdr
	b = e.AppendUint16(b, unix.NLMSG_DONE)
	b = append(b, make([]byte, 10)...)
	for _, v := range []uint32{cnIdxProc, cnValProc, c.seq, 0, 4} { // struct cn_msg: id, seq, ack, and the length in 16 bits
		b = e.AppendUint32(b, v)
	}
	e.PutUint32(b[whatAt-4:], 0)
	e.PutUint16(b[whatAt-4:], 4)
	b = e.AppendUint32(b, op)
	return unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

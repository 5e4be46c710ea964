package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// buffer of the command socket in bytes, for transactions with thousands of
	// services and their acknowledgements.
	buffer = 64 << 20
	// answer is how long the kernel's answer may take. It is there when the
	// request was sent; thousands of services take a while.
	answer = 30 * time.Second
	// nfgenmsgLen is the length of struct nfgenmsg, linux/netfilter/nfnetlink.h.
	nfgenmsgLen = 4
	// tableAttribute is NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE,
	// NFTA_SET_TABLE and NFTA_SET_ELEM_LIST_TABLE of linux/netfilter/nf_tables.h.
	tableAttribute = 1
)

// wire is the sockets to tables in one network namespace, and what is heard of
// others' changes to them.
type wire struct {
	ours    func(family byte, table string) bool // NFPROTO_* of linux/netfilter.h
	conn    *nftables.Conn                       // for reading
	draft   *nftables.Conn                       // for writing: what it flushes is drafted
	drafted []netlink.Message                    // and sent by socket
	socket  *netlink.Conn                        // under conn
	port    atomic.Uint32                        // its address: its changes are our own
	events  *netlink.Conn
	space   *os.File      // the namespace
	damages chan string   // by whom; "" for unknown
	gone    chan struct{} // closed when nobody reads damages any more
}

func newWire(ours func(family byte, table string) bool) wire {
	return wire{ours: ours, damages: make(chan string, 4), gone: make(chan struct{})}
}

// open opens the sockets, in the calling thread's namespace.
func (w *wire) open() (err error) {
	if w.space, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return fmt.Errorf("finding the network namespace: %w", err)
	}
	config := &netlink.Config{Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)}
	if w.events, err = netlink.Dial(unix.NETLINK_NETFILTER, config); err != nil {
		return fmt.Errorf("opening a netfilter socket: %w", err)
	}
	_ = w.events.SetReadBuffer(buffer) // what others change may be much
	return w.dial()
}

// dial opens the command socket, in place of one whose answers cannot be told
// apart any more.
func (w *wire) dial() error {
	if w.conn != nil {
		_ = w.conn.CloseLasting()
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		_ = c.SetReadBuffer(buffer) // a smaller one will do for smaller tables
		_ = c.SetWriteBuffer(buffer)
		w.socket = c
		return nil
	}))
	if err != nil {
		return fmt.Errorf("opening a netfilter socket: %w", err)
	}
	w.conn = conn
	// The library asks for an acknowledgement of every message, which takes longer
	// than the rest. So it writes to us, and we send.
	w.draft, err = nftables.New(nftables.AsLasting(), nftables.WithTestDial(func(m []netlink.Message) ([]netlink.Message, error) {
		w.drafted = append(w.drafted, m...)
		return nil, io.EOF // no answer
	}))
	if err != nil {
		return err
	}
	raw, err := w.socket.SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) {
		if sa, err := unix.Getsockname(int(fd)); err == nil {
			w.port.Store(sa.(*unix.SockaddrNetlink).Pid)
		}
	}); err != nil {
		return err
	}
	return w.ignoreOwn()
}

// ignoreOwn keeps notifications of our own changes from the events socket: with
// thousands of services nobody could read them as fast as they come.
func (w *wire) ignoreOwn() error {
	const author = 12 // offset of nlmsg_pid in struct nlmsghdr, linux/netlink.h
	port := binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, w.port.Load()))
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: author, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipFalse: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: math.MaxUint32},
	})
	if err != nil {
		return err
	}
	return w.events.SetBPF(filter)
}

// release closes what open opened.
func (w *wire) release() (err error) {
	if w.conn != nil {
		err = w.conn.CloseLasting()
	}
	if w.events != nil {
		err = errors.Join(err, w.events.Close())
	}
	if w.space != nil {
		err = errors.Join(err, w.space.Close())
	}
	return err
}

// enter takes the goroutine's thread into the door's namespace, where dial may
// have to open another socket. The thread ends with the goroutine.
func (w *wire) enter() error {
	runtime.LockOSThread()
	here, err := os.Stat("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	if there, err := w.space.Stat(); err != nil || os.SameFile(here, there) {
		return err
	}
	return unix.Setns(int(w.space.Fd()), unix.CLONE_NEWNET)
}

// listen hands on what others do to the tables until the door closes. Where
// notifications were lost, the worst is assumed.
func (w *wire) listen() {
	damaged := false
	for {
		messages, err := w.events.Receive()
		lost := errors.Is(err, unix.ENOBUFS)
		if err != nil && !lost {
			return
		}
		whole, by := lost, ""
		damaged = damaged || lost
		for _, m := range messages {
			damaged = damaged || w.harms(m)
			if m.Header.Type == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN && damaged {
				whole, by = true, author(m)
			}
		}
		if !whole {
			continue
		}
		select {
		case w.damages <- by:
		case <-w.gone:
			return
		}
		damaged = false
	}
}

// harms reports whether a message says that somebody else changed one of our
// tables. Elements that come are no harm: the kernel notes clients by itself.
func (w *wire) harms(m netlink.Message) bool {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || m.Header.PID == w.port.Load() || len(m.Data) < nfgenmsgLen {
		return false
	}
	switch m.Header.Type & 0xff {
	case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_NEWRULE, unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET, unix.NFT_MSG_DELSETELEM:
	default:
		return false
	}
	return w.ours(m.Data[0], text(attribute(m, tableAttribute)))
}

// isOurs reports whether a table is one of a Door's.
func isOurs(family byte, name string) bool {
	switch family {
	case unix.NFPROTO_IPV4, unix.NFPROTO_IPV6:
		return name == TableName
	case unix.NFPROTO_NETDEV:
		return slices.Contains(directNames[:], name)
	}
	return false
}

// author is the program that made a transaction, with its process number as the
// kernel's first namespace has it.
func author(m netlink.Message) string {
	name, pid := text(attribute(m, unix.NFTA_GEN_PROC_NAME)), attribute(m, unix.NFTA_GEN_PROC_PID)
	if name == "" || len(pid) != 4 {
		return ""
	}
	return fmt.Sprintf("%s (process %d)", name, binary.BigEndian.Uint32(pid))
}

// text is a string of the kernel without its zero byte.
func text(b []byte) string { return strings.TrimSuffix(string(b), "\x00") }

// attribute is the value of a message's attribute; nil if it has none.
func attribute(m netlink.Message, kind uint16) []byte {
	if len(m.Data) < nfgenmsgLen {
		return nil
	}
	attrs, err := netlink.UnmarshalAttributes(m.Data[nfgenmsgLen:])
	if err != nil {
		return nil
	}
	for _, a := range attrs {
		if a.Type == kind {
			return a.Data
		}
	}
	return nil
}

// flush sends what was drafted in one transaction. After a failure nobody can tell
// which answers are still to come, so the socket is opened anew.
func (w *wire) flush() error {
	err := w.draft.Flush()
	if err == nil {
		err = w.send(w.drafted)
	}
	w.drafted = nil
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the kernel gave no answer within %v", answer)
	}
	if err != nil {
		if again := w.dial(); again != nil {
			return again
		}
	}
	return err
}

// send sends a transaction and waits for the answer. Only its last message, before
// that which ends it, is to be acknowledged: errors are told in any case.
func (w *wire) send(messages []netlink.Message) error {
	if len(messages) == 0 {
		return nil
	}
	last := len(messages) - 2
	for i := range messages {
		h := &messages[i].Header
		h.Sequence, h.PID = 0, 0
		h.Flags &^= netlink.Acknowledge | netlink.Echo
		if i == last {
			h.Flags |= netlink.Acknowledge
		}
	}
	if err := w.socket.SetDeadline(time.Now().Add(answer)); err != nil {
		return err
	}
	sent, err := w.socket.SendMessages(messages)
	for err == nil {
		var answers []netlink.Message
		answers, err = w.socket.Receive()
		for _, m := range answers {
			if m.Header.Sequence == sent[last].Header.Sequence {
				return err
			}
		}
	}
	return err
}

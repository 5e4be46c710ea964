// Package nfwire is the way to nftables in one network namespace: changes go out
// as one transaction each, and what other programs do to the tables is heard.
// The doors that have tables (vip/filter, ipvsctl/nft) stand on it.
package nfwire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// buffer of the sockets in bytes, for transactions with thousands of services
	// or addresses and their acknowledgements.
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

// Wire is the sockets to nftables in one network namespace. One goroutine at a
// time uses Read, Draft and Flush; Listen has its own.
type Wire struct {
	// Read is for reading. A failed Flush or Dial replaces it.
	Read *nftables.Conn
	// Draft is for writing: what is asked of it waits for Flush. A failed Flush or
	// Dial replaces it by an empty one.
	Draft *nftables.Conn
	// Damages says that another program changed tables of ours, and which, "" if
	// that is not known.
	Damages chan string

	harms   func(Change) bool
	drafted []netlink.Message // what Draft flushed, sent by socket
	socket  *netlink.Conn     // under Read
	port    atomic.Uint32     // its address: its changes are our own
	events  *netlink.Conn
	space   *os.File // the namespace
	done    <-chan struct{}
}

// Change is one message of another program's transaction.
type Change struct {
	Kind   uint8 // NFT_MSG_* of linux/netfilter/nf_tables.h
	Family uint8 // NFPROTO_* of linux/netfilter.h
	Table  string
}

// Removes reports whether the change takes something away, or switches a table
// off: what is new there harms nobody.
func (c Change) Removes() bool {
	switch c.Kind {
	case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET, unix.NFT_MSG_DELSETELEM:
		return true
	}
	return false
}

// Open opens the sockets in the calling thread's namespace. Changes of others
// that harm are told on Damages while Listen runs, until done is closed.
// It needs CAP_NET_ADMIN.
func Open(harms func(Change) bool, done <-chan struct{}) (*Wire, error) {
	w := &Wire{harms: harms, done: done, Damages: make(chan string, 4)}
	if err := w.open(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *Wire) open() (err error) {
	if w.space, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return fmt.Errorf("finding the network namespace: %w", err)
	}
	config := &netlink.Config{Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)}
	if w.events, err = netlink.Dial(unix.NETLINK_NETFILTER, config); err != nil {
		return fmt.Errorf("opening a netfilter socket: %w", err)
	}
	_ = w.events.SetReadBuffer(buffer) // what others change may be much
	return w.Dial()
}

// Dial opens the command socket, in place of one whose answers cannot be told
// apart any more. What was drafted is forgotten.
func (w *Wire) Dial() error {
	if w.Read != nil {
		_ = w.Read.CloseLasting()
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
	w.Read, w.drafted = conn, nil
	// The library asks for an acknowledgement of every message, which takes longer
	// than the rest. So it writes to us, and we send.
	w.Draft, err = nftables.New(nftables.AsLasting(), nftables.WithTestDial(func(m []netlink.Message) ([]netlink.Message, error) {
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
func (w *Wire) ignoreOwn() error {
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

// Close closes the sockets; what stands in the tables stays there.
func (w *Wire) Close() (err error) {
	if w.Read != nil {
		err = w.Read.CloseLasting()
	}
	if w.events != nil {
		err = errors.Join(err, w.events.Close())
	}
	if w.space != nil {
		err = errors.Join(err, w.space.Close())
	}
	return err
}

// Enter takes the goroutine's thread into the wire's namespace, where Dial may
// have to open another socket. The thread ends with the goroutine. It needs
// CAP_SYS_ADMIN unless the thread is there already.
func (w *Wire) Enter() error {
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

// Listen hands on what others do to the tables until the wire closes. Where
// notifications were lost, the worst is assumed.
func (w *Wire) Listen() {
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
			damaged = damaged || w.harmed(m)
			if m.Header.Type == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN && damaged {
				whole, by = true, author(m)
			}
		}
		if !whole {
			continue
		}
		select {
		case w.Damages <- by:
		case <-w.done:
			return
		}
		damaged = false
	}
}

// harmed reports whether a message says that somebody else harmed our tables.
func (w *Wire) harmed(m netlink.Message) bool {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || m.Header.PID == w.port.Load() || len(m.Data) < nfgenmsgLen {
		return false
	}
	return w.harms(Change{Kind: uint8(m.Header.Type), Family: m.Data[0], Table: text(attribute(m, tableAttribute))})
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

// Flush sends what was drafted in one transaction. After a failure nobody can tell
// which answers are still to come, so the socket is opened anew.
func (w *Wire) Flush() error {
	err := w.Draft.Flush()
	if err == nil {
		err = w.send(w.drafted)
	}
	w.drafted = nil
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the kernel gave no answer within %v", answer)
	}
	if err != nil {
		if again := w.Dial(); again != nil {
			return again
		}
	}
	return err
}

// send sends a transaction and waits for the answer. Only its last message, before
// that which ends it, is to be acknowledged: errors are told in any case.
func (w *Wire) send(messages []netlink.Message) error {
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

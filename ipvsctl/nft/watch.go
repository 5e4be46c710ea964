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

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// buffer of the command socket in bytes, for transactions with thousands of
	// services and their acknowledgements.
	buffer = 64 << 20
	// nfgenmsgLen is the length of struct nfgenmsg, linux/netfilter/nfnetlink.h.
	nfgenmsgLen = 4
	// tableAttribute is NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE,
	// NFTA_SET_TABLE and NFTA_SET_ELEM_LIST_TABLE of linux/netfilter/nf_tables.h.
	tableAttribute = 1
)

// open opens the sockets, in the calling thread's namespace.
func (d *Door) open() (err error) {
	if d.space, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return fmt.Errorf("finding the network namespace: %w", err)
	}
	config := &netlink.Config{Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)}
	if d.events, err = netlink.Dial(unix.NETLINK_NETFILTER, config); err != nil {
		return fmt.Errorf("opening a netfilter socket: %w", err)
	}
	_ = d.events.SetReadBuffer(buffer) // what others change may be much
	return d.dial()
}

// dial opens the command socket, in place of one whose answers cannot be told
// apart any more.
func (d *Door) dial() error {
	if d.conn != nil {
		_ = d.conn.CloseLasting()
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		_ = c.SetReadBuffer(buffer) // a smaller one will do for smaller tables
		_ = c.SetWriteBuffer(buffer)
		d.socket = c
		return nil
	}))
	if err != nil {
		return fmt.Errorf("opening a netfilter socket: %w", err)
	}
	d.conn = conn
	// The library asks for an acknowledgement of every message, which takes longer
	// than the rest. So it writes to us, and we send.
	d.draft, err = nftables.New(nftables.AsLasting(), nftables.WithTestDial(func(m []netlink.Message) ([]netlink.Message, error) {
		d.drafted = append(d.drafted, m...)
		return nil, io.EOF // no answer
	}))
	if err != nil {
		return err
	}
	raw, err := d.socket.SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) {
		if sa, err := unix.Getsockname(int(fd)); err == nil {
			d.port.Store(sa.(*unix.SockaddrNetlink).Pid)
		}
	}); err != nil {
		return err
	}
	return d.ignoreOwn()
}

// ignoreOwn keeps notifications of our own changes from the events socket: with
// thousands of services nobody could read them as fast as they come.
func (d *Door) ignoreOwn() error {
	const author = 12 // offset of nlmsg_pid in struct nlmsghdr, linux/netlink.h
	port := binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, d.port.Load()))
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: author, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipFalse: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: math.MaxUint32},
	})
	if err != nil {
		return err
	}
	return d.events.SetBPF(filter)
}

// release closes what open opened.
func (d *Door) release() (err error) {
	if d.conn != nil {
		err = d.conn.CloseLasting()
	}
	if d.events != nil {
		err = errors.Join(err, d.events.Close())
	}
	if d.space != nil {
		err = errors.Join(err, d.space.Close())
	}
	return err
}

// enter takes the goroutine's thread into the door's namespace, where dial may
// have to open another socket. The thread ends with the goroutine.
func (d *Door) enter() error {
	runtime.LockOSThread()
	here, err := os.Stat("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	if there, err := d.space.Stat(); err != nil || os.SameFile(here, there) {
		return err
	}
	return unix.Setns(int(d.space.Fd()), unix.CLONE_NEWNET)
}

// listen hands on what others do to the tables until the door closes. Where
// notifications were lost, the worst is assumed.
func (d *Door) listen() {
	damaged := false
	for {
		messages, err := d.events.Receive()
		lost := errors.Is(err, unix.ENOBUFS)
		if err != nil && !lost {
			return
		}
		whole, by := lost, ""
		damaged = damaged || lost
		for _, m := range messages {
			damaged = damaged || d.harms(m)
			if m.Header.Type == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN && damaged {
				whole, by = true, author(m)
			}
		}
		if !whole {
			continue
		}
		select {
		case d.damages <- by:
		case <-d.gone:
			return
		}
		damaged = false
	}
}

// harms reports whether a message says that somebody else changed one of our
// tables. Elements that come are no harm: the kernel notes clients by itself.
func (d *Door) harms(m netlink.Message) bool {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || m.Header.PID == d.port.Load() || len(m.Data) < nfgenmsgLen {
		return false
	}
	switch m.Header.Type & 0xff {
	case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_NEWRULE, unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET, unix.NFT_MSG_DELSETELEM:
	default:
		return false
	}
	switch name := text(attribute(m, tableAttribute)); m.Data[0] {
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

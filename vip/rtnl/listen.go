package rtnl

import (
	"bytes"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Groups of linux/rtnetlink.h whose notifications the door follows from the
// start, and once there are routes or rules to look after.
const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR |
	1<<(unix.RTNLGRP_IPV6_NETCONF-1)

var (
	routeGroups = []int{unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE}
	ruleGroups  = []int{unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE}
)

// listener reads notifications.
type listener struct {
	file *os.File
	conn syscall.RawConn
	buf  []byte
}

func newListener(buffer int) (*listener, error) {
	fd, _, err := dial(groups, buffer)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "rtnetlink events")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &listener{file, conn, make([]byte, maxRead)}, nil
}

// follow asks for the notifications of more groups.
func (l *listener) follow(groups []int) error {
	return l.control(func(fd int) error {
		for _, g := range groups {
			if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *listener) control(f func(fd int) error) error {
	var err error
	if fault := l.conn.Control(func(fd uintptr) { err = f(int(fd)) }); fault != nil {
		return fault
	}
	return err
}

// onlyOwnRoutes makes the kernel keep to itself what routing daemons do: of
// the notifications of routes only those pass whose protocol is keepalived's,
// or that tell of a replacement, which may be one of ours.
func (l *listener) onlyOwnRoutes() error {
	return l.control(func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
			Len: uint16(len(ownRoutes)), Filter: &ownRoutes[0],
		})
	})
}

// allRoutes ends that: routes of another protocol are looked after too.
func (l *listener) allRoutes() error {
	return l.control(func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	})
}

// ownRoutes is the filter, over struct nlmsghdr and struct rtmsg: nlmsg_type
// is at 4, nlmsg_flags at 6, rtm_protocol at 16+5.
var ownRoutes = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 4},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: networkOrder(unix.RTM_NEWROUTE), Jt: 1},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: networkOrder(unix.RTM_DELROUTE), Jf: 4},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: headerLen + 5},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: protoKeepalived, Jt: 2},
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 6},
	{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: networkOrder(unix.NLM_F_REPLACE), Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// networkOrder is a number of the host as a filter loads it.
func networkOrder(v uint16) uint32 {
	b := host.AppendUint16(nil, v)
	return uint32(b[0])<<8 | uint32(b[1])
}

// change is one notification; exactly one of its parts is set.
type change struct {
	lost bool // notifications were dropped: what is known may be wrong

	link     Link // Index is set
	linkGone bool

	config linkConfig // index is set

	addr     standing // index is set
	addrGone bool

	policy message // of a route or a rule: body is set

	port uint32 // who asked for the change of an IPv4 address, a route or a rule
}

// maxChanges bounds what one read hands on at once.
const maxChanges = 1024

// read waits for notifications and returns all that are there. It fails when
// the listener is closed. Once notifications were lost, the kernel loses further
// ones without a word until the buffer is empty: so it is emptied before the
// loss is told, and what it held is in what is read anew anyway.
func (l *listener) read() ([]change, error) {
	var out []change
	lost := false
	err := l.conn.Read(func(fd uintptr) bool {
		for lost || len(out) < maxChanges {
			b, err := recv(int(fd), l.buf)
			switch {
			case err == unix.EAGAIN:
				return lost || len(out) > 0
			case err == unix.ENOBUFS:
				lost = true
			case err != nil:
				lost = true
				return true
			case !lost:
				out = appendChanges(out, b)
			}
		}
		return true
	})
	if lost {
		out = append(out, change{lost: true})
	}
	return out, err
}

func appendChanges(out []change, b []byte) []change {
	for m, rest, ok := nextMessage(b); ok; m, rest, ok = nextMessage(rest) {
		switch m.kind {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			if link, ok := decodeLink(m.body); ok {
				out = append(out, change{link: link, linkGone: m.kind == unix.RTM_DELLINK})
			}
		case unix.RTM_NEWNETCONF:
			if config, ok := decodeConfig(m.body); ok {
				out = append(out, change{config: config})
			}
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE, unix.RTM_NEWRULE, unix.RTM_DELRULE:
			m.body = bytes.Clone(m.body)
			out = append(out, change{policy: m, port: m.port})
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			if addr, ok := decodeAddr(m.body); ok {
				out = append(out, change{addr: addr, addrGone: m.kind == unix.RTM_DELADDR, port: m.port})
			}
		}
	}
	return out
}

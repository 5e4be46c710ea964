package watch

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Addresses knows which of some addresses are on an interface of this machine.
type Addresses struct {
	log    func(format string, args ...any)
	ready  chan struct{}
	events *netlink.Conn
	dumps  *netlink.Conn

	mu     sync.Mutex
	wanted map[netip.Addr]bool // value: it is here
	news   bool
}

// NewAddresses watches nothing yet.
func NewAddresses(log func(format string, args ...any)) (*Addresses, error) {
	events, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR})
	if err != nil {
		return nil, fmt.Errorf("watching addresses: %w", err)
	}
	dumps, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading addresses: %w", err), events.Close())
	}
	a := &Addresses{log: log, ready: make(chan struct{}, 1), events: events, dumps: dumps}
	go a.follow()
	return a, nil
}

// Ready is readable while there is something to take.
func (a *Addresses) Ready() <-chan struct{} { return a.ready }

// Take tells of every address of the last Set whether it is here.
func (a *Addresses) Take() map[netip.Addr]bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.news = false
	return maps.Clone(a.wanted)
}

// Set replaces the addresses that are watched, and looks for each.
func (a *Addresses) Set(wanted []netip.Addr) {
	a.mu.Lock()
	a.wanted = make(map[netip.Addr]bool, len(wanted))
	for _, addr := range wanted {
		a.wanted[addr] = false
	}
	a.news = true
	a.mu.Unlock()
	a.look()
}

// Buffer is the size of a receive buffer; 0 bytes are the default of 1 MiB.
type Buffer struct {
	Bytes int
	Force bool // beyond net.core.rmem_max, where the process may
}

// SetBuffers changes how much the kernel may have to tell of changes, and to
// answer, before it is heard.
func (a *Addresses) SetBuffers(events, answers Buffer) error {
	return errors.Join(events.set(a.events), answers.set(a.dumps))
}

func (b Buffer) set(c *netlink.Conn) error {
	if b.Bytes == 0 {
		b = Buffer{receiveBuffer, true}
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("sizing the receive buffer of addresses: %w", err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = setBuffer(int(fd), b.Bytes, b.Force) })
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("sizing the receive buffer of addresses: %w", err)
	}
	return nil
}

// Close ends watching.
func (a *Addresses) Close() error { return errors.Join(a.events.Close(), a.dumps.Close()) }

// follow looks again whenever the kernel tells of a change, or had more to tell
// than we could hear.
func (a *Addresses) follow() {
	for {
		if _, err := a.events.Receive(); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		a.look()
	}
}

// look compares what is here with what was.
func (a *Addresses) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.wanted) == 0 {
		return
	}
	here, err := a.dump()
	if err != nil {
		a.log("reading the addresses of this machine: %v", err)
		return
	}
	for addr, was := range a.wanted {
		if here[addr] != was {
			a.wanted[addr], a.news = here[addr], true
		}
	}
	if a.news {
		select {
		case a.ready <- struct{}{}:
		default:
		}
	}
}

// dump reads all addresses of this machine: rtnetlink(7), RTM_GETADDR.
func (a *Addresses) dump() (map[netip.Addr]bool, error) {
	messages, err := a.dumps.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETADDR, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, unix.SizeofIfAddrmsg),
	})
	here := make(map[netip.Addr]bool, len(messages))
	for _, m := range messages {
		if len(m.Data) < unix.SizeofIfAddrmsg {
			continue
		}
		attrs, err := netlink.UnmarshalAttributes(m.Data[unix.SizeofIfAddrmsg:])
		if err != nil {
			return nil, err
		}
		if addr := local(attrs); addr.IsValid() {
			here[addr] = true
		}
	}
	return here, err
}

// local is the address of an interface itself: IFA_LOCAL where there is one,
// since IFA_ADDRESS is that of the peer then.
func local(attrs []netlink.Attribute) (addr netip.Addr) {
	for _, attr := range attrs {
		if a, ok := netip.AddrFromSlice(attr.Data); ok && (attr.Type == unix.IFA_LOCAL || attr.Type == unix.IFA_ADDRESS && !addr.IsValid()) {
			addr = a
		}
	}
	return addr
}

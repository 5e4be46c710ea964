package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/mdlayher/netlink"
	rtnetlink "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Groups of linux/rtnetlink.h whose notifications the door follows.
const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR

// change is what the kernel reported: something about a link, or an address on
// one.
type change struct {
	index   int
	address bool
}

// open opens the sockets, in the calling thread's namespace.
func (d *Door) open() (err error) {
	if d.space, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return fmt.Errorf("finding the network namespace: %w", err)
	}
	if d.handle, err = rtnetlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("opening a rtnetlink socket: %w", err)
	}
	if d.events, err = netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: groups}); err != nil {
		return fmt.Errorf("opening a rtnetlink socket: %w", err)
	}
	return d.state.load()
}

// release closes what open opened.
func (d *Door) release() (err error) {
	if d.handle != nil {
		d.handle.Close()
	}
	if d.events != nil {
		err = d.events.Close()
	}
	if d.space != nil {
		err = errors.Join(err, d.space.Close())
	}
	return err
}

// enter takes the goroutine's thread into the door's namespace: the files below
// /proc/sys/net are those of the thread that opens them. The thread ends with
// the goroutine.
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

// listen hands notifications on until the door closes. Lost ones count as a
// change: whatever it was, everything is looked at.
func (d *Door) listen() {
	for {
		messages, err := d.events.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		batch := []change{}
		if err != nil {
			batch = append(batch, change{})
		}
		for _, m := range messages {
			if c, ok := decode(m); ok {
				batch = append(batch, c)
			}
		}
		select {
		case d.changes <- batch:
		case <-d.done:
			return
		}
	}
}

// decode reads the beginning of struct ifinfomsg or ifaddrmsg, rtnetlink(7).
func decode(m netlink.Message) (change, bool) {
	if len(m.Data) < unix.SizeofIfAddrmsg {
		return change{}, false
	}
	index := int(binary.NativeEndian.Uint32(m.Data[4:]))
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return change{index: index}, m.Data[0] == unix.AF_UNSPEC
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return change{index: index, address: true}, true
	}
	return change{}, false
}

// Package netlab builds small networks out of anonymous network namespaces:
// hosts, switches between them, processes in them, and instruments that watch
// what happens on the wire. Nothing it makes has a name outside the process, so
// nothing survives it, not even a crash.
package netlab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Lab is a set of switches and hosts. Close takes all of it down.
type Lab struct {
	Dir string // temporary directory for logs and whatever the hosts need; Close removes it

	mu       sync.Mutex
	fabric   *space // the namespace the switches stand in
	switches []*Switch
	hosts    []*Host
	ports    map[int]*port // by interface index in the fabric
	closers  []func()      // sniffers and probers, stopped before the hosts
	closed   bool
}

// port is the switch's end of a host's cable.
type port struct {
	link netlink.Link
	host *Host
	name string // the host's end
}

// New makes an empty lab. It needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
func New() (*Lab, error) {
	fabric, err := newSpace()
	if err != nil {
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	dir, err := os.MkdirTemp("", "keepgo-lab-")
	if err != nil {
		fabric.close()
		return nil, err
	}
	return &Lab{Dir: dir, fabric: fabric, ports: map[int]*port{}}, nil
}

// Close ends every process in the lab, stops its instruments and lets go of its
// namespaces. It may be called more than once.
func (l *Lab) Close() error {
	l.mu.Lock()
	closers, hosts, closed := l.closers, l.hosts, l.closed
	l.closers, l.closed = nil, true
	l.mu.Unlock()
	if closed {
		return nil
	}
	for _, stop := range closers {
		stop()
	}
	var errs []error
	for _, h := range hosts {
		errs = append(errs, h.KillAll())
		h.space.close()
	}
	l.fabric.close()
	return errors.Join(append(errs, os.RemoveAll(l.Dir))...)
}

// onClose registers something to stop before the hosts go.
func (l *Lab) onClose(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, f)
}

// Switch is an Ethernet switch: a bridge without snooping or spanning tree.
type Switch struct {
	Name string
	lab  *Lab
	link *netlink.Bridge
}

// Switch adds a switch. The name is for messages.
func (l *Lab) Switch(name string) (*Switch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	off := false
	br := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &off}
	br.Name = fmt.Sprintf("sw%d", len(l.switches))
	if err := l.fabric.handle.LinkAdd(br); err != nil {
		return nil, fmt.Errorf("switch %s: %w", name, err)
	}
	if err := l.fabric.handle.LinkSetUp(br); err != nil {
		return nil, fmt.Errorf("switch %s: %w", name, err)
	}
	sw := &Switch{Name: name, lab: l, link: br}
	l.switches = append(l.switches, sw)
	return sw, nil
}

// space is a network namespace held by its file descriptor, and a netlink
// handle in it.
type space struct {
	ns     netns.NsHandle
	handle *netlink.Handle
	inode  string // "net:[4026532008]", as /proc shows it
}

// newSpace makes a namespace with its loopback up.
func newSpace() (*space, error) {
	var s space
	err := onThread(func() (err error) {
		if s.ns, err = netns.New(); err != nil {
			return err
		}
		s.inode, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.handle, err = netlink.NewHandleAt(s.ns, netlinkFamily); err != nil {
		s.ns.Close()
		return nil, err
	}
	lo, err := s.handle.LinkByName("lo")
	if err == nil {
		err = s.handle.LinkSetUp(lo)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return &s, nil
}

func (s *space) close() {
	s.handle.Close()
	s.ns.Close()
}

// do runs f on a thread inside the namespace. Sockets made and processes
// started by f stay there.
func (s *space) do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(s.ns); err != nil {
			return fmt.Errorf("enter namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a locked thread and brings the thread back to the
// namespace it came from. A thread that cannot come back is left locked and
// dies with its goroutine, which is why f runs on a goroutine of its own.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		err = f()
		if back := netns.Set(home); back != nil {
			done <- errors.Join(err, back)
			return
		}
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"keepgo/internal/netlab"
)

// daemon names a program under measurement.
type daemon string

const (
	ours   daemon = "keepgo"
	theirs daemon = "keepalived"
	bare   daemon = "bare loop"
)

// patience is how long a scene waits for what must happen.
const patience = 2 * time.Minute

// rig is a director and the bench's own machine on as many cables as the scene
// wants.
type rig struct {
	*options
	report *report
	daemon daemon
	lab    *netlab.Lab
	dir    *netlab.Host // the director
	peer   *netlab.Host // the bench's machine
	out    []*netlab.Injector
	ring   *ring
	proc   *netlab.Process
	conf   string
}

func newRig(o *options, r *report, d daemon, links int) (*rig, error) {
	lab, err := netlab.New()
	if err != nil {
		return nil, err
	}
	g := &rig{options: o, report: r, daemon: d, lab: lab, conf: filepath.Join(lab.Dir, "keepalived.conf")}
	if err := g.build(links); err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	return g, nil
}

func (g *rig) build(links int) (err error) {
	if g.dir, err = g.lab.Host("director"); err != nil {
		return err
	}
	if g.peer, err = g.lab.Host("peer"); err != nil {
		return err
	}
	for i := range links {
		if err := g.cable(i); err != nil {
			return err
		}
	}
	return g.peer.Do(func() error {
		g.ring, err = openRing()
		return err
	})
}

// cable is a switch between the two machines.
func (g *rig) cable(i int) error {
	sw, err := g.lab.Switch(linkName(i))
	if err != nil {
		return err
	}
	for last, h := range map[int]*netlab.Host{1: g.dir, 200: g.peer} {
		if err := h.Attach(linkName(i), sw, netip.PrefixFrom(hostAddr(i, last), 16)); err != nil {
			return err
		}
	}
	if !netlab.Until(5*time.Second, func() bool {
		l, err := g.dir.Netlink().LinkByName(linkName(i))
		return err == nil && l.Attrs().OperState == netlink.OperUp
	}) {
		return fmt.Errorf("%s does not come up", linkName(i))
	}
	in, err := g.peer.Inject(linkName(i))
	g.out = append(g.out, in)
	return err
}

// close takes it down; a scene that failed shows the daemon's last words.
func (g *rig) close(err error) error {
	if err != nil && g.proc != nil {
		err = fmt.Errorf("%w\n%s", err, g.proc.LogTail(5))
	}
	if g.ring != nil {
		if n := g.ring.lost(); n > 0 {
			err = errors.Join(err, fmt.Errorf("%d frames were not noted", n))
		}
		g.ring.close()
	}
	return errors.Join(err, g.lab.Close())
}

func linkName(i int) string { return "eth" + strconv.Itoa(i) }

// hostAddr is a machine's own address on a link, in a /16.
func hostAddr(link, last int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(link), 254, byte(last)})
}

// vipOf is the n-th virtual address of a router.
func vipOf(link, vrid, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(link), byte(vrid), byte(n + 1)})
}

// write writes the configuration.
func (g *rig) write(text string) error { return os.WriteFile(g.conf, []byte(text), 0o644) }

// argv is how the daemon is run, as a service manager does.
func (g *rig) argv(half string) []string {
	argv := []string{"-n", "-l", half, "-f", g.conf, "-p", g.pidFile("keepalived"), "-r", g.pidFile("vrrp"), "-c", g.pidFile("checkers")}
	if g.daemon == ours {
		return append([]string{g.keepgo, "run", "--control", filepath.Join(g.lab.Dir, "control.sock")}, argv...)
	}
	return append([]string{string(theirs)}, argv...)
}

func (g *rig) pidFile(name string) string { return filepath.Join(g.lab.Dir, name+".pid") }

// start writes the configuration and starts the daemon for VRRP alone.
func (g *rig) start(text string) error { return g.startHalf("-P", text) }

// startHalf starts the VRRP (-P) or the checker half (-C).
func (g *rig) startHalf(half, text string) (err error) {
	if err := g.write(text); err != nil {
		return err
	}
	g.proc, err = g.dir.Start(g.argv(half)...)
	return err
}

// stop ends the daemon and waits for it.
func (g *rig) stop() error {
	if err := g.proc.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return g.until("the daemon ends", func() bool { return ended(g.proc) && len(g.dir.PIDs()) == 0 })
}

func ended(p *netlab.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// until waits for what must happen.
func (g *rig) until(what string, ok func() bool) error {
	if !netlab.Until(patience, ok) {
		return fmt.Errorf("does not happen in %v: %s", patience, what)
	}
	return nil
}

// rest lets a time pass.
func rest(d time.Duration) { wait(monotonic() + d) }

// note adds a figure.
func (g *rig) note(key string, value float64) {
	if g.inside {
		key = "emulated " + key
	}
	g.report.note(key, g.daemon, value)
}

// millis is a duration as a figure.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// pid reads a pid file of the daemon.
func (g *rig) pid(name string) (int, error) {
	b, err := os.ReadFile(g.pidFile(name))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// cpu is the processor time that a process of the daemon used, to the
// nanosecond: clock_getcpuclockid(3), CPUCLOCK_SCHED.
func (g *rig) cpu(name string) (time.Duration, error) {
	pid, err := g.pid(name)
	if err != nil {
		return 0, err
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, fmt.Errorf("processor time of %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// pss is a process's share of memory in MiB, proc_pid_smaps_rollup(5).
func (g *rig) pss(name string) (float64, error) {
	pid, err := g.pid(name)
	if err != nil {
		return 0, err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(b), "\nPss:")
	f := strings.Fields(after)
	if len(f) == 0 {
		return 0, fmt.Errorf("no Pss in smaps_rollup of %d", pid)
	}
	kib, err := strconv.Atoi(f[0])
	return float64(kib) / 1024, err
}

// addrs tells of every address that goes or comes on the director. It is read
// on a thread of its own.
func (g *rig) addrs() (*addrWatch, error) {
	w := &addrWatch{}
	err := g.dir.Do(func() (err error) {
		w.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20); err != nil {
			return err
		}
		tv := unix.NsecToTimeval(int64(10 * time.Second))
		if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_IPV4_IFADDR})
	})
	return w, err
}

// addrWatch hears the kernel's notifications of addresses.
type addrWatch struct{ fd int }

// count waits for n notifications of a kind (RTM_NEWADDR, RTM_DELADDR) and
// tells when the last one was read.
func (w *addrWatch) count(kind uint16, n int) (time.Duration, error) {
	buf := make([]byte, 64<<10)
	for n > 0 {
		size, _, err := unix.Recvfrom(w.fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("%d changes of addresses are missing: %w", n, err)
		}
		msgs, err := syscall.ParseNetlinkMessage(buf[:size])
		if err != nil {
			return 0, err
		}
		for _, m := range msgs {
			if m.Header.Type == kind {
				n--
			}
		}
	}
	return wall(), nil
}

func (w *addrWatch) close() { unix.Close(w.fd) }

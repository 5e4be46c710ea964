package lab

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl/nft"
)

// What the hands of an operator, or of fate, do to a director.

func (d *director) index() int {
	if d.stage.directors[1] == d {
		return 1
	}
	return 0
}

// kill ends all processes at once; the machine goes on.
func (d *director) kill() error {
	d.ending = true
	return d.KillAll()
}

// vrrpPID is the process that speaks VRRP, by its pid file; 0 while there is
// none.
func (d *director) vrrpPID() int {
	b, err := os.ReadFile(d.base() + "_vrrp.pid")
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

// succeeded tells whether another process speaks VRRP than the old one.
func (d *director) succeeded(old int) bool {
	pid := d.vrrpPID()
	return pid != old && pid != 0
}

func (d *director) base() string { return filepath.Join(d.stage.Dir, d.Name) }

// signalPID sends a signal to one process of the director, and no other's.
func (d *director) signalPID(pid int, sig syscall.Signal) error {
	for _, own := range d.PIDs() {
		if own == pid {
			return unix.Kill(pid, sig)
		}
	}
	return fmt.Errorf("%s has no process %d", d.Name, pid)
}

// freeze stops every process of the director; thaw lets them go on.
func (d *director) freeze() error { d.frozen = true; return d.signalAll(syscall.SIGSTOP) }

func (d *director) thaw() error { d.frozen = false; return d.signalAll(syscall.SIGCONT) }

func (d *director) signalAll(sig syscall.Signal) error {
	for _, pid := range d.PIDs() {
		if err := unix.Kill(pid, sig); err != nil && err != unix.ESRCH {
			return fmt.Errorf("%s: process %d: %w", d.Name, pid, err)
		}
	}
	return nil
}

// takeAway removes an address from whatever interface it stands on.
func (d *director) takeAway(a netip.Addr) error {
	links, err := d.Netlink().LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		have, err := d.Addrs(l.Attrs().Name)
		if err != nil {
			continue // it has just gone
		}
		for _, p := range have {
			if p.Addr() == a {
				return d.DelAddr(l.Attrs().Name, p)
			}
		}
	}
	return fmt.Errorf("%s does not have %s", d.Name, a)
}

// rewrite changes the director's file and has the daemon read it.
func (d *director) rewrite(text string) error {
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		return err
	}
	return d.proc.Signal(syscall.SIGHUP)
}

// Names of what balances connections.
const (
	planeIPVS = "ipvs"
	planeNFT  = "nftables"
)

// CheckPlanes says which of the names of data planes is none.
func CheckPlanes(names []string) error {
	for _, name := range names {
		if name != planeIPVS && name != planeNFT {
			return fmt.Errorf("%q balances nothing: it is %s or %s, or both with a comma between", name, planeIPVS, planeNFT)
		}
	}
	return nil
}

// dataPlane is what balances connections on the director: "" for nothing.
func (d *director) dataPlane() string {
	switch {
	case len(d.serviceTables()) > 0:
		return planeNFT
	case d.ipvsServices() > 0:
		return planeIPVS
	}
	return ""
}

// serviceTables are the nftables tables in which our services stand with at
// least one chain.
func (d *director) serviceTables() []*nftables.Table {
	own := map[tableID]*nftables.Table{}
	d.Do(func() error { // a kernel without nftables has none
		conn := &nftables.Conn{}
		chains, err := conn.ListChains()
		for _, c := range chains {
			if ofServices(c.Table) {
				own[tableID{c.Table.Family, c.Table.Name}] = c.Table
			}
		}
		return err
	})
	return slices.Collect(maps.Values(own))
}

type tableID struct {
	family nftables.TableFamily
	name   string
}

// ofServices says whether a table is of our services: those by direct routing
// have tables of their own, whose names begin alike.
func ofServices(t *nftables.Table) bool {
	return t.Name == nft.TableName || strings.HasPrefix(t.Name, nft.TableName+"_")
}

// ipvsServices counts the services in the director's IPVS table.
func (d *director) ipvsServices() int {
	n := 0
	d.Do(func() error { // a kernel without IPVS has no such file
		b, err := os.ReadFile("/proc/thread-self/net/ip_vs")
		for line := range strings.Lines(string(b)) {
			for _, kind := range []string{"TCP ", "UDP ", "SCTP ", "FWM "} {
				if strings.HasPrefix(line, kind) {
					n++
				}
			}
		}
		return err
	})
	return n
}

// clearServices removes every service from the kernel, as an operator by
// mistake.
func (d *director) clearServices(plane string) error {
	return d.Do(func() error {
		if plane == planeIPVS {
			out, err := exec.Command("ipvsadm", "-C").CombinedOutput()
			if err != nil {
				return fmt.Errorf("ipvsadm -C: %w: %s", err, out)
			}
			return nil
		}
		conn := &nftables.Conn{}
		tables, err := conn.ListTables()
		if err != nil {
			return err
		}
		for _, t := range tables {
			if ofServices(t) {
				conn.DelTable(t)
			}
		}
		return conn.Flush()
	})
}

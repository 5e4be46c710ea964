package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// program takes how long the daemon takes to put many services with four
// servers each into IPVS, and to take them off when it ends.
func program(services int) func(*rig) error {
	return func(g *rig) error {
		key := fmt.Sprintf("ipvs %d", services)
		t, err := g.ipvs()
		if err != nil {
			return err
		}
		defer t.close()
		begin := monotonic()
		if err := g.startHalf("-C", farm{services: services, servers: 4, every: 60}.String()); err != nil {
			return err
		}
		first, err := t.until("a service stands", func(n int) bool { return n > 0 })
		if err != nil {
			return err
		}
		stand, err := t.full(services, 4*services)
		if err != nil {
			return err
		}
		g.note(key, millis(stand-first))
		g.note(key+" start", millis(stand-begin))
		return t.tornDown(key)
	}
}

// tornDown ends the daemon, and takes how long it removes services and how many
// it leaves: keepalived ends its checking process by force when that takes long.
func (t *table) tornDown(key string) error {
	begin := monotonic()
	if err := t.proc.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	var left int
	gone, err := t.until("no service stands, or nobody removes them", func(n int) bool {
		left = n
		return n == 0 || ended(t.proc) && len(t.dir.PIDs()) == 0
	})
	if err != nil {
		return err
	}
	t.note(key+" removed", millis(gone-begin))
	t.note(key+" left", float64(left))
	return t.rig.until("the daemon ends", func() bool { return ended(t.proc) && len(t.dir.PIDs()) == 0 })
}

// table asks the kernel how much stands in IPVS.
type table struct {
	*rig
	fd int
}

// ipvs loads IPVS and asks in the director's namespace.
func (g *rig) ipvs() (*table, error) {
	if out, err := exec.Command("modprobe", "ip_vs").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("modprobe ip_vs: %w: %s", err, out)
	}
	t := &table{rig: g}
	err := g.dir.Do(func() (err error) {
		t.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	return t, err
}

func (t *table) close() { unix.Close(t.fd) }

// services counts them: IP_VS_SO_GET_INFO, linux/ip_vs.h.
func (t *table) services() (int, error) {
	const soGetInfo = 64 + 1024 + 64 + 1
	var info struct{ version, size, services uint32 }
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(t.fd), unix.IPPROTO_IP, soGetInfo, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("asking for the number of services: %w", errno)
	}
	return int(info.services), nil
}

// until asks each millisecond, and tells when it was so.
func (t *table) until(what string, ok func(services int) bool) (time.Duration, error) {
	for end := monotonic() + patience; monotonic() < end; rest(time.Millisecond) {
		n, err := t.services()
		if err != nil {
			return 0, err
		}
		if ok(n) {
			return monotonic(), nil
		}
	}
	return 0, fmt.Errorf("does not happen in %v: %s", patience, what)
}

// full waits until everything stands. Looking at all servers is dear, so it
// begins when the last service is there.
func (t *table) full(services, servers int) (time.Duration, error) {
	if _, err := t.until("all services stand", func(n int) bool { return n == services }); err != nil {
		return 0, err
	}
	for end := monotonic() + patience; ; {
		at, n := monotonic(), 0
		err := t.dir.Do(func() error {
			b, err := os.ReadFile("/proc/thread-self/net/ip_vs")
			n = bytes.Count(b, []byte("\n  -> ")) - 1 // the heading has one
			return err
		})
		if err != nil || n == servers {
			return at, err
		}
		if at > end {
			return 0, fmt.Errorf("only %d of %d servers stand", n, servers)
		}
	}
}

// Of linux/ip_vs.h.
const (
	ipvsNewService, ipvsDelService, ipvsNewDest = 1, 3, 5 // IPVS_CMD_
	ipvsService, ipvsDest                       = 1, 2    // IPVS_CMD_ATTR_
)

// bareProgram does it with one message after another, 128 in a send.
func bareProgram(services int) func(*rig) error {
	return func(g *rig) error {
		t, err := g.ipvs()
		if err != nil {
			return err
		}
		defer t.close()
		return g.dir.Do(func() error {
			c, err := netlink.Dial(unix.NETLINK_GENERIC, nil)
			if err != nil {
				return err
			}
			defer c.Close()
			family, err := genetlink.NewConn(c).GetFamily("IPVS")
			if err != nil {
				return err
			}
			added, removed, err := ipvsMessages(netlink.HeaderType(family.ID), services)
			if err != nil {
				return err
			}
			key := fmt.Sprintf("ipvs %d", services)
			return errors.Join(g.batches(key, c, added), g.batches(key+" removed", c, removed))
		})
	}
}

// batches sends messages, with an answer for the last of each send.
func (g *rig) batches(key string, c *netlink.Conn, all []netlink.Message) error {
	begin := monotonic()
	for first := 0; first < len(all); first += 128 {
		batch := all[first:min(first+128, len(all))]
		batch[len(batch)-1].Header.Flags |= netlink.Acknowledge
		if _, err := c.SendMessages(batch); err != nil {
			return err
		}
		if _, err := c.Receive(); err != nil {
			return err
		}
	}
	g.note(key, millis(monotonic()-begin))
	return nil
}

// ipvsMessages put the services of a farm and their servers into the table, and
// take them off.
func ipvsMessages(family netlink.HeaderType, services int) (added, removed []netlink.Message, err error) {
	note := func(list *[]netlink.Message, command byte, build func(*netlink.AttributeEncoder)) {
		ae := netlink.NewAttributeEncoder()
		build(ae)
		b, failed := ae.Encode()
		err = errors.Join(err, failed)
		*list = append(*list, netlink.Message{Header: netlink.Header{Type: family, Flags: netlink.Request}, Data: append([]byte{command, 1, 0, 0}, b...)})
	}
	for i := range services {
		addr := serviceAddr(i)
		note(&added, ipvsNewService, func(ae *netlink.AttributeEncoder) { ipvsKey(ae, addr, true) })
		for k := range 4 {
			note(&added, ipvsNewDest, func(ae *netlink.AttributeEncoder) {
				ipvsKey(ae, addr, false)
				ae.Nested(ipvsDest, func(ae *netlink.AttributeEncoder) error {
					ae.Bytes(1, serverAddr(i*4+k).AsSlice()) // IPVS_DEST_ATTR_ADDR
					ae.Bytes(2, []byte{0, 80})               // _PORT
					ae.Uint32(3, 0)                          // _FWD_METHOD: masquerading
					ae.Uint32(4, 1)                          // _WEIGHT
					ae.Uint32(5, 0)                          // _U_THRESH
					ae.Uint32(6, 0)                          // _L_THRESH
					return nil
				})
			})
		}
		note(&removed, ipvsDelService, func(ae *netlink.AttributeEncoder) { ipvsKey(ae, addr, false) })
	}
	return added, removed, err
}

// ipvsKey names a service, and with whole says what it is like.
func ipvsKey(ae *netlink.AttributeEncoder, addr netip.Addr, whole bool) {
	ae.Nested(ipvsService, func(ae *netlink.AttributeEncoder) error {
		ae.Uint16(1, unix.AF_INET)     // IPVS_SVC_ATTR_AF
		ae.Uint16(2, unix.IPPROTO_TCP) // _PROTOCOL
		ae.Bytes(3, addr.AsSlice())    // _ADDR
		ae.Bytes(4, []byte{0, 80})     // _PORT
		if whole {
			ae.String(6, "rr")                                                  // _SCHED_NAME
			ae.Bytes(7, binary.NativeEndian.AppendUint64(nil, 0xffffffff<<32))  // _FLAGS: flags, mask
			ae.Uint32(8, 0)                                                     // _TIMEOUT
			ae.Bytes(9, netip.AddrFrom4([4]byte{255, 255, 255, 255}).AsSlice()) // _NETMASK
		}
		return nil
	})
}

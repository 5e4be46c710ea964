package genl

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/ipvs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"keepgo/internal/guest"
	"keepgo/ipvsctl"
)

// native says whether this very kernel can be used, in namespaces.
func native() bool {
	_, err := os.Stat("/proc/net/ip_vs")
	return err == nil && os.Geteuid() == 0
}

// bench is a door in a network namespace of its own, and what it reported.
type bench struct {
	*testing.T
	*Door
	mu     sync.Mutex
	events []Event
}

func newBench(t *testing.T, repair time.Duration) *bench {
	t.Helper()
	if !guest.Inside() && !native() {
		t.Skip("needs a kernel with IPVS: runs in TestGuest")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	b := &bench{T: t}
	b.run("ip", "link", "set", "lo", "up")
	b.Cleanup(func() { b.run("ipvsadm", "-C") })
	b.Door = b.open(repair)
	return b
}

func (b *bench) open(repair time.Duration) *Door {
	b.Helper()
	d, err := Open(Options{Repair: repair, Report: func(e Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, e)
	}})
	if err != nil {
		b.Fatalf("open: %v", err)
	}
	b.Cleanup(d.Close)
	return d
}

// take returns the events so far and forgets them.
func (b *bench) take() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.events
	b.events = nil
	return e
}

func (b *bench) run(args ...string) string {
	b.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// saved is what "ipvsadm -Sn" writes, sorted. It leaves thresholds out.
func (b *bench) saved() []string {
	b.Helper()
	lines := strings.Split(strings.TrimSpace(b.run("ipvsadm", "-Sn")), "\n")
	slices.Sort(lines)
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines
}

// set gives a want and waits for it.
func (b *bench) set(changed ipvsctl.Table, removed ...ipvsctl.ServiceKey) {
	b.Helper()
	b.Set(changed, removed)
	if err := b.Sync(); err != nil {
		b.Fatalf("sync: %v", err)
	}
}

// reader is a client of the ipvs package in the test's namespace. Left open it
// would keep the namespace, and the modules it uses.
func (b *bench) reader() interface {
	ipvs.Client
	io.Closer
} {
	b.Helper()
	c, err := ipvs.New()
	if err != nil {
		b.Fatal(err)
	}
	return c.(interface {
		ipvs.Client
		io.Closer
	})
}

// kernel reads the table through the ipvs package, which knows no engines.
func (b *bench) kernel() ipvsctl.Table {
	b.Helper()
	c := b.reader()
	defer c.Close()
	services, err := c.Services()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.Fatal(err)
	}
	table := ipvsctl.Table{}
	for _, s := range services {
		k := ipvsctl.ServiceKey{Protocol: uint8(s.Protocol), Addr: s.Address, Port: s.Port,
			FWMark: s.FWMark, IPv6: s.Family == ipvs.INET6}
		e := ipvsctl.Entry{Service: service(s.Service), Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
		dests, err := c.Destinations(s.Service)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			b.Fatal(err)
		}
		for _, d := range dests {
			e.Destinations[ipvsctl.DestKey{Addr: d.Address, Port: d.Port}] = ipvsctl.Destination{
				Weight: d.Weight, Forward: uint8(d.FwdMethod), Upper: d.UpperThreshold, Lower: d.LowerThreshold,
				TunnelType: uint8(d.TunnelType), TunnelPort: d.TunnelPort, TunnelFlags: uint16(d.TunnelFlags),
			}
		}
		table[k] = e.Canonical(k)
	}
	return table
}

func service(s ipvs.Service) ipvsctl.Service {
	r := ipvsctl.Service{Scheduler: s.Scheduler, Flags: uint32(s.Flags), Timeout: time.Duration(s.Timeout) * time.Second}
	if s.Family == ipvs.INET6 {
		r.PrefixLen = uint8(s.Netmask.Bits())
	} else {
		r.Netmask4 = [4]byte(s.Netmask.AsSlice())
	}
	return r
}

func (b *bench) same(got, want ipvsctl.Table) {
	b.Helper()
	canonical := ipvsctl.Table{}
	for k, e := range want {
		c := e.Canonical(k.Canonical())
		c.Service.Engine = ""
		canonical[k.Canonical()] = c
	}
	if diff := cmp.Diff(canonical, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		b.Errorf("table (-want +got):\n%s", diff)
	}
}

func tcp(addr string) ipvsctl.ServiceKey { return key(6, addr) }

func key(protocol uint8, addr string) ipvsctl.ServiceKey {
	ap := netip.MustParseAddrPort(addr)
	return ipvsctl.ServiceKey{Protocol: protocol, Addr: ap.Addr(), Port: ap.Port(), IPv6: ap.Addr().Is6()}
}

func dest(addr string) ipvsctl.DestKey {
	ap := netip.MustParseAddrPort(addr)
	return ipvsctl.DestKey{Addr: ap.Addr(), Port: ap.Port()}
}

// entry is a service with servers of the given weight.
func entry(scheduler string, weight uint32, dests ...string) ipvsctl.Entry {
	e := ipvsctl.Entry{Service: ipvsctl.Service{Scheduler: scheduler}, Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
	for _, d := range dests {
		e.Destinations[dest(d)] = ipvsctl.Destination{Weight: weight}
	}
	return e
}

// eventually polls until ok, for at most half a minute.
func (b *bench) eventually(what string, ok func() bool) {
	b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			b.Fatalf("not within 30 s: %s", what)
		}
	}
}

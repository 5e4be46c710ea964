package integration

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/guest"
	"keepgo/internal/lab/drill"
	"keepgo/ipvsctl"
	"keepgo/ipvsctl/genl"
	"keepgo/ipvsctl/nft"
)

// TestPlanesGuest boots a kernel with IPVS and puts both planes side by side in
// it.
func TestPlanesGuest(t *testing.T) {
	needsTime(t)
	needsRoot(t)
	guest.Tests(t, "^TestBeside|^TestNFTablesBalances$|^TestCourseOnIPVS$")
}

// door is what keeps services in the kernel.
type door interface {
	program(changed ipvsctl.Table, removed []ipvsctl.ServiceKey)
	Sync() error
	Usage() (map[ipvsctl.ServiceKey]ipvsctl.Usage, error)
	Close()
}

type ipvsDoor struct{ *genl.Door }

func (d ipvsDoor) program(t ipvsctl.Table, gone []ipvsctl.ServiceKey) { d.Set(t, gone) }

type nftDoor struct{ *nft.Door }

func (d nftDoor) program(t ipvsctl.Table, gone []ipvsctl.ServiceKey) { d.Set(t, gone) }

func openPlane(plane string) (door, error) {
	if plane == "ipvs" {
		d, err := genl.Open(genl.Options{Repair: -1, Report: func(genl.Event) {}})
		return ipvsDoor{d}, err
	}
	d, err := nft.Open(nft.Options{})
	return nftDoor{d}, err
}

const (
	costServices = 1000
	costServers  = 4 // of each
)

// costTable is many services, by NAT.
func costTable() ipvsctl.Table {
	t := ipvsctl.Table{}
	for i := range costServices {
		k := ipvsctl.ServiceKey{Protocol: unix.IPPROTO_TCP, Addr: netip.AddrFrom4([4]byte{10, 8, byte(i / 200), byte(1 + i%200)}), Port: 80}
		e := ipvsctl.Entry{Service: ipvsctl.Service{Scheduler: "wrr"}, Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
		for s := range costServers {
			a := netip.AddrFrom4([4]byte{10, 9 + byte(s), byte(i / 200), byte(1 + i%200)})
			e.Destinations[ipvsctl.DestKey{Addr: a, Port: 80}] = ipvsctl.Destination{Weight: uint32(s + 1)}
		}
		t[k] = e
	}
	return t
}

// cost is what a piece of work took.
type cost struct {
	time   time.Duration
	heap   uint64 // bytes allocated by the program meanwhile
	kernel int64  // kB by which the kernel's own memory grew
}

func costOf(t *testing.T, work func()) (c cost) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	memory, begin := kernelMemory(t), time.Now()
	work()
	c.time = time.Since(begin)
	runtime.ReadMemStats(&after)
	c.heap, c.kernel = after.TotalAlloc-before.TotalAlloc, kernelMemory(t)-memory
	return c
}

// kernelMemory is what the kernel has in use for itself, in kB: proc_meminfo(5).
func kernelMemory(t *testing.T) (sum int64) {
	t.Helper()
	for line := range strings.Lines(string(must(os.ReadFile("/proc/meminfo"))(t))) {
		words := strings.Fields(line)
		if slices.Contains([]string{"Slab:", "Percpu:", "VmallocUsed:"}, words[0]) {
			var kB int64
			fmt.Sscan(words[1], &kB)
			sum += kB
		}
	}
	return sum
}

// TestBesideCost programs the same services in both planes of one
// kernel: all at once, then a change of one, then a look at all counters. The
// figures are in docs/nftables.md.
func TestBesideCost(t *testing.T) {
	needsIPVS(t)
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, plane := range []string{"ipvs", "nftables"} {
			planeCost(t, plane)
		}
	}
}

func planeCost(t *testing.T, plane string) {
	t.Helper()
	d := must(openPlane(plane))(t)
	defer d.Close()
	table := costTable()
	keys := make([]ipvsctl.ServiceKey, 0, len(table))
	one := ipvsctl.Table{}
	for k, e := range table {
		keys = append(keys, k)
		one = ipvsctl.Table{k: {Service: e.Service, Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{{Addr: k.Addr.Next(), Port: 81}: {Weight: 1}}}}
	}
	set := func(changed ipvsctl.Table, removed []ipvsctl.ServiceKey) func() {
		return func() {
			d.program(changed, removed)
			if err := d.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := costOf(t, set(table, nil))
	if usage := must(d.Usage())(t); len(usage) != costServices {
		t.Errorf("%s has %d services", plane, len(usage))
	}
	change := costOf(t, set(one, nil))
	look := costOf(t, func() { must(d.Usage())(t) })
	gone := costOf(t, set(nil, keys))
	for _, c := range []struct {
		what string
		cost
	}{{"program all", all}, {"change one", change}, {"read the counters", look}, {"remove all", gone}} {
		t.Logf("%-9s %-18s %8.1f ms  %8.2f MB allocated  %+8.2f MB in the kernel", plane, c.what,
			float64(c.time.Microseconds())/1000, float64(c.heap)/1e6, float64(c.kernel)/1e3)
	}
}

// besideBook is a shortened book for both planes.
const besideBook = "* skip\nstart\npower\ntable\nreload"

// TestBesideLab plays the example on both planes of one kernel, and puts
// them side by side.
func TestBesideLab(t *testing.T) {
	needsIPVS(t)
	book := filepath.Join(t.TempDir(), "drill")
	must(0, os.WriteFile(book, []byte(besideBook), 0o644))(t)
	cmd, out, errs, _ := labCommand(t, "--drills", "--json", "--data-plane", "ipvs,nftables", "--limits", book, example)
	err := cmd.Run()
	var reports []drill.Report
	if json.Unmarshal(out.Bytes(), &reports) != nil || len(reports) != 2 {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	for i, plane := range []string{"ipvs", "nftables"} {
		r := reports[i]
		if r.Daemon != plane || r.DataPlane != plane || len(r.HTTP) != 2 {
			t.Errorf("report %d: with %q, balanced by %q: %v", i, r.Daemon, r.DataPlane, r.HTTP)
		}
		for _, a := range r.HTTP {
			if len(a.Servers) == 0 {
				t.Errorf("%s: nobody answered: %v", plane, a)
			}
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, errs)
	}
	var table strings.Builder
	must(0, drill.WriteTable(&table, reports))(t)
	t.Log(table.String())
}

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"keepgo/internal/netlab"
)

// farm is a configuration of many virtual servers.
type farm struct {
	services, servers int    // servers of each service
	checker           string // none if empty: a server is up
	every             int    // seconds between two checks
	victims           int    // services whose servers listen at port 81
	more              int    // servers more in the first service
	plane             string // lvs_data_plane
}

// largeFarm is one to read.
func largeFarm(services int) farm {
	return farm{services: services, servers: 4, checker: "TCP_CHECK", every: 6}
}

// plane leaves the kernel's tables alone where it has no IPVS: what is measured
// are the checks.
func (g *rig) plane() string {
	if g.inside {
		return ""
	}
	return " lvs_data_plane ipvs\n"
}

// String is the text of it.
func (f farm) String() string {
	var b strings.Builder
	b.WriteString("global_defs {\n router_id bench\n" + f.plane + "}\n")
	for i := range f.services {
		fmt.Fprintf(&b, "virtual_server %s 80 {\n delay_loop %d\n lb_algo rr\n lb_kind NAT\n protocol TCP\n", serviceAddr(i), f.every)
		n := f.servers
		if i == 0 {
			n += f.more
		}
		for k := range n {
			port := 80
			if i < f.victims {
				port = 81
			}
			fmt.Fprintf(&b, " real_server %s %d {\n  weight 1\n%s }\n", serverAddr(i*f.servers+k), port, f.check())
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// check is the block of a real server's check.
func (f farm) check() string {
	url := "   url {\n    path /\n    status_code 200\n   }\n"
	switch f.checker {
	case "":
		return ""
	case "TCP_CHECK":
		url = ""
	}
	return "  " + f.checker + " {\n" + url + "   connect_timeout 2\n   retry 0\n  }\n"
}

// serviceAddr is the n-th virtual server's address.
func serviceAddr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(160 + n/62500), byte(n / 250 % 250), byte(n%250 + 1)})
}

// serverAddr is the n-th real server's address: all of them are the bench's
// machine, which answers at the whole of 10.96.0.0/11.
func serverAddr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(96 + n/62500), byte(n / 250 % 250), byte(n%250 + 1)})
}

var servers = net.IPNet{IP: net.IPv4(10, 96, 0, 0).To4(), Mask: net.CIDRMask(11, 32)}

// route lets the director reach the real servers.
func (g *rig) route() error {
	lo, err := g.peer.Netlink().LinkByName("lo")
	if err != nil {
		return err
	}
	if err := g.peer.Netlink().RouteReplace(&netlink.Route{Dst: &servers, LinkIndex: lo.Attrs().Index, Type: unix.RTN_LOCAL,
		Table: unix.RT_TABLE_LOCAL, Scope: unix.RT_SCOPE_HOST}); err != nil {
		return fmt.Errorf("local route: %w", err)
	}
	for _, h := range []*netlab.Host{g.dir, g.peer} {
		if err := h.Sysctl("net/ipv4/tcp_tw_reuse", "1"); err != nil {
			return err
		}
	}
	return g.dir.Netlink().RouteReplace(&netlink.Route{Dst: &servers, Gw: hostAddr(0, 200).AsSlice()})
}

// served counts the connections that the real servers got.
var served atomic.Int64

// serve answers at port 80, and at port 81 until the returned function of it is
// called.
func (g *rig) serve(kind string) (stop func(), err error) {
	ln, err := g.peer.Listen("tcp", ":80")
	if err != nil {
		return nil, err
	}
	answer(counted{ln}, kind)
	return func() { ln.Close() }, nil
}

// counted counts what is accepted.
type counted struct{ net.Listener }

func (c counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		served.Add(1)
	}
	return conn, err
}

func answer(ln net.Listener, kind string) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	server := &http.Server{Handler: ok, ErrorLog: log.New(io.Discard, "", 0)}
	switch kind {
	case "HTTP_GET":
		go func() { _ = server.Serve(ln) }()
	case "SSL_GET":
		pair := httptest.NewUnstartedServer(ok)
		pair.StartTLS()
		server.TLSConfig = &tls.Config{Certificates: pair.TLS.Certificates}
		pair.Close()
		go func() { _ = server.ServeTLS(ln, "", "") }()
	default:
		go func() {
			for {
				c, err := ln.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil {
					c.Close()
				}
			}
		}()
	}
}

// checks takes the processor time of one check.
func checks(kind string, servers int) func(*rig) error {
	return func(g *rig) error {
		stop, err := g.begin(farm{services: servers, servers: 1, checker: kind, every: 1}, kind)
		if err != nil {
			return err
		}
		defer stop()
		if _, err := g.checked("cpu "+kind, time.Duration(g.few(10, 5))*time.Second); err != nil {
			return err
		}
		return g.stop()
	}
}

// begin starts the servers and the daemon, and waits until it checks.
func (g *rig) begin(f farm, kind string) (stop func(), err error) {
	if err := g.route(); err != nil {
		return nil, err
	}
	if stop, err = g.serve(kind); err != nil {
		return nil, err
	}
	n := served.Load()
	f.plane = g.plane()
	if err := g.startHalf("-C", f.String()); err != nil {
		return stop, err
	}
	want := int64(f.services * f.servers)
	if f.every > 60 {
		want = 0 // they come in the course of an hour
	}
	if err := g.until("every server was checked", func() bool { return served.Load()-n >= want }); err != nil {
		return stop, err
	}
	rest(2 * time.Second)
	return stop, nil
}

// crowd checks 5,000 servers each second, and lets some of them die.
func crowd(g *rig) error {
	f := farm{services: 5000, servers: 1, checker: "TCP_CHECK", every: 1, victims: 500}
	victims, err := g.peer.Listen("tcp", ":81")
	if err != nil {
		return err
	}
	answer(counted{victims}, "tcp")
	stop, err := g.begin(f, "tcp")
	if err != nil {
		return err
	}
	defer stop()
	during := time.Duration(g.few(10, 5)) * time.Second
	done, err := g.checked("cpu of 5000 checks", during)
	if err != nil {
		return err
	}
	g.note("checks done", float64(done)/(float64(f.services)*during.Seconds()))
	if err := g.buried(victims, f.victims); err != nil {
		return err
	}
	return g.stop()
}

// checked counts the checks of a time, and takes the processor time of one.
func (g *rig) checked(key string, during time.Duration) (done int64, err error) {
	before, err := g.cpu("checkers")
	if err != nil {
		return 0, err
	}
	n := served.Load()
	rest(during)
	done = served.Load() - n
	after, err := g.cpu("checkers")
	g.note(key, float64(after-before)/float64(done)/float64(time.Microsecond))
	return done, err
}

// buried lets servers die, and takes how long it is until each is removed.
func (g *rig) buried(victims net.Listener, n int) error {
	known, begin := 0, monotonic()
	victims.Close()
	return g.until("the dead are seen", func() bool {
		rest(5 * time.Millisecond) // the log is read as a whole
		seen := strings.Count(g.proc.Log(), "Removing service")
		for ; known < seen; known++ {
			g.note("death seen", millis(monotonic()-begin))
		}
		return known >= n
	})
}

// memory takes what one real server costs the checking process.
func memory(servers int) func(*rig) error {
	return func(g *rig) error {
		var size [2]float64
		for i, n := range []int{10, servers / 10} {
			stop, err := g.begin(farm{services: n, servers: 10, checker: "TCP_CHECK", every: 3600}, "tcp")
			if err != nil {
				return err
			}
			rest(3 * time.Second)
			size[i], err = g.pss("checkers")
			stop()
			if err := errors.Join(err, g.stop()); err != nil {
				return err
			}
		}
		g.note(fmt.Sprintf("memory %d", servers), (size[1]-size[0])*1024/float64(servers-100))
		return nil
	}
}

// adds gives the first of many services another server.
func adds(services int) func(*rig) error {
	return func(g *rig) error {
		f := farm{services: services, servers: 4, checker: "TCP_CHECK", every: 3600}
		stop, err := g.begin(f, "tcp")
		if err != nil {
			return err
		}
		defer stop()
		if _, err := g.settled(); err != nil {
			return err
		}
		f.plane = g.plane()
		for range g.few(4, 2) {
			f.more++
			if err := g.add(f); err != nil {
				return err
			}
		}
		return g.stop()
	}
}

func (g *rig) add(f farm) error {
	if err := g.write(f.String()); err != nil {
		return err
	}
	before, err := g.cpus("keepalived", "checkers")
	if err != nil {
		return err
	}
	if err := g.proc.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	after, err := g.settled()
	g.note(fmt.Sprintf("reload %d services", f.services), millis(after-before))
	return err
}

// settled waits until the daemon has no more to do than in peace, and tells the
// processor time it has used.
func (g *rig) settled() (used time.Duration, err error) {
	rest(time.Second)
	settles := g.until("the daemon settles", func() bool {
		var before time.Duration
		if before, err = g.cpus("keepalived", "checkers"); err != nil {
			return true
		}
		rest(time.Second)
		used, err = g.cpus("keepalived", "checkers")
		return used-before < 200*time.Millisecond
	})
	return used, errors.Join(err, settles)
}

func (g *rig) cpus(names ...string) (sum time.Duration, err error) {
	for _, name := range names {
		t, err := g.cpu(name)
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}

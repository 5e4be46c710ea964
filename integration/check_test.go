package integration

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"keepgo/internal/netlab"
	"keepgo/internal/status"
)

// web is a real server that can be taken away and given back.
type web struct {
	host *netlab.Host
	srv  *http.Server
	code int // of /healthz
}

func (w *world) web(last int) *web {
	w.t.Helper()
	return &web{host: w.host(fmt.Sprintf("web%d", last), last), code: http.StatusOK}
}

// server is one to be balanced to: on the LAN, with the virtual address for which
// it does not answer ARP, or inside with its answers by way of a gateway.
func (w *world) server(last int, inside *netlab.Switch, gateway string) *web {
	w.t.Helper()
	if gateway == "" {
		s := w.web(last)
		w.do(s.host.Sysctl("net/ipv4/conf/all/arp_ignore", "1"))
		w.do(s.host.Sysctl("net/ipv4/conf/all/arp_announce", "2"))
		w.do(s.host.AddAddr("lo", netip.PrefixFrom(vip4, 32)))
		return s
	}
	s := &web{host: must(w.lab.Host(fmt.Sprintf("web%d", last)))(w.t), code: http.StatusOK}
	w.do(s.host.Attach(lanLink, inside, netip.MustParsePrefix(fmt.Sprintf("10.1.0.%d/24", last))))
	w.do(s.host.DefaultRoute(netip.MustParseAddr(gateway)))
	return s
}

func (s *web) up(w *world) {
	w.t.Helper()
	s.also(w, ":80")
}

// also answers at one more address; down ends the last.
func (s *web) also(w *world, addr string) {
	w.t.Helper()
	ln := must(s.host.Listen("tcp", addr))(w.t)
	code := s.code
	s.srv = &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Peer", r.RemoteAddr)
		rw.WriteHeader(code)
		io.WriteString(rw, s.host.Name)
	})}
	go s.srv.Serve(ln)
	w.t.Cleanup(func() { s.srv.Close() })
}

func (s *web) down() { s.srv.Close() }

const twoServers = `
virtual_server 10.0.0.100 80 {
    lvs_sched rr
    lvs_method DR
    protocol TCP
    delay_loop 1
    warmup 0
    retry 0
    quorum 1
    sorry_server 10.0.0.90 80
    real_server 10.0.0.21 80 {
        HTTP_GET {
            url {
                path /healthz
                status_code 200
            }
            connect_timeout 1
        }
    }
    real_server 10.0.0.22 80 {
        TCP_CHECK {
            connect_timeout 1
        }
    }
}
`

// service is the only service of a status.
func service(s *status.Status) *status.Service {
	if s == nil || len(s.Services) != 1 || len(s.Services[0].Servers) != 2 {
		return nil
	}
	return &s.Services[0]
}

// serves waits for a pattern of servers in (true) and out.
func (w *world) serves(d *director, first, second, up, sorry bool) {
	w.t.Helper()
	var last *status.Status
	ok := netlab.Until(patience, func() bool {
		last = d.status()
		s := service(last)
		return s != nil && s.Servers[0].Up == first && s.Servers[1].Up == second && s.Up == up && s.Sorry == sorry
	})
	if !ok {
		w.t.Fatalf("want servers up %v %v, service up %v, sorry %v; status %+v", first, second, up, sorry, last)
	}
}

func TestChecksMoveServers(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived's checkers do not start without IPVS, and it has no status")
	w := newWorld(t, ours, ours)
	one, two := w.web(21), w.web(22)
	one.up(w)
	two.up(w)
	k := wire{version: 3}
	a := confA(k)
	a.after = twoServers
	w.a.configure(a.String())
	begin := time.Now()
	w.a.start()
	w.becomesMasterAlone(w.a, begin)

	w.serves(w.a, true, true, true, false)
	two.down()
	w.serves(w.a, true, false, true, false)
	one.down()
	w.serves(w.a, false, false, false, true)
	one.code = http.StatusTeapot
	one.up(w)
	two.up(w)
	w.serves(w.a, false, true, true, false) // the wrong status is no success
	one.down()
	one.code = http.StatusOK
	one.up(w)
	w.serves(w.a, true, true, true, false)
	if why := w.a.status().Services[0].Servers[0].Why; why == "" {
		t.Error("the status does not say why the server is in")
	}
}

// becomesMasterAlone is becomesMaster for a director without a running partner.
func (w *world) becomesMasterAlone(d *director, since time.Time) {
	w.t.Helper()
	w.eventually(d.Name+" speaks as master", func() bool { return len(d.speaks(since)) > 0 })
	w.eventually(d.Name+" holds the address", func() bool { return d.Holds(vip4) })
}

func TestStatusTellsTheState(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived has no status")
	k := wire{version: 3}
	w := newPair(t, k, confA(k), confB(k))
	w.eventually("both tell their states", func() bool { return w.a.state() == "MASTER" && w.b.state() == "BACKUP" })
	w.eventually("the backup has heard its master", func() bool {
		s := w.b.status()
		return s != nil && s.Instances[0].Master != ""
	})
	a, b := w.a.status(), w.b.status()
	if a.PID != w.a.proc.PID() || a.Config != w.a.conf {
		t.Errorf("status of process %d with %s says %d and %s", w.a.proc.PID(), w.a.conf, a.PID, a.Config)
	}
	in := a.Instances[0]
	if in.Name != "VI_1" || in.Interface != lanLink || in.VRID != 51 || in.Priority != 150 || in.Reason == "" || in.Since.IsZero() {
		t.Errorf("master's instance: %+v", in)
	}
	if m := netip.MustParseAddr("10.0.0.1").String(); b.Instances[0].Master != m {
		t.Errorf("the backup's master is %q, want %s", b.Instances[0].Master, m)
	}
}

// TestChecksFollowAddressAndFile: with ha_suspend nobody is asked before the
// address is here, and a tracked file moves the weight of its server.
func TestChecksFollowAddressAndFile(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived's checkers do not start without IPVS, and it has no status")
	w := newWorld(t, ours, ours)
	file := filepath.Join(w.lab.Dir, "load")
	w.do(os.WriteFile(file, []byte("2\n"), 0o644))
	w.a.configure(`
track_file load {
    file ` + file + `
    weight -1
}
virtual_server 10.0.0.100 80 {
    lvs_sched rr
    lvs_method DR
    protocol TCP
    delay_loop 1
    warmup 0
    ha_suspend
    real_server 10.0.0.21 80 {
        TCP_CHECK {
        }
    }
    real_server 10.0.0.22 80 {
        weight 10
        FILE_CHECK {
            track_file load
        }
    }
}
`)
	w.a.start()
	tells := func(suspended, first bool, second int) {
		t.Helper()
		w.eventually(fmt.Sprintf("suspended %v, first server up %v, second of weight %d", suspended, first, second), func() bool {
			s := service(w.a.status())
			return s != nil && s.Suspended == suspended && s.Servers[0].Up == first && s.Servers[1].Weight == second
		})
	}
	tells(true, true, 8) // nobody answers there, and nobody asked
	w.do(os.WriteFile(file, []byte("5\n"), 0o644))
	tells(true, true, 5)
	w.do(w.a.AddAddr(lanLink, netip.PrefixFrom(vip4, 32)))
	tells(false, false, 5)
	w.do(w.a.DelAddr(lanLink, netip.PrefixFrom(vip4, 32)))
	tells(true, false, 5)
	w.eventually("nothing is asked any more", func() bool {
		s := w.a.status()
		return s != nil && s.Probes != nil && s.Probes.Probes > 0 && s.Probes.Checks == 0
	})
}

package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/control"
	"keepgo/internal/netlab"
	"keepgo/internal/status"
)

// stage is the network as it stands, with everything that runs in it.
type stage struct {
	*netlab.Lab
	net       *network
	directors [2]*director // the preferred one first
	client    *netlab.Host
	servers   map[netip.Addr]*machine
	sniff     *netlab.Sniffer
	pings     []*netlab.Pinger // by net.vips
	witness   *witness
}

// director is a machine that runs the daemon.
type director struct {
	*netlab.Host
	stage  *stage
	argv   []string // the daemon, without its files
	file   string
	socket string
	proc   *netlab.Process
	ending bool // its end is part of the scene
	frozen bool // it cannot answer
	plain  bool // the daemon has no control socket
}

// machine is a real server.
type machine struct {
	*server
	host *netlab.Host // nil for one that lives on a director
	open []io.Closer
	mood atomic.Int32
}

// Moods of a machine.
const (
	well  = iota
	slow  // it answers, but not in time
	wrong // it answers, but not as it should
)

// build sets the stage. What it has made is in Lab, also when it fails.
func build(lab *netlab.Lab, src *source, daemon []string, foreign bool) (*stage, error) {
	n := src.net
	s := &stage{Lab: lab, net: n, servers: map[netip.Addr]*machine{}}
	for i, name := range []string{"lb1", "lb2"} {
		h, err := lab.Host(name)
		if err != nil {
			return nil, err
		}
		d := &director{Host: h, stage: s, argv: daemon, plain: foreign}
		s.directors[i] = d
		d.file, d.socket = filepath.Join(lab.Dir, name+".conf"), filepath.Join(lab.Dir, name+".sock")
		if err := os.WriteFile(d.file, []byte(src.text(d)), 0o600); err != nil {
			return nil, err
		}
	}
	var err error
	if s.client, err = lab.Host("client"); err != nil {
		return nil, err
	}
	if err := s.cable(); err != nil {
		return nil, err
	}
	for _, srv := range n.servers {
		if err := s.addServer(srv); err != nil {
			return nil, err
		}
	}
	if s.sniff, err = lab.Sniff(); err != nil {
		return nil, err
	}
	s.witness, err = s.watch()
	return s, err
}

// scriptFlag is the file that makes a vrrp_script fail on the director.
func (d *director) scriptFlag(script string) string {
	return filepath.Join(d.stage.Dir, d.Name+"."+strings.Map(wordly, script)+".bad")
}

// wordly keeps of a name what needs no quoting.
func wordly(r rune) rune {
	if r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
		return r
	}
	return '_'
}

// partner exchanges the addresses of the two directors.
func (n *network) partner(a netip.Addr) netip.Addr {
	for _, l := range n.lans {
		for _, s := range l.subnets {
			switch a {
			case s.lb1:
				return s.lb2
			case s.lb2:
				return s.lb1
			}
		}
	}
	return a
}

// cable builds the lans and plugs directors and client into each.
func (s *stage) cable() error {
	for i, l := range s.net.lans {
		sw, err := s.Switch(l.link)
		if err != nil {
			return err
		}
		l.sw = sw
		var lb1, lb2, client []netip.Prefix
		for _, sub := range l.subnets {
			lb1 = append(lb1, netip.PrefixFrom(sub.lb1, sub.Bits()))
			lb2 = append(lb2, netip.PrefixFrom(sub.lb2, sub.Bits()))
			client = append(client, netip.PrefixFrom(sub.client, sub.Bits()))
		}
		if err := s.directors[0].Attach(l.links[0], sw, lb1...); err != nil {
			return err
		}
		if err := s.directors[1].Attach(l.links[1], sw, lb2...); err != nil {
			return err
		}
		if err := s.client.Attach(fmt.Sprintf("eth%d", i), sw, client...); err != nil {
			return err
		}
	}
	for _, d := range s.directors {
		for _, key := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
			if err := d.Sysctl(key, "1"); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
	}
	return nil
}

// addServer makes a real server's machine and starts what it serves. One whose
// address a director has, or that is local, lives there.
func (s *stage) addServer(srv *server) error {
	m := &machine{server: srv}
	s.servers[srv.addr] = m
	if srv.addr.IsLoopback() || s.net.partner(srv.addr) != srv.addr {
		return m.serve(s.localTo(srv.addr)...)
	}
	host, err := s.Host("server " + srv.addr.String())
	if err != nil {
		return err
	}
	m.host = host
	if err := host.Attach("eth0", srv.lan.sw, netip.PrefixFrom(srv.addr, srv.subnet.Bits())); err != nil {
		return err
	}
	if err := m.route(); err != nil {
		return err
	}
	return m.serve(host)
}

// localTo lists the directors that have an address themselves.
func (s *stage) localTo(a netip.Addr) []*netlab.Host {
	var hosts []*netlab.Host
	for _, d := range s.directors {
		if a.IsLoopback() || d.Holds(a) {
			hosts = append(hosts, d.Host)
		}
	}
	return hosts
}

// route prepares a server for its forwarding method: by direct routing it holds
// the virtual address silently, by NAT it answers through the director.
func (m *machine) route() error {
	for _, key := range []string{"arp_ignore", "arp_announce"} {
		value := map[string]string{"arp_ignore": "1", "arp_announce": "2"}[key]
		if err := m.host.Sysctl("net/ipv4/conf/all/"+key, value); err != nil {
			return err
		}
	}
	for _, v := range m.virtuals {
		if err := m.host.AddAddr("lo", netip.PrefixFrom(v, v.BitLen())); err != nil {
			return err
		}
	}
	if gw := m.subnet.gateway; m.nat && gw.IsValid() {
		return m.host.DefaultRoute(gw)
	}
	return nil
}

// serve opens every port of the server.
func (m *machine) serve(hosts ...*netlab.Host) error {
	for _, h := range hosts {
		for _, port := range slices.Sorted(maps.Keys(m.ports)) {
			if port == 0 {
				continue
			}
			ln, err := h.Listen("tcp", net.JoinHostPort("", strconv.Itoa(int(port))))
			if err != nil {
				return fmt.Errorf("server %s: %w", m.addr, err)
			}
			if err := m.ports[port].serve(ln, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// serve answers HTTP on a socket until the machine closes it.
func (t *site) serve(ln net.Listener, m *machine) error {
	if t.tls {
		cert, err := certificate()
		if err != nil {
			return err
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := t.pages[r.URL.RequestURI()]
		switch m.mood.Load() {
		case slow:
			<-r.Context().Done() // until the client goes, or the machine
			return
		case wrong:
			code = wrongCode(code)
		}
		if code >= 200 {
			w.WriteHeader(code)
		}
		io.WriteString(w, m.addr.String())
	})
	m.open = append(m.open, srv)
	go srv.Serve(ln) // ends with the server's Close
	return nil
}

// wrongCode is a status that a page does not have.
func wrongCode(right int) int {
	if right == http.StatusServiceUnavailable {
		return http.StatusInternalServerError
	}
	return http.StatusServiceUnavailable
}

// close ends everything the server serves, with its connections.
func (m *machine) close() {
	for _, c := range m.open {
		c.Close()
	}
	m.open = nil
}

// certificate is a fresh self-signed one.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// start runs the director's daemon.
func (d *director) start() error {
	base := d.base()
	argv := append(slices.Clone(d.argv), "-n", "-l", "-D", "-f", d.file)
	if !d.plain {
		argv = append(argv, "--control", d.socket)
	}
	argv = append(argv, "-p", base+".pid", "-r", base+"_vrrp.pid", "-c", base+"_checkers.pid", "-b", base+"_bfd.pid")
	var err error
	d.proc, err = d.Start(argv...)
	d.ending = false
	return err
}

// stop asks the daemon to end.
func (d *director) stop() error {
	d.ending = true
	return d.proc.Signal(syscall.SIGTERM)
}

// powerCut ends the machine: all its processes at one instant, its cables, and
// what its kernel and /run remember.
func (d *director) powerCut() error {
	d.ending = true
	for _, l := range d.stage.net.lans {
		if err := d.Cable(l.links[d.index()], false); err != nil {
			return err
		}
	}
	if err := d.KillAll(); err != nil {
		return err
	}
	files, _ := filepath.Glob(filepath.Join(d.stage.Dir, d.Name+"*.pid"))
	for _, f := range files {
		os.Remove(f)
	}
	return d.forget()
}

// forget takes every address off that the machine would not have after a boot.
func (d *director) forget() error {
	for _, l := range d.stage.net.lans {
		addrs, err := d.Addrs(l.links[d.index()])
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if d.stage.net.partner(a.Addr()) != a.Addr() || a.Addr().IsLinkLocalUnicast() {
				continue
			}
			// Some go by themselves with the first address of their subnet.
			if err := d.DelAddr(l.links[d.index()], a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return err
			}
		}
	}
	return nil
}

// powerOn brings the machine back.
func (d *director) powerOn() error {
	for _, l := range d.stage.net.lans {
		if err := d.Cable(l.links[d.index()], true); err != nil {
			return err
		}
	}
	return d.start()
}

// status asks the daemon how it is; nil while it does not answer.
func (d *director) status() *status.Status {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, err := control.New(d.socket).Status(ctx)
	if err != nil {
		return nil
	}
	return s
}

// closeServers ends what the real servers serve.
func (s *stage) closeServers() {
	for _, m := range s.servers {
		m.close()
	}
}

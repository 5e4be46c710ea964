package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
		for _, f := range src.trackFiles(i) {
			if err := os.WriteFile(d.trackedFile(f.Name), []byte("0\n"), 0o644); err != nil {
				return nil, err
			}
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

// trackedFile is what a track_file looks at on the director.
func (d *director) trackedFile(name string) string {
	return filepath.Join(d.stage.Dir, d.Name+"."+strings.Map(wordly, name)+".track")
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
		if err := d.route(); err != nil {
			return err
		}
	}
	return nil
}

// route has a director pass packets on, also back to the network they came from
// without telling anybody of a shorter way.
func (d *director) route() error {
	on := map[string]string{"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv4/conf/all/send_redirects": "0"}
	for _, l := range d.stage.net.lans {
		on["net/ipv4/conf/"+l.links[d.index()]+"/send_redirects"] = "0"
	}
	for key, value := range on {
		if err := d.Sysctl(key, value); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
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

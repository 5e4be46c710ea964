package look

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/doctor"
	"keepgo/ipvsctl"
)

const (
	maxPaths  = 256         // that are tried
	visitTime = time.Second // for a server to answer
	visitsAt  = 32          // connections at once
)

// stranger is a client from far away that does not exist: TEST-NET-2 (RFC 5737),
// and the prefix of documentation (RFC 3849).
var stranger = map[bool]netip.Addr{false: netip.MustParseAddr("198.51.100.77"), true: netip.MustParseAddr("2001:db8:6b65:6570::77")}

// ways are the paths to the real servers of TCP services.
func (l *looker) ways() {
	if l.Plan == nil {
		return
	}
	for i := range l.Plan.Pools {
		p := &l.Plan.Pools[i]
		for _, s := range p.Services {
			k := l.Plan.Services[s].Key
			if k.FWMark != 0 || k.Protocol != unix.IPPROTO_TCP || k.Port == 0 {
				continue
			}
			for _, rs := range p.Config.Servers {
				if len(l.Paths) == maxPaths {
					l.Untried++
					continue
				}
				port := rs.Key.Port
				if port == 0 {
					port = k.Port
				}
				path := doctor.Path{Service: k.String(), Server: netip.AddrPortFrom(rs.Key.Addr, port), Virtual: netip.AddrPortFrom(k.Addr, k.Port),
					Forward: rs.Destination.Forward, Full: p.Config.Service.Source != "", Plain: rs.Destination.TunnelType == 0}
				l.route(&path)
				l.Paths = append(l.Paths, path)
			}
		}
	}
}

// route finds how packets leave for a server.
func (l *looker) route(p *doctor.Path) {
	routes, err := l.handle.RouteGet(p.Server.Addr().AsSlice())
	if err != nil || len(routes) == 0 {
		p.NoRoute = "ip route get: no route"
		if err != nil {
			p.NoRoute = "ip route get: " + err.Error()
		}
		return
	}
	r := routes[0]
	p.Local = r.Type == unix.RTN_LOCAL
	for name, link := range l.Links {
		if link.Index == r.LinkIndex {
			p.Link = name
		}
	}
	if g, ok := netip.AddrFromSlice(r.Gw); ok {
		p.Via = g.Unmap().String()
	}
	p.Source, _ = netip.AddrFromSlice(r.Src)
	p.Source = p.Source.Unmap()
}

// visit tries all paths: to the servers' own addresses, and as clients come.
func (l *looker) visit(ctx context.Context, heard map[string]*hearing) {
	for i := range l.Paths {
		p := &l.Paths[i]
		if h := heard[p.Link]; h != nil && p.OnLink() {
			if st := h.answers[p.Server.Addr()]; len(st) > 0 {
				p.MAC = st[0].MAC
			}
		}
	}
	l.dial(ctx)
	v, err := newVisit(l)
	if err != nil {
		for i := range l.Paths {
			l.Paths[i].NotAsked = err.Error()
		}
		return
	}
	defer v.close()
	v.run(ctx)
}

// dial connects to every server's own address.
func (l *looker) dial(ctx context.Context) {
	var wg sync.WaitGroup
	room := make(chan struct{}, visitsAt)
	for i := range l.Paths {
		p := &l.Paths[i]
		if p.Local || p.NoRoute != "" {
			continue
		}
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			p.Direct = connect(ctx, p.Server)
		})
	}
	wg.Wait()
}

func connect(ctx context.Context, to netip.AddrPort) doctor.Reply {
	d := net.Dialer{Timeout: visitTime}
	conn, err := d.DialContext(ctx, "tcp", to.String())
	switch {
	case err == nil:
		conn.Close()
		return doctor.Accepts
	case errors.Is(err, syscall.ECONNREFUSED):
		return doctor.Refuses
	}
	return doctor.Silence
}

// visit is first packets under way.
type visit struct {
	l       *looker
	fd      int
	pending map[netip.AddrPort]*call // by our address and port
}

// call is one first packet.
type call struct {
	path     *doctor.Path
	from, to netip.AddrPort
	seq      uint32
}

func newVisit(l *looker) (*visit, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(networkOrder(unix.ETH_P_ALL)))
	if err != nil {
		return nil, fmt.Errorf("packet socket (it needs CAP_NET_RAW): %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
	v := &visit{l: l, fd: fd, pending: map[netip.AddrPort]*call{}}
	v.prepare()
	return v, nil
}

func networkOrder(v uint16) uint16 { return v<<8 | v>>8 }

func (v *visit) close() { unix.Close(v.fd) }

// prepare makes a call for each path that can be tried.
func (v *visit) prepare() {
	port := uint16(40000 + rand.IntN(20000))
	for i := range v.l.Paths {
		p := &v.l.Paths[i]
		if p.Local || p.NoRoute != "" || p.Full || p.Direct == doctor.Silence {
			continue
		}
		c := &call{path: p, seq: rand.Uint32()}
		port++
		switch p.NotAsked = v.obstacle(p); {
		case p.NotAsked != "":
			continue
		case p.Forward == ipvsctl.ForwardNAT:
			c.from, c.to = netip.AddrPortFrom(stranger[p.Server.Addr().Is6()], port), p.Server
		default:
			c.from, c.to = netip.AddrPortFrom(p.Source, port), p.Virtual
		}
		p.Through = doctor.Silence
		v.pending[c.from] = c
	}
}

// obstacle is why a path cannot be tried as a client would; "" if it can.
func (v *visit) obstacle(p *doctor.Path) string {
	switch {
	case p.Forward == ipvsctl.ForwardNAT && !v.l.master():
		return "this director is not MASTER: the servers answer through the one that is"
	case p.Forward == ipvsctl.ForwardTunnel && !p.Plain:
		return "only tunnels of IP in IP are tried"
	case p.Forward == ipvsctl.ForwardTunnel && p.Server.Addr().Is6() != p.Virtual.Addr().Is6():
		return "only tunnels of the same family are tried"
	case p.Forward == ipvsctl.ForwardTunnel:
		return ""
	case !p.OnLink():
		return "it is behind the router " + p.Via
	case p.MAC == "":
		return "its MAC address is not known"
	case p.Forward == ipvsctl.ForwardDirect && p.Source == p.Virtual.Addr():
		return fmt.Sprintf("this machine has no address beside the virtual one on %s", p.Link)
	}
	return ""
}

// master tells whether this director has virtual addresses now; without VRRP it
// always has.
func (l *looker) master() bool {
	if l.Status == nil || len(l.Status.Instances) == 0 {
		return true
	}
	for _, in := range l.Status.Instances {
		if in.State == "MASTER" {
			return true
		}
	}
	return false
}

// run sends all, twice if need be, and takes the answers in.
func (v *visit) run(ctx context.Context) {
	end := time.Now().Add(visitTime)
	for _, until := range []time.Time{end.Add(-visitTime / 2), end} {
		for _, c := range v.pending {
			if err := v.send(c, c.seq, flagSYN); err != nil {
				c.path.NotAsked = err.Error()
				delete(v.pending, c.from)
			}
		}
		v.receive(ctx, until)
	}
}

// receive takes answers in until all are there, or it is time.
func (v *visit) receive(ctx context.Context, until time.Time) {
	buf := make([]byte, 2048)
	for len(v.pending) > 0 && ctx.Err() == nil {
		left := time.Until(until).Milliseconds()
		if left <= 0 {
			return
		}
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(v.fd), Events: unix.POLLIN}}, int(min(left, 50))); n == 0 || err != nil {
			continue
		}
		n, from, err := unix.Recvfrom(v.fd, buf, 0)
		ll, ok := from.(*unix.SockaddrLinklayer)
		if err != nil || !ok || ll.Pkttype != unix.PACKET_HOST || n < 14 {
			continue
		}
		if r, ok := parseReply(buf[14:n]); ok {
			v.take(r)
		}
	}
}

func (v *visit) take(r reply) {
	c := v.pending[r.to]
	if c == nil || r.from != c.to || r.ack != c.seq+1 {
		return
	}
	delete(v.pending, r.to)
	c.path.Through = doctor.Refuses
	if r.flags&flagRST == 0 {
		c.path.Through = doctor.Accepts
		_ = v.send(c, c.seq+1, flagRST) // what was opened half is closed
	}
}

// send hands a packet to the server: in a frame to its MAC, or in a tunnel.
func (v *visit) send(c *call, seq uint32, flags byte) error {
	packet := segment(c.from, c.to, seq, flags)
	if c.path.Forward == ipvsctl.ForwardTunnel {
		return tunnel(c.path, packet)
	}
	link := v.l.Links[c.path.Link]
	src, err := net.ParseMAC(link.MAC)
	dst, err2 := net.ParseMAC(c.path.MAC)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	proto := uint16(unix.ETH_P_IP)
	if c.to.Addr().Is6() {
		proto = unix.ETH_P_IPV6
	}
	frame := binary.BigEndian.AppendUint16(append(dst, src...), proto)
	return unix.Sendto(v.fd, append(frame, packet...), 0, &unix.SockaddrLinklayer{Ifindex: link.Index})
}

// tunnel sends a packet within IP: RFC 2003, RFC 2473.
func tunnel(p *doctor.Path, packet []byte) error {
	family, protocol := unix.AF_INET, uint8(unix.IPPROTO_IPIP)
	var to unix.Sockaddr = &unix.SockaddrInet4{Addr: p.Server.Addr().As4()}
	if p.Server.Addr().Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_IPV6
		to = &unix.SockaddrInet6{Addr: p.Server.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, append(ipHeader(p.Source, p.Server.Addr(), protocol, 64, len(packet)), packet...), 0, to)
}

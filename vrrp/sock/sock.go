// Package sock carries VRRP packets over raw IP sockets of protocol 112, or 51
// behind an authentication header: IPv4 and IPv6, multicast and unicast. It
// knows addresses and interfaces, and of VRRP only the protocol number and where
// the VRID stands: all virtual routers of one interface, family and way of
// sending share a Conn, and whoever opened it tells them apart.
//
// It starts no goroutine, and no call of it waits. The calls that carry packets
// do not even let the runtime know that they enter the kernel: that would wake
// its monitor for each advert, and cost three times as much as the advert.
package sock

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	protocol   = 112  // RFC 9568 section 5.1.1.4
	protocolAH = 51   // RFC 4302 section 2
	maxTTL     = 255  // RFC 9568 section 5.1.1.3
	kernelTTL  = -1   // the default of the interface, ipv6(7)
	control    = 0xc0 // internetwork control, CS6: RFC 791 section 3.1, RFC 4594 section 3.2

	// defaultBuffer holds the adverts of hundreds of virtual routers while the
	// process is not scheduled; the kernel counts about 1 KiB for each.
	defaultBuffer = 512 << 10
)

// Config says what a Conn is for.
type Config struct {
	// Link is the interface that packets leave from and arrive at. Unicast may
	// leave it empty: then routing decides.
	Link    string
	IfIndex int // of Link; 0 where Link is empty

	// Source is the address packets are sent from. Unicast hears only what is
	// sent to it; it need not be on the machine yet.
	Source netip.Addr
	// Group is the multicast group, of the family of Source; unused with Unicast.
	Group   netip.Addr
	Unicast bool
	// AH carries VRRP behind an authentication header, IPv4 only: Send takes
	// whole IP packets, because the header is signed, and what arrives begins
	// with the authentication header.
	AH bool

	TTL    uint8 // TTL or hop limit of what is sent; 0 is the kernel's for IPv6 unicast, and else 255
	Buffer int   // bytes of the receive buffer, 0 is 512 KiB

	// Receive is called for every packet by Conn.Read. What it points to is
	// valid until it returns; a copy of the struct is whole.
	Receive func(*Received)
}

// Stats counts what did not reach Config.Receive.
type Stats struct {
	Malformed uint64 // no whole IP header, truncated, or longer than MaxPacket
	Own       uint64 // sent by ourselves and looped back by the network
	Errors    uint64 // failed reads
}

// Conn sends and receives VRRP packets. It is for one goroutine at a time.
type Conn struct {
	cfg   Config
	fd    int // -1 once it is closed
	out   outgoing
	stats Stats
}

// Open opens a Conn. It needs CAP_NET_RAW. The socket belongs to the network
// namespace of the calling thread.
func Open(cfg Config) (*Conn, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	fd, err := cfg.listen()
	if err != nil {
		return nil, fmt.Errorf("vrrp socket on %s: %w", cfg.where(), err)
	}
	c := &Conn{cfg: cfg, fd: fd}
	c.prepare()
	return c, nil
}

// FD is the descriptor, to wait until it is readable, or -1 once it is closed.
func (c *Conn) FD() int { return c.fd }

// check refuses what no socket can be opened for.
func (cfg *Config) check() error {
	switch {
	case !cfg.Source.IsValid():
		return errors.New("vrrp socket: no source address: give the interface one, or set mcast_src_ip or unicast_src_ip")
	case cfg.Receive == nil:
		return errors.New("vrrp socket: nobody to receive")
	case cfg.AH && !cfg.is4():
		return fmt.Errorf("vrrp socket on %s: auth_type AH is for IPv4", cfg.where())
	case cfg.Unicast:
		return nil
	case cfg.Link == "" || cfg.IfIndex == 0:
		return errors.New("vrrp socket: multicast needs an interface")
	case !cfg.Group.IsMulticast() || cfg.Group.Is4() != cfg.Source.Is4():
		return fmt.Errorf("vrrp socket on %s: %s is no multicast group of the family of %s", cfg.Link, cfg.Group, cfg.Source)
	}
	return nil
}

// where names the Conn in messages.
func (cfg *Config) where() string {
	if cfg.Link == "" {
		return cfg.Source.String()
	}
	return cfg.Link + " (" + cfg.Source.String() + ")"
}

// listen makes the socket. It is bound to the group or to the source, so the
// kernel keeps the other kind of packets away.
func (cfg *Config) listen() (int, error) {
	family, local := unix.AF_INET, cfg.Group
	if cfg.Unicast {
		local = cfg.Source
	}
	if !cfg.is4() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, cfg.protocol())
	if err != nil {
		return -1, explain(option("socket", err))
	}
	err = cfg.beforeBind(fd)
	if err == nil {
		err = option("bind to "+local.String(), unix.Bind(fd, cfg.sockaddr(local)))
	}
	if err == nil {
		err = cfg.setup(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, explain(err)
	}
	return fd, nil
}

// sockaddr is an address for the kernel; a link-local one is of the interface.
func (cfg *Config) sockaddr(a netip.Addr) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Addr: a.As16(), ZoneId: cfg.zone(a)}
}

// zone is the interface's number for a link-local address, and 0 for others.
func (cfg *Config) zone(a netip.Addr) uint32 {
	if a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() {
		return uint32(cfg.IfIndex)
	}
	return 0
}

func (cfg *Config) protocol() int {
	if cfg.AH {
		return protocolAH
	}
	return protocol
}

func (cfg *Config) is4() bool { return cfg.Source.Is4() }

// beforeBind sets what must stand before the socket has an address.
func (cfg *Config) beforeBind(fd int) error {
	level, freebind := unix.IPPROTO_IP, unix.IP_FREEBIND
	if !cfg.is4() {
		level, freebind = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND
	}
	if err := unix.SetsockoptInt(fd, level, freebind, 1); err != nil {
		return option("IP_FREEBIND", err)
	}
	if cfg.Link != "" {
		if err := unix.BindToDevice(fd, cfg.Link); err != nil {
			return option("SO_BINDTODEVICE", err)
		}
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return option("SO_TIMESTAMPNS", err)
	}
	return cfg.setBuffer(fd)
}

// setBuffer sizes the receive buffer, beyond net.core.rmem_max where allowed.
func (cfg *Config) setBuffer(fd int) error {
	size := cfg.Buffer
	if size == 0 {
		size = defaultBuffer
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) == nil {
		return nil
	}
	return option("SO_RCVBUF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size))
}

// SetBuffer changes the size of the receive buffer in bytes, 0 is 512 KiB. What
// waits in it stays.
func (c *Conn) SetBuffer(bytes int) error {
	cfg := Config{Buffer: bytes}
	if err := cfg.setBuffer(c.fd); err != nil {
		return fmt.Errorf("vrrp socket on %s: %w", c.cfg.where(), err)
	}
	return nil
}

// setup sets the options of the family.
func (cfg *Config) setup(fd int) error {
	if cfg.is4() {
		return cfg.setup4(fd)
	}
	return cfg.setup6(fd)
}

// ttl of IPv6 unicast is left to the kernel where nothing is said, as
// keepalived does: such adverts may cross routers.
func (cfg *Config) ttl() int {
	switch {
	case cfg.TTL > 0:
		return int(cfg.TTL)
	case cfg.Unicast && !cfg.is4():
		return kernelTTL
	}
	return maxTTL
}

// Close closes the socket.
func (c *Conn) Close() error {
	if c.fd < 0 {
		return net.ErrClosed
	}
	err := unix.Close(c.fd)
	c.fd = -1
	return err
}

// Stats is what the Conn has counted so far.
func (c *Conn) Stats() Stats { return c.stats }

// option names the option that failed; nil stays nil.
func option(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// explain adds what to do where the errno alone does not say it.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: raw sockets need root or CAP_NET_RAW", err)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: the interface is gone", err)
	}
	return err
}

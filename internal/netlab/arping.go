package netlab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// WhoHas asks by ARP from one of the host's interfaces who has an IPv4 address,
// listens for the whole wait, and returns every MAC that answered, each once.
// More than one answer means that more than one host holds the address.
func (h *Host) WhoHas(name string, ip netip.Addr, wait time.Duration) ([]net.HardwareAddr, error) {
	var fd int
	link, err := h.space.handle.LinkByName(name)
	if err == nil {
		err = h.Do(func() (err error) {
			fd, err = arpSocket(link.Attrs().Index)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("host %s: arp on %s: %w", h.Name, name, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, whoHas(link.Attrs().HardwareAddr, ip)); err != nil {
		return nil, fmt.Errorf("host %s: arp on %s: %w", h.Name, name, err)
	}
	return answers(fd, ip, wait), nil
}

func arpSocket(index int) (int, error) {
	proto := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ARP))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(proto))
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: index}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// whoHas is an ARP request with an empty sender address, RFC 5227 section
// 2.1.1: it asks and leaves no trace in anybody's cache.
func whoHas(mac net.HardwareAddr, ip netip.Addr) []byte {
	b := slices.Repeat([]byte{0xff}, 6)
	b = append(b, mac...)
	b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	b = append(b, mac...)
	b = append(b, make([]byte, 4+6)...)
	a := ip.As4()
	return append(b, a[:]...)
}

func answers(fd int, ip netip.Addr, wait time.Duration) []net.HardwareAddr {
	var macs []net.HardwareAddr
	buf := make([]byte, 256)
	for end := time.Now().Add(wait); ; {
		left := time.Until(end).Milliseconds()
		if left <= 0 {
			return macs
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left))
		if n == 0 || err != nil {
			continue
		}
		if n, err = unix.Read(fd, buf); err != nil {
			return macs
		}
		a, ok := parseARP(buf[:n])
		known := slices.ContainsFunc(macs, func(m net.HardwareAddr) bool { return slices.Equal(m, a.MAC) })
		if ok && a.Reply && a.Sender == ip && !known {
			macs = append(macs, a.MAC)
		}
	}
}

// AskFor asks by ARP, or by neighbour solicitation, from one of the host's
// interfaces who has an address, again and again until the lab is closed. The
// answers, which go to the address from, are for a Sniffer to note.
func (h *Host) AskFor(name string, ip, from netip.Addr, every time.Duration) error {
	out, err := h.Inject(name)
	if err != nil {
		return err
	}
	question := solicit(h.MAC(name), from, ip)
	if ip.Is4() {
		question = whoHas(h.MAC(name), ip)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			out.Send(question) // an interface that is down asks nobody
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	h.lab.onClose(func() { close(stop); <-done })
	return nil
}

// solicit is a neighbour solicitation, RFC 4861 section 4.3.
func solicit(mac net.HardwareAddr, from, ip netip.Addr) []byte {
	const nsLen, hops = 32, 255 // with the option of section 4.6.1
	target := ip.As16()
	group := netip.MustParseAddr("ff02::1:ff00:0").As16() // solicited-node, RFC 4291 section 2.7.1
	copy(group[13:], target[13:])
	b := append([]byte{0x33, 0x33}, group[12:]...) // RFC 2464 section 7
	b = append(b, mac...)
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0, 0, nsLen, unix.IPPROTO_ICMPV6, hops)
	src := from.As16()
	b = append(append(b, src[:]...), group[:]...)
	b = append(b, icmpNS, 0, 0, 0, 0, 0, 0, 0)
	b = append(append(append(b, target[:]...), 1, 1), mac...)
	sum := internetSum(nsLen+unix.IPPROTO_ICMPV6, b[ethLen+8:])
	binary.BigEndian.PutUint16(b[ethLen+ipv6Len+2:], sum)
	return b
}

// internetSum is the checksum of RFC 1071 over b, with a value that is added.
func internetSum(add uint32, b []byte) uint16 {
	for ; len(b) > 1; b = b[2:] {
		add += uint32(binary.BigEndian.Uint16(b))
	}
	for add > 0xffff {
		add = add>>16 + add&0xffff
	}
	return ^uint16(add)
}

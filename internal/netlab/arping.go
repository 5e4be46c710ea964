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

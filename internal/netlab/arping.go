package netlab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/whohas"
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
	if _, err := unix.Write(fd, whohas.Frame(link.Attrs().HardwareAddr, netip.Addr{}, ip)); err != nil {
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
	question := whohas.Frame(h.MAC(name), from, ip)
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

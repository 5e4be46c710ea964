package witness

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Kinds of taps. Each hears one protocol only: a socket for all costs at every
// frame that passes, in both directions, so it ends with the first.
const (
	tapAny = iota
	tapARP
	tapNA
	tapKinds
)

// protocols are the EtherTypes of taps.
var protocols = [tapKinds]uint16{unix.ETH_P_ALL, unix.ETH_P_ARP, unix.ETH_P_IPV6}

const (
	maxFrame      = 256      // bytes of a frame that are read
	receiveBuffer = 64 << 10 // bytes of frames that may wait

	// A tap reads so many frames in a window; what comes more than it has room
	// for is lost, so a flood costs no more than this.
	maxBurst = 128
	window   = 50 * time.Millisecond
)

// tap is one packet(7) socket on a link.
type tap struct {
	kind  int
	words []uint32 // what the filter compares
	file  *os.File
	stop  chan struct{}
}

// openTap begins to hear a link, in the network namespace of the calling
// thread.
func openTap(kind, index int, words []uint32) (*tap, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a packet socket (it needs CAP_NET_RAW): %w", err)
	}
	if err := prepare(fd, kind, index, words); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &tap{kind: kind, words: words, file: os.NewFile(uintptr(fd), "packet socket"), stop: make(chan struct{})}, nil
}

// prepare binds last: no frame comes in before its filter.
func prepare(fd, kind, index int, words []uint32) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
		return fmt.Errorf("setting the buffer of a packet socket: %w", err)
	}
	if err := attach(fd, kind, words); err != nil {
		return err
	}
	var protocol [2]byte
	binary.BigEndian.PutUint16(protocol[:], protocols[kind])
	addr := unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(protocol[:]), Ifindex: index}
	if err := unix.Bind(fd, &addr); err != nil {
		return fmt.Errorf("binding a packet socket: %w", err)
	}
	return nil
}

// attach replaces the filter at one stroke.
func attach(fd, kind int, words []uint32) error {
	raw, err := filter(kind, words)
	if err != nil {
		return fmt.Errorf("filter of a packet socket: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, ins := range raw {
		code[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	if err != nil {
		return fmt.Errorf("filter of a packet socket: %w", err)
	}
	return nil
}

// listFor makes a tap hear of other addresses.
func (t *tap) listFor(words []uint32) error {
	if slices.Equal(words, t.words) {
		return nil
	}
	raw, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = attach(int(fd), t.kind, words) }); err != nil {
		return err
	}
	if failed == nil {
		t.words = words
	}
	return failed
}

// end makes listen return. It does not wait: closing the socket takes the
// kernel a while, and is left to listen.
func (t *tap) end() {
	close(t.stop)
	_ = t.file.SetReadDeadline(time.Now())
}

// listen hears frames until the tap is ended, and closes it.
func (t *tap) listen(heard func(frame []byte)) {
	defer t.file.Close()
	pace := time.NewTimer(window)
	defer pace.Stop()
	buf := make([]byte, maxFrame)
	var since time.Time
	for burst := 0; ; burst++ {
		n, err := t.file.Read(buf)
		switch {
		case err == nil:
			heard(buf[:n])
		case !errors.Is(err, unix.ENETDOWN): // once for each time the link goes down; it may come up again
			return
		}
		if now := time.Now(); now.Sub(since) > window {
			since, burst = now, 0
		} else if burst >= maxBurst {
			pace.Reset(window)
			select {
			case <-pace.C:
			case <-t.stop:
				return
			}
		}
	}
}

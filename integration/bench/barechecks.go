package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/epoll"
)

// bareChecks asks a server again and again, one connection after the other, with
// nothing but system calls and, for SSL_GET, the handshake of a session resumed.
func bareChecks(kind string) func(*rig) error {
	return func(g *rig) error {
		stop, err := g.serve(kind)
		if err != nil {
			return err
		}
		defer stop()
		return g.dir.Do(func() error {
			w, err := newWire(&unix.SockaddrInet4{Port: 80, Addr: hostAddr(0, 200).As4()})
			if err != nil {
				return err
			}
			defer w.set.Close()
			cfg := &tls.Config{ServerName: "server", InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1),
				CurvePreferences: []tls.CurveID{tls.X25519}}
			for range g.few(20, 10) {
				const times = 100
				begin := threadTime()
				for range times {
					if err := w.check(kind, cfg); err != nil {
						return fmt.Errorf("bare %s: %w", kind, err)
					}
				}
				g.note("cpu "+kind, float64(threadTime()-begin)/float64(times*time.Microsecond))
			}
			return nil
		})
	}
}

// wire is a connection of its thread: every wait is one for its own epoll. Of
// net.Conn it has what crypto/tls uses.
type wire struct {
	net.Conn
	to  unix.Sockaddr
	set epoll.Set
	fd  int
}

func newWire(to unix.Sockaddr) (*wire, error) {
	set, err := epoll.NewSet()
	return &wire{to: to, set: set}, err
}

// check is one check, from socket to close.
func (w *wire) check(kind string, cfg *tls.Config) error {
	if err := w.connect(); err != nil {
		return err
	}
	defer unix.Close(w.fd)
	switch kind {
	case "HTTP_GET":
		return get(w)
	case "SSL_GET":
		return get(tls.Client(w, cfg))
	}
	return nil
}

func (w *wire) connect() (err error) {
	if w.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	// Without it a second write waits for the answer to the first, tcp(7).
	if err = unix.SetsockoptInt(w.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err == nil {
		err = unix.Connect(w.fd, w.to)
	}
	if err == unix.EINPROGRESS {
		if err = w.wait(unix.EPOLL_CTL_ADD, unix.EPOLLOUT); err == nil {
			err = w.failure()
		}
	}
	if err != nil {
		unix.Close(w.fd)
	}
	return err
}

// wait waits until the connection is ready.
func (w *wire) wait(op int, what uint32) error {
	if err := w.set.Control(op, w.fd, what); err != nil {
		return err
	}
	var events [1]unix.EpollEvent
	n, err := w.set.Wait(events[:], time.Second)
	if err == nil && n == 0 {
		err = unix.ETIMEDOUT
	}
	return err
}

func (w *wire) failure() error {
	failed, err := unix.GetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if failed != 0 {
		return unix.Errno(failed)
	}
	return err
}

// Read implements net.Conn.
func (w *wire) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(w.fd, b)
		switch {
		case err == unix.EAGAIN:
			if err := w.wait(unix.EPOLL_CTL_MOD, unix.EPOLLIN); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write implements net.Conn; what is sent here finds room at once.
func (w *wire) Write(b []byte) (int, error) { return unix.Write(w.fd, b) }

// get asks for a page and reads it to its end.
func get(c io.ReadWriter) error {
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	page, err := io.ReadAll(c)
	if err == nil && !strings.HasPrefix(string(page), "HTTP/1.0 200 ") {
		err = fmt.Errorf("the server answers %.40q", page)
	}
	return err
}

package daemon

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"keepgo/internal/status"
)

// reportLimit is how long a child may take to tell its state.
const reportLimit = time.Second

// request is somebody who waits for the status.
type request struct {
	conn    net.Conn
	status  status.Status
	waiting []*child
	timer   *time.Timer
}

// listen opens the control socket, for root alone. A socket left by a dead
// daemon is replaced: the pid file's lock says that it is dead.
func (p *parent) listen() error {
	if fi, err := os.Lstat(p.opts.Control); err == nil && fi.Mode()&os.ModeSocket != 0 {
		os.Remove(p.opts.Control)
	}
	l, err := net.Listen("unix", p.opts.Control)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(p.opts.Control, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("control socket: %w", err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.events <- func() { p.ask(conn) }
		}
	}()
	return nil
}

// ask collects the status for one connection.
func (p *parent) ask(conn net.Conn) {
	r := &request{conn: conn, status: status.Status{
		PID: os.Getpid(), Config: p.opts.File,
		Instances: []status.Instance{}, Services: []status.Service{},
	}}
	for _, c := range []*child{p.vrrp, p.lvs} {
		if c.running() {
			r.waiting = append(r.waiting, c)
			c.tell(toChild{Report: true})
		}
	}
	p.requests = append(p.requests, r)
	r.timer = time.AfterFunc(reportLimit, func() {
		p.events <- func() { p.answer(r) }
	})
	p.settle()
}

// reported takes a child's part of the status.
func (p *parent) reported(c *child, s *status.Status) {
	for _, r := range p.requests {
		i := slices.Index(r.waiting, c)
		if i < 0 {
			continue
		}
		r.waiting = slices.Delete(r.waiting, i, i+1)
		if c == p.vrrp {
			r.status.Instances = append(r.status.Instances, s.Instances...)
		} else {
			r.status.Services = append(r.status.Services, s.Services...)
			r.status.IPVS = s.IPVS
		}
	}
	p.settle()
}

// forget stops waiting for a child that died.
func (p *parent) forget(c *child) {
	for _, r := range p.requests {
		r.waiting = slices.DeleteFunc(r.waiting, func(w *child) bool { return w == c })
	}
	p.settle()
}

// settle answers every request that is complete.
func (p *parent) settle() {
	for _, r := range slices.Clone(p.requests) {
		if len(r.waiting) == 0 {
			p.answer(r)
		}
	}
}

// answer writes what is known, once.
func (p *parent) answer(r *request) {
	i := slices.Index(p.requests, r)
	if i < 0 {
		return
	}
	p.requests = slices.Delete(p.requests, i, i+1)
	r.timer.Stop()
	go func() {
		defer r.conn.Close()
		_ = r.conn.SetDeadline(time.Now().Add(reportLimit))
		_ = json.NewEncoder(r.conn).Encode(&r.status)
	}()
}

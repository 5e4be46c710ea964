package observe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"keepgo/internal/ping"
)

// pinger asks by ICMP.
type pinger struct {
	conn *ping.Conn
	sent int // the newest number
}

func newPinger(o Options) (asker, error) {
	if o.Silent {
		return nil, nil
	}
	conn, err := ping.Dial(o.VIP)
	if err != nil {
		return nil, err
	}
	return &pinger{conn: conn}, nil
}

func (p *pinger) means() string { return "ping" }
func (p *pinger) close()        { p.conn.Close() }

// send leaves what cannot be sent unanswered.
func (p *pinger) send(seq int) { _ = p.conn.Send(seq) }

// listen finds the whole number of an answer: the first with those low bits that
// is above the last.
func (p *pinger) listen(answer func(int, string)) {
	for {
		low, err := p.conn.Receive()
		if err != nil {
			return
		}
		if ahead := (low - p.sent) & 0xffff; ahead < 1<<15 {
			p.sent += ahead
			answer(p.sent, "")
		}
	}
}

// connector opens connections, and closes them at once.
type connector struct {
	ctx     context.Context
	end     context.CancelFunc
	target  string
	free    chan struct{} // as many may be under way
	answers chan int
}

// Bounds of the connections that are tried.
const (
	connectLimit = 2 * time.Second
	connects     = 64
)

func newConnector(o Options) (asker, error) {
	if o.Port == 0 {
		return nil, nil
	}
	c := &connector{target: netip.AddrPortFrom(o.VIP, o.Port).String(), free: make(chan struct{}, connects), answers: make(chan int, connects)}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c, nil
}

func (c *connector) means() string { return "tcp " + c.target }
func (c *connector) close()        { c.end() }

// send leaves a question out, and unanswered, while too many are under way.
func (c *connector) send(seq int) {
	select {
	case c.free <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-c.free }()
		d := net.Dialer{Timeout: connectLimit}
		conn, err := d.DialContext(c.ctx, "tcp", c.target)
		if err != nil {
			return
		}
		conn.Close()
		select {
		case c.answers <- seq:
		case <-c.ctx.Done():
		}
	}()
}

func (c *connector) listen(answer func(int, string)) {
	for {
		select {
		case seq := <-c.answers:
			answer(seq, "")
		case <-c.ctx.Done():
			return
		}
	}
}

// newResolver asks who has the address, where that is on a link of this machine.
func newResolver(o Options) (asker, error) {
	link, err := linkTo(o)
	if err != nil {
		return nil, err
	}
	if o.VIP.Is4() {
		return newARP(o.VIP, link)
	}
	return newND(o.VIP, link)
}

// linkTo is the link that the address is on.
func linkTo(o Options) (*net.Interface, error) {
	name := o.Link
	if name == "" {
		var err error
		if name, err = onLink(o.VIP); err != nil {
			return nil, err
		}
	}
	link, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	return link, nil
}

package genl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/cloudflare/ipvs"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// ErrNoIPVS says that the kernel has no IPVS and none could be loaded.
var ErrNoIPVS = errors.New("the kernel has no IPVS")

const (
	// batchSize is how many changes go to the kernel in one send. Their acks
	// wait in a receive buffer of 208 KiB by default, which 500 overflow.
	batchSize = 128
	// answerTime bounds the wait for an answer; the kernel answers from within
	// the send, so only a broken one is ever late.
	answerTime = 5 * time.Second
	// modprobeTime bounds the loading of a module.
	modprobeTime = 10 * time.Second
)

// conn is a pair of sockets to the kernel's IPVS: one of our own for changes
// and services, one of the ipvs package for destinations.
type conn struct {
	nl     *netlink.Conn
	family uint16
	reader ipvs.Client
}

// dial opens the sockets in the network namespace of the calling thread.
func dial() (*conn, error) {
	nl, err := netlink.Dial(genetlink.Protocol, nil)
	if err != nil {
		return nil, fmt.Errorf("IPVS: open netlink socket: %w", err)
	}
	// Only better messages are at stake.
	_ = nl.SetOption(netlink.ExtendedAcknowledge, true)
	c := &conn{nl: nl}
	if c.family, err = resolve(nl); err == nil {
		c.reader, err = ipvs.New()
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// resolve finds the number of the IPVS family, loading the module if need be.
func resolve(nl *netlink.Conn) (uint16, error) {
	g := genetlink.NewConn(nl)
	f, err := g.GetFamily(familyName)
	if errors.Is(err, os.ErrNotExist) {
		loading := modprobe("ip_vs")
		if f, err = g.GetFamily(familyName); errors.Is(err, os.ErrNotExist) {
			return 0, noIPVS(loading)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("IPVS: look up netlink family: %w", err)
	}
	return f.ID, nil
}

func noIPVS(loading error) error {
	why := "its module is loaded, but answers nothing in this network namespace"
	if loading != nil {
		why = loading.Error()
	}
	return fmt.Errorf("%w: %s; load ip_vs on the host, or use a kernel built with CONFIG_IP_VS", ErrNoIPVS, why)
}

// modprobe loads a kernel module; the error says what modprobe said.
func modprobe(module string) error {
	ctx, cancel := context.WithTimeout(context.Background(), modprobeTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "/sbin/modprobe", module).CombinedOutput()
	if err != nil {
		return fmt.Errorf("modprobe %s: %w: %s", module, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (c *conn) close() {
	c.nl.Close()
	if reader, ok := c.reader.(io.Closer); ok {
		reader.Close()
	}
}

// apply sends the changes and returns the error of each. The second result is
// an error of the socket: what became of the rest is then unknown.
func (c *conn) apply(ops []ipvsctl.Op) ([]error, error) {
	errs := make([]error, len(ops))
	for first := 0; first < len(ops); first += batchSize {
		last := min(first+batchSize, len(ops))
		if err := c.batch(ops[first:last], errs[first:last]); err != nil {
			return errs, err
		}
	}
	return errs, nil
}

func (c *conn) batch(ops []ipvsctl.Op, errs []error) error {
	msgs := make([]netlink.Message, 0, len(ops))
	place := make([]int, 0, len(ops)) // of each message among ops
	for i, op := range ops {
		m, err := c.encode(op)
		if err != nil {
			errs[i] = err
			continue
		}
		msgs, place = append(msgs, m), append(place, i)
	}
	if len(msgs) == 0 {
		return nil
	}
	sent, err := c.send(msgs)
	if err != nil {
		return err
	}
	waiting := make(map[uint32]int, len(sent))
	for i, m := range sent {
		waiting[m.Header.Sequence] = place[i]
	}
	return c.collect(waiting, errs)
}

func (c *conn) encode(op ipvsctl.Op) (netlink.Message, error) {
	if op.Service.FWMark == 0 && !validAddr(op.Service.Addr) ||
		op.Kind >= ipvsctl.AddDest && !validAddr(op.Dest.Addr) {
		return netlink.Message{}, unix.EDESTADDRREQ
	}
	return encodeOp(c.family, op)
}

func (c *conn) send(msgs []netlink.Message) ([]netlink.Message, error) {
	if err := c.nl.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return nil, fmt.Errorf("IPVS: netlink deadline: %w", err)
	}
	sent, err := c.nl.SendMessages(msgs)
	if err != nil {
		return nil, fmt.Errorf("IPVS: send: %w", err)
	}
	return sent, nil
}

// collect takes in one ack for every waiting message. Acks of messages that
// nobody waits for, as after an earlier timeout, are passed over.
func (c *conn) collect(waiting map[uint32]int, errs []error) error {
	for len(waiting) > 0 {
		msgs, err := c.nl.Receive()
		var refused *netlink.OpError
		if errors.As(err, &refused) && refused.Sequence != 0 {
			if i, ok := waiting[refused.Sequence]; ok {
				errs[i] = refused
				delete(waiting, refused.Sequence)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("IPVS: receive: %w", err)
		}
		for _, m := range msgs {
			if m.Header.Type == netlink.Error {
				delete(waiting, m.Header.Sequence)
			}
		}
	}
	return nil
}

// execute sends one request of ours and returns its answers.
func (c *conn) execute(m netlink.Message) ([]netlink.Message, error) {
	if err := c.nl.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return nil, fmt.Errorf("IPVS: netlink deadline: %w", err)
	}
	return c.nl.Execute(m)
}

// flush empties the whole table.
func (c *conn) flush() error {
	m, err := request(c.family, cmdFlush, netlink.Acknowledge, nil)
	if err != nil {
		return err
	}
	if _, err := c.execute(m); err != nil {
		return fmt.Errorf("IPVS: flush: %w", err)
	}
	return nil
}

// read is what stands under key k in the kernel, and whether anything does. Any
// error is one of the socket: the family is gone when the module was unloaded.
func (c *conn) read(k ipvsctl.ServiceKey) (ipvsctl.Entry, bool, error) {
	s, err := c.readService(k)
	if errors.Is(err, unix.ESRCH) {
		return ipvsctl.Entry{}, false, nil
	}
	if err != nil {
		return ipvsctl.Entry{}, false, unreadable(k, err)
	}
	dests, err := c.readDests(k)
	if errors.Is(err, unix.ESRCH) {
		return ipvsctl.Entry{}, false, nil
	}
	if err != nil {
		return ipvsctl.Entry{}, false, unreadable(k, err)
	}
	return ipvsctl.Entry{Service: s, Destinations: dests}, true, nil
}

func (c *conn) readService(k ipvsctl.ServiceKey) (ipvsctl.Service, error) {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(attrService, func(ae *netlink.AttributeEncoder) error {
		encodeKey(ae, k)
		return nil
	})
	m, err := request(c.family, cmdGetService, 0, ae)
	if err != nil {
		return ipvsctl.Service{}, err
	}
	answers, err := c.execute(m)
	if err != nil {
		return ipvsctl.Service{}, err
	}
	if len(answers) == 0 {
		return ipvsctl.Service{}, unix.ESRCH
	}
	return decodeService(answers[0].Data, k)
}

func (c *conn) readDests(k ipvsctl.ServiceKey) (map[ipvsctl.DestKey]ipvsctl.Destination, error) {
	list, err := c.reader.Destinations(ipvs.Service{
		Address: k.Addr, Port: k.Port, FWMark: k.FWMark,
		Family: ipvs.AddressFamily(addressFamily(k.IPv6)), Protocol: ipvs.Protocol(k.Protocol),
	})
	dests := make(map[ipvsctl.DestKey]ipvsctl.Destination, len(list))
	if errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOENT) {
		return dests, nil
	}
	for _, d := range list {
		dests[ipvsctl.DestKey{Addr: d.Address.Unmap(), Port: d.Port}] = destination(d.Destination)
	}
	return dests, err
}

func destination(d ipvs.Destination) ipvsctl.Destination {
	return ipvsctl.Destination{
		Weight: d.Weight, Forward: uint8(d.FwdMethod),
		Upper: d.UpperThreshold, Lower: d.LowerThreshold,
		TunnelType: uint8(d.TunnelType), TunnelPort: d.TunnelPort, TunnelFlags: uint16(d.TunnelFlags),
	}.Canonical()
}

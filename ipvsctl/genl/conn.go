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
	// batchSize is how many changes go to the kernel in one send. Refusals wait
	// in a receive buffer of 208 KiB by default, which 500 overflow; larger
	// sends gain nothing.
	batchSize = 128
	// answerBytes is as much as the kernel puts into one piece of a dump
	// (netlink_recvmsg of net/netlink/af_netlink.c).
	answerBytes = 32 << 10
	// answerTime bounds the wait for an answer; the kernel answers from within
	// the send, so only a broken one is ever late.
	answerTime = 5 * time.Second
	// modprobeTime bounds the loading of a module.
	modprobeTime = 10 * time.Second
)

// conn is a pair of sockets to the kernel's IPVS: one of our own for changes and
// for looking at what stands, one of the ipvs package for counters and timeouts.
type conn struct {
	nl     *netlink.Conn
	family uint16
	reader ipvs.Client
}

// dial opens the sockets in the network namespace of the calling thread.
func dial() (*conn, error) {
	nl, err := netlink.Dial(genetlink.Protocol, &netlink.Config{MessageBufferSize: answerBytes})
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

// Load loads the module of IPVS, for a process that may not do so itself. Where
// there is none, Open of that process says so.
func Load() { _ = modprobe("ip_vs") }

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
	// The kernel takes the messages of a send in their order, and answers those
	// it refuses in any case: the ack of the last one says that all are done.
	msgs[len(msgs)-1].Header.Flags |= netlink.Acknowledge
	sent, err := c.send(msgs)
	if err != nil {
		return err
	}
	return c.collect(sent, place, errs)
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

// collect takes in the refusals of what was sent, up to the answer to the last
// message. Answers to messages of before, as after a timeout, are passed over.
func (c *conn) collect(sent []netlink.Message, place []int, errs []error) error {
	first, last := sent[0].Header.Sequence, sent[len(sent)-1].Header.Sequence
	for {
		msgs, err := c.nl.Receive()
		var refused *netlink.OpError
		if errors.As(err, &refused) && refused.Sequence != 0 {
			if i := refused.Sequence - first; i < uint32(len(place)) {
				errs[place[i]] = refused
			}
			if refused.Sequence == last {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("IPVS: receive: %w", err)
		}
		for _, m := range msgs {
			if m.Header.Type == netlink.Error && m.Header.Sequence == last {
				return nil
			}
		}
	}
}

// execute sends one request of ours and returns its answers.
func (c *conn) execute(m netlink.Message) ([]netlink.Message, error) {
	if err := c.nl.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return nil, fmt.Errorf("IPVS: netlink deadline: %w", err)
	}
	return c.nl.Execute(m)
}

// order sends one request that has no answer but yes or no.
func (c *conn) order(cmd uint8, ae *netlink.AttributeEncoder) error {
	m, err := request(c.family, cmd, netlink.Acknowledge, ae)
	if err == nil {
		_, err = c.execute(m)
	}
	return err
}

// flush empties the whole table.
func (c *conn) flush() error {
	if err := c.order(cmdFlush, nil); err != nil {
		return fmt.Errorf("IPVS: flush: %w", err)
	}
	return nil
}

package probe

import (
	"context"
	"fmt"

	"keepgo/checker"
)

// askUDP is UDP_CHECK: the target passes when it answers as it should, or
// where no answer is required when nobody says that it is not there.
func askUDP(ctx context.Context, c *checker.Check, _ int) checker.Outcome {
	d := c.Probe.Datagram
	payload := d.Payload
	if payload == nil {
		payload = fill(32)
	}
	why := "no complaint"
	err := converse(ctx, c, 0, payload, func(reply []byte) (bool, error) {
		why = fmt.Sprintf("answered with %d bytes", len(reply))
		return true, replies(d, reply)
	})
	if err == nil || timedOut(err) && !d.Required && ctx.Err() == nil {
		return checker.Outcome{Answer: checker.Passed, Why: why}
	}
	return short(c, err, "UDP connect to "+c.Name+" could not be tried", "UDP connection to "+c.Name+" failed.")
}

// replies says in what a reply is not the one required. As with keepalived a
// reply shorter than the pattern is compared as far as it goes.
func replies(d *checker.Datagram, reply []byte) error {
	switch {
	case !d.Required || len(d.Reply) == 0:
		return nil
	case len(reply) < d.Min:
		return fmt.Errorf("answer has %d bytes, wanted %d at least", len(reply), d.Min)
	case len(reply) > d.Max:
		return fmt.Errorf("answer has %d bytes or more, wanted %d at most", len(reply), d.Max)
	}
	for i := range min(len(reply), len(d.Reply)) {
		mask := byte(0xff)
		if i < len(d.Mask) {
			mask = d.Mask[i]
		}
		if (reply[i]^d.Reply[i])&mask != 0 {
			return fmt.Errorf("reply data mismatch at byte %d: %#02x, wanted %#02x", i+1, reply[i], d.Reply[i])
		}
	}
	return nil
}

func udpSubject(c *checker.Check) string { return "UDP_CHECK on service " + c.Name }

func udpUp(c *checker.Check) string { return "UDP connection to " + c.Name + " success." }

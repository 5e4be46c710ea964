package rsnode

import (
	"context"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
)

// lookEvery is how often everything is looked at, also what the kernel tells
// nothing of: sysctls.
const lookEvery = time.Second

// Watch keeps everything as Up made it until ctx ends: what another hand
// removes comes back, and is reported. Of the same trouble it tells once.
func (n *Node) Watch(ctx context.Context) error {
	news := make(chan netlink.AddrUpdate, 64)
	done := make(chan struct{})
	defer close(done)
	if err := netlink.AddrSubscribe(news, done); err != nil {
		return fmt.Errorf("following the addresses: %w", err)
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	trouble := ""
	for {
		err := n.again()
		if err != nil && err.Error() != trouble {
			n.Report("%v", err)
		}
		if trouble = ""; err != nil {
			trouble = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case _, open := <-news:
			if !open {
				news = nil // the look every second goes on
			}
		}
	}
}

// again makes everything as the state wants it.
func (n *Node) again() error {
	s, release, err := n.state()
	if err != nil {
		return err
	}
	defer release()
	return n.stand(&s)
}

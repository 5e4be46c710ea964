package genl

import (
	"fmt"

	"github.com/mdlayher/netlink"

	"keepgo/ipvsctl"
)

// Client is a plain way to the kernel's whole IPVS table, for a program that
// does one thing and ends. Unlike a Door it keeps nothing as it should be. Its
// errors wrap the kernel's unix.Errno. It is not for concurrent use.
type Client struct{ conn *conn }

// Dial opens the IPVS table of the calling thread's network namespace, loading
// the ip_vs module if need be. The error is ErrNoIPVS where the kernel has
// none.
func Dial() (*Client, error) {
	c, err := dial()
	if err != nil {
		return nil, err
	}
	return &Client{conn: c}, nil
}

// Close ends the client.
func (c *Client) Close() { c.conn.close() }

// Info is the version of IPVS and the buckets of its table of connections.
func (c *Client) Info() (version [3]int, size int, err error) {
	info, err := c.conn.reader.Info()
	if err != nil {
		return version, 0, unreadable("its version", err)
	}
	return info.Version, int(info.ConnectionTableSize), nil
}

// Services is every service, in the order of the kernel.
func (c *Client) Services() ([]ipvsctl.ServiceListing, error) {
	return listServices(c.conn.ask(cmdGetService, netlink.Dump, nil))
}

// Service is one service; unix.ESRCH where it does not stand.
func (c *Client) Service(k ipvsctl.ServiceKey) (l ipvsctl.ServiceListing, err error) {
	list, err := listServices(c.conn.ask(cmdGetService, 0, serviceOnly(k)))
	if err != nil || len(list) == 0 {
		return l, err
	}
	return list[0], nil
}

func listServices(answers []netlink.Message, err error) ([]ipvsctl.ServiceListing, error) {
	if err != nil {
		return nil, unreadable("the services", err)
	}
	list := make([]ipvsctl.ServiceListing, len(answers))
	for i, m := range answers {
		l := &list[i]
		if l.Key, l.Service, err = decodeService(m.Data); err == nil {
			l.Counters, err = decodeCounters(m.Data, attrService, svcStats, svcStats64)
		}
		if err != nil {
			return nil, unreadable("the services", err)
		}
	}
	return list, nil
}

// Servers is every server of a service, in the order of the kernel.
func (c *Client) Servers(k ipvsctl.ServiceKey) ([]ipvsctl.ServerListing, error) {
	answers, err := c.conn.ask(cmdGetDest, netlink.Dump, serviceOnly(k))
	if err != nil {
		return nil, unreadable("the servers of "+k.String(), err)
	}
	list := make([]ipvsctl.ServerListing, len(answers))
	for i, m := range answers {
		l := &list[i]
		if l.Key, l.Destination, err = decodeDest(m.Data, k.IPv6); err == nil {
			l.Load, err = decodeLoad(m.Data)
		}
		if err != nil {
			return nil, unreadable("the servers of "+k.String(), err)
		}
	}
	return list, nil
}

// Apply makes one change.
func (c *Client) Apply(op ipvsctl.Op) error {
	errs, err := c.conn.apply([]ipvsctl.Op{op})
	if err != nil {
		return err
	}
	return errs[0]
}

// Flush empties the table.
func (c *Client) Flush() error { return c.conn.flush() }

// Zero sets the counters of a service and its servers to 0; those of all for
// nil.
func (c *Client) Zero(k *ipvsctl.ServiceKey) error {
	var ae *netlink.AttributeEncoder
	if k != nil {
		ae = serviceOnly(*k)
	}
	if err := c.conn.order(cmdZero, ae); err != nil {
		return fmt.Errorf("IPVS: zero counters: %w", err)
	}
	return nil
}

// Timeouts reads the timeouts of connections.
func (c *Client) Timeouts() (ipvsctl.Timeouts, error) { return c.conn.timeouts() }

// SetTimeouts changes the timeouts that are not 0.
func (c *Client) SetTimeouts(t ipvsctl.Timeouts) error { return c.conn.setTimeouts(t) }

// Daemons reads which sync daemons run.
func (c *Client) Daemons() (ipvsctl.Daemons, error) { return c.conn.daemons() }

// StartDaemon starts a sync daemon in one role.
func (c *Client) StartDaemon(role ipvsctl.SyncRole, s ipvsctl.Sync) error {
	return c.conn.order(cmdNewDaemon, daemonRequest(role, &s))
}

// StopDaemon stops the sync daemon in one role.
func (c *Client) StopDaemon(role ipvsctl.SyncRole) error {
	return c.conn.order(cmdDelDaemon, daemonRequest(role, nil))
}

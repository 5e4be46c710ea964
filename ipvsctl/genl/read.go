package genl

import (
	"errors"
	"os"
	"time"

	"github.com/cloudflare/ipvs"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// read is what stands under key k in the kernel, and whether anything does. Any
// error is one of the socket: the family is gone when the module was unloaded.
func (c *conn) read(k ipvsctl.ServiceKey) (ipvsctl.Entry, bool, error) {
	s, err := c.service(k)
	if err == nil {
		return c.readDests(k, s)
	}
	return absent(k, err)
}

// readDests completes the service s, which stands under k, by its servers.
func (c *conn) readDests(k ipvsctl.ServiceKey, s ipvsctl.Service) (ipvsctl.Entry, bool, error) {
	dests, err := c.dests(k)
	if err != nil {
		return absent(k, err)
	}
	return ipvsctl.Entry{Service: s, Destinations: dests}, true, nil
}

// absent tells a service that is not there from trouble.
func absent(k ipvsctl.ServiceKey, err error) (ipvsctl.Entry, bool, error) {
	if errors.Is(err, unix.ESRCH) {
		err = nil
	} else {
		err = unreadable(k.String(), err)
	}
	return ipvsctl.Entry{}, false, err
}

// service reads one service without its servers.
func (c *conn) service(k ipvsctl.ServiceKey) (ipvsctl.Service, error) {
	answers, err := c.ask(cmdGetService, 0, serviceOnly(k))
	if err != nil {
		return ipvsctl.Service{}, err
	}
	if len(answers) == 0 {
		return ipvsctl.Service{}, unix.ESRCH
	}
	_, s, err := decodeService(answers[0].Data)
	return s, err
}

// services reads every service of the table without its servers.
func (c *conn) services() (map[ipvsctl.ServiceKey]ipvsctl.Service, error) {
	answers, err := c.ask(cmdGetService, netlink.Dump, nil)
	if err != nil {
		return nil, unreadable("the table", err)
	}
	all := make(map[ipvsctl.ServiceKey]ipvsctl.Service, len(answers))
	for _, m := range answers {
		k, s, err := decodeService(m.Data)
		if err != nil {
			return nil, unreadable("the table", err)
		}
		all[k] = s
	}
	return all, nil
}

// dests reads the servers of one service.
func (c *conn) dests(k ipvsctl.ServiceKey) (map[ipvsctl.DestKey]ipvsctl.Destination, error) {
	answers, err := c.ask(cmdGetDest, netlink.Dump, serviceOnly(k))
	if err != nil {
		return nil, err
	}
	dests := make(map[ipvsctl.DestKey]ipvsctl.Destination, len(answers))
	for _, m := range answers {
		dk, d, err := decodeDest(m.Data, k.IPv6)
		if err != nil {
			return nil, err
		}
		dests[dk] = d
	}
	return dests, nil
}

// daemons reads which sync daemons run.
func (c *conn) daemons() (ipvsctl.Daemons, error) {
	answers, err := c.ask(cmdGetDaemon, netlink.Dump, nil)
	if err != nil {
		return nil, unreadable("the sync daemons", err)
	}
	all := ipvsctl.Daemons{}
	for _, m := range answers {
		role, s, err := decodeDaemon(m.Data)
		if err != nil {
			return nil, unreadable("the sync daemons", err)
		}
		all[role] = s
	}
	return all, nil
}

// ask sends one request of ours and returns its answers.
func (c *conn) ask(cmd uint8, flags netlink.HeaderFlags, ae *netlink.AttributeEncoder) ([]netlink.Message, error) {
	m, err := request(c.family, cmd, flags, ae)
	if err != nil {
		return nil, err
	}
	return c.execute(m)
}

// timeouts reads the timeouts of connections.
func (c *conn) timeouts() (ipvsctl.Timeouts, error) {
	t, err := c.reader.Config()
	if err != nil {
		return ipvsctl.Timeouts{}, unreadable("the timeouts", err)
	}
	seconds := func(n uint32) time.Duration { return time.Duration(n) * time.Second }
	return ipvsctl.Timeouts{TCP: seconds(t.TCPTimeout), TCPFin: seconds(t.TCPFinTimeout), UDP: seconds(t.UDPTimeout)}, nil
}

// setTimeouts changes the timeouts that are not 0.
func (c *conn) setTimeouts(t ipvsctl.Timeouts) error {
	seconds := func(d time.Duration) uint32 { return uint32(d / time.Second) }
	return c.reader.SetConfig(ipvs.Config{TCPTimeout: seconds(t.TCP), TCPFinTimeout: seconds(t.TCPFin), UDPTimeout: seconds(t.UDP)})
}

// usage reads the counters of a service and its servers; nothing where it does
// not stand.
func (c *conn) usage(k ipvsctl.ServiceKey) (ipvsctl.Usage, bool, error) {
	id := ipvs.Service{Address: k.Addr, Port: k.Port, FWMark: k.FWMark,
		Family: ipvs.AddressFamily(addressFamily(k.IPv6)), Protocol: ipvs.Protocol(k.Protocol)}
	s, err := c.reader.Service(id)
	if errors.Is(err, unix.ESRCH) {
		return ipvsctl.Usage{}, false, nil
	}
	if err != nil {
		return ipvsctl.Usage{}, false, unreadable(k.String(), err)
	}
	dests, err := c.reader.Destinations(id)
	if err != nil && !missing(err) {
		return ipvsctl.Usage{}, false, unreadable(k.String(), err)
	}
	u := ipvsctl.Usage{Counters: counters(s.Stats, s.Stats64), Servers: make(map[ipvsctl.DestKey]ipvsctl.Load, len(dests))}
	for _, d := range dests {
		u.Servers[ipvsctl.DestKey{Addr: d.Address.Unmap(), Port: d.Port}] = ipvsctl.Load{
			Counters: counters(d.Stats, d.Stats64),
			Active:   d.ActiveConnections, Inactive: d.InactiveConnections, Persistent: d.PersistentConnections,
		}
	}
	return u, true, nil
}

// missing tells the package's way to say that a list is empty, or its service
// gone, from a kernel without the family.
func missing(err error) bool {
	return errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
}

// counters are those of 64 bits, which Linux 4.1 and newer have, else those of
// 32.
func counters(narrow, wide ipvs.Stats) ipvsctl.Counters {
	if wide == (ipvs.Stats{}) {
		wide = narrow
	}
	return ipvsctl.Counters{
		Connections: wide.Connections, PacketsIn: wide.IncomingPackets, PacketsOut: wide.OutgoingPackets,
		BytesIn: wide.IncomingBytes, BytesOut: wide.OutgoingBytes, ConnectionRate: wide.ConnectionRate,
		PacketRateIn: wide.IncomingPacketRate, PacketRateOut: wide.OutgoingPacketRate,
		ByteRateIn: wide.IncomingByteRate, ByteRateOut: wide.OutgoingByteRate,
	}
}

package netlab

import (
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Cut is a way in which a cable fails while its link stays up.
type Cut uint8

// The ways.
const (
	Healed  Cut = iota // it carries everything
	Mute               // what the host sends is lost
	Deaf               // what others send to the host is lost
	Parted             // hosts behind parted cables do not hear each other; all others do
	cutWays = iota
)

// cuts are the settings of a bridge's port that differ from its usual ones, in
// linux/if_link.h. A locked port takes frames only from addresses it has been
// told; one that floods and learns nothing passes nothing on.
var cuts = [cutWays]map[int]bool{
	Mute:   {nl.IFLA_BRPORT_LOCKED: true, nl.IFLA_BRPORT_LEARNING: false},
	Parted: {nl.IFLA_BRPORT_ISOLATED: true},
	Deaf: {nl.IFLA_BRPORT_LEARNING: false, nl.IFLA_BRPORT_UNICAST_FLOOD: false,
		nl.IFLA_BRPORT_MCAST_FLOOD: false, nl.IFLA_BRPORT_BCAST_FLOOD: false},
}

// usual are the settings of a port that is not cut.
var usual = map[int]bool{
	nl.IFLA_BRPORT_LOCKED: false, nl.IFLA_BRPORT_ISOLATED: false, nl.IFLA_BRPORT_LEARNING: true,
	nl.IFLA_BRPORT_UNICAST_FLOOD: true, nl.IFLA_BRPORT_MCAST_FLOOD: true, nl.IFLA_BRPORT_BCAST_FLOOD: true,
}

// Cut makes an interface's cable fail in a way, or heals it. Mute needs Linux
// 5.18, Parted 4.18.
func (h *Host) Cut(name string, way Cut) error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	for _, p := range h.lab.ports {
		if p.host == h && p.name == name {
			if err := p.cut(way); err != nil {
				return fmt.Errorf("host %s, cable of %s: %w", h.Name, name, err)
			}
			return nil
		}
	}
	return fmt.Errorf("host %s has no interface %s", h.Name, name)
}

// cut changes the port's settings; what the switch has learned of the port is
// forgotten with them.
func (p *port) cut(way Cut) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_BRIDGE)
	msg.Index = int32(p.link.Attrs().Index)
	req.AddData(msg)
	info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	for setting, on := range usual {
		if other, differs := cuts[way][setting]; differs {
			on = other
		}
		info.AddRtAttr(setting, flag(on))
	}
	info.AddRtAttr(nl.IFLA_BRPORT_FLUSH, nil)
	req.AddData(info)
	return p.host.lab.fabric.do(func() error {
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
}

func flag(on bool) []byte {
	if on {
		return []byte{1}
	}
	return []byte{0}
}

package ipvsctl

import (
	"net/netip"
	"time"
)

// SyncRole is a part in the synchronisation of connections, or both. The values
// are those of linux/ip_vs.h, which are bits.
type SyncRole uint8

// The roles of a sync daemon.
const (
	SyncMaster SyncRole = 1 // IP_VS_STATE_MASTER: sends the connections it sees
	SyncBackup SyncRole = 2 // IP_VS_STATE_BACKUP: takes in what the master sends

	bothRoles = SyncMaster | SyncBackup
)

// String is the role in words.
func (r SyncRole) String() string {
	return [...]string{"none", "master", "backup", "master and backup"}[r&bothRoles]
}

// Sync says how a sync daemon of the kernel runs. Zero fields, but for ID,
// leave the kernel's default. It is a comparable value.
type Sync struct {
	Link   string     // multicast interface
	ID     uint8      // a daemon hears only those with the same
	MaxLen uint16     // bytes of a datagram's payload; the kernel bounds it
	Group  netip.Addr // multicast, IPv4 or IPv6; default 224.0.0.81
	Port   uint16     // UDP; default 8848
	TTL    uint8      // default 1
}

// SyncWant is the sync daemons that should run: Sync in each of the Roles. The
// zero value wants none.
type SyncWant struct {
	Sync
	Roles SyncRole
}

// Daemons are the sync daemons that run; at most one in each role.
type Daemons map[SyncRole]Sync

// Defaults of the kernel (include/net/ip_vs.h, and start_sync_thread of
// net/netfilter/ipvs/ip_vs_sync.c). A master sends as much as an Ethernet frame
// takes; a backup takes at least 1024 bytes, and by default what its interface
// can.
const (
	syncPort    = 8848 // IP_VS_SYNC_PORT
	syncTTL     = 1
	syncMTU     = 1500
	syncMaxMTU  = 65535
	backupBytes = 1024

	headers4 = 20 + 8 // IPv4 and UDP
	headers6 = 40 + 8
)

var syncGroup = netip.AddrFrom4([4]byte{224, 0, 0, 81}) // IP_VS_SYNC_GROUP

// Diff is the roles to stop, and those to start then, so that what runs becomes
// what is wanted. A daemon that runs as it should is left alone.
func (w SyncWant) Diff(have Daemons) (stop, start SyncRole) {
	for _, role := range []SyncRole{SyncMaster, SyncBackup} {
		running, runs := have[role]
		wanted := w.Roles&role != 0
		good := runs && wanted && w.Sync.is(running, role)
		if runs && !good {
			stop |= role
		}
		if wanted && !good {
			start |= role
		}
	}
	return stop, start
}

// is tells whether a daemon runs as s says. What an old kernel does not report
// is taken as right.
func (s Sync) is(running Sync, role SyncRole) bool {
	if s.Link != running.Link || s.ID != running.ID {
		return false
	}
	s = s.resolved()
	return (running.Port == 0 || running.Port == s.Port) &&
		(running.TTL == 0 || running.TTL == s.TTL) &&
		(!running.Group.IsValid() || running.Group == s.Group) &&
		(running.MaxLen == 0 || s.takes(running.MaxLen, role))
}

// resolved is s with the kernel's defaults.
func (s Sync) resolved() Sync {
	if s.Port == 0 {
		s.Port = syncPort
	}
	if s.TTL == 0 {
		s.TTL = syncTTL
	}
	if s.Group = s.Group.Unmap(); !s.Group.IsValid() {
		s.Group = syncGroup
	}
	return s
}

// takes tells whether n bytes are what the kernel makes of the wanted MaxLen.
func (s Sync) takes(n uint16, role SyncRole) bool {
	headers := headers4
	if s.Group.Is6() {
		headers = headers6
	}
	least := 1
	if role == SyncBackup {
		least = backupBytes
	}
	switch {
	case s.MaxLen != 0:
		return int(n) == min(max(int(s.MaxLen), least), syncMaxMTU-headers)
	case role == SyncBackup:
		return int(n) >= syncMTU-headers
	}
	return int(n) == syncMTU-headers
}

// Timeouts are how long the kernel remembers connections that are silent, in
// whole seconds; 0 leaves what is. It is a comparable value.
type Timeouts struct {
	TCP    time.Duration // established
	TCPFin time.Duration // after a FIN
	UDP    time.Duration
}

// Missing is what of t is not so in have; 0 where nothing is to be done.
func (t Timeouts) Missing(have Timeouts) Timeouts {
	return t.merge(have, func(want, is time.Duration) time.Duration {
		if want == is {
			return 0
		}
		return want
	})
}

// Or is t with what it leaves taken from o.
func (t Timeouts) Or(o Timeouts) Timeouts {
	return t.merge(o, func(mine, other time.Duration) time.Duration {
		if mine != 0 {
			return mine
		}
		return other
	})
}

// In is t where mask says something, and 0 elsewhere.
func (t Timeouts) In(mask Timeouts) Timeouts {
	return t.merge(mask, func(mine, mask time.Duration) time.Duration {
		if mask == 0 {
			return 0
		}
		return mine
	})
}

func (t Timeouts) merge(o Timeouts, f func(a, b time.Duration) time.Duration) Timeouts {
	return Timeouts{TCP: f(t.TCP, o.TCP), TCPFin: f(t.TCPFin, o.TCPFin), UDP: f(t.UDP, o.UDP)}
}

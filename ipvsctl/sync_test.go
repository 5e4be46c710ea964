package ipvsctl

import (
	"net/netip"
	"testing"
	"time"
)

func TestSyncDiff(t *testing.T) {
	plain := Sync{Link: "eth0", ID: 51}
	runs := Sync{Link: "eth0", ID: 51, MaxLen: 1472, Group: syncGroup, Port: 8848, TTL: 1} // what Linux 6.1 reports
	with := func(change func(*Sync)) Sync { s := runs; change(&s); return s }
	full := Sync{Link: "eth1", ID: 7, MaxLen: 900, Group: netip.MustParseAddr("ff02::99"), Port: 9000, TTL: 3}
	for name, c := range map[string]struct {
		want        SyncWant
		have        Daemons
		stop, start SyncRole
	}{
		"nothing":                   {SyncWant{}, nil, 0, 0},
		"first":                     {SyncWant{plain, SyncBackup}, nil, 0, SyncBackup},
		"both":                      {SyncWant{plain, bothRoles}, nil, 0, bothRoles},
		"stands":                    {SyncWant{plain, bothRoles}, Daemons{SyncMaster: runs, SyncBackup: runs}, 0, 0},
		"turns master":              {SyncWant{plain, SyncMaster}, Daemons{SyncBackup: runs}, SyncBackup, SyncMaster},
		"turns backup":              {SyncWant{plain, SyncBackup}, Daemons{SyncMaster: runs}, SyncMaster, SyncBackup},
		"one of two":                {SyncWant{plain, SyncBackup}, Daemons{SyncMaster: runs, SyncBackup: runs}, SyncMaster, 0},
		"goes":                      {SyncWant{}, Daemons{SyncMaster: runs, SyncBackup: runs}, bothRoles, 0},
		"another id":                {SyncWant{plain, SyncMaster}, Daemons{SyncMaster: with(func(s *Sync) { s.ID = 52 })}, SyncMaster, SyncMaster},
		"another link":              {SyncWant{plain, SyncMaster}, Daemons{SyncMaster: with(func(s *Sync) { s.Link = "eth1" })}, SyncMaster, SyncMaster},
		"another port":              {SyncWant{plain, SyncMaster}, Daemons{SyncMaster: with(func(s *Sync) { s.Port = 8849 })}, SyncMaster, SyncMaster},
		"another ttl":               {SyncWant{plain, SyncMaster}, Daemons{SyncMaster: with(func(s *Sync) { s.TTL = 2 })}, SyncMaster, SyncMaster},
		"another group":             {SyncWant{plain, SyncMaster}, Daemons{SyncMaster: with(func(s *Sync) { s.Group = netip.MustParseAddr("224.0.0.82") })}, SyncMaster, SyncMaster},
		"another length":            {SyncWant{plain, SyncMaster}, Daemons{SyncMaster: with(func(s *Sync) { s.MaxLen = 1000 })}, SyncMaster, SyncMaster},
		"a backup's jumbo frames":   {SyncWant{plain, SyncBackup}, Daemons{SyncBackup: with(func(s *Sync) { s.MaxLen = 8972 })}, 0, 0},
		"a backup of few bytes":     {SyncWant{plain, SyncBackup}, Daemons{SyncBackup: with(func(s *Sync) { s.MaxLen = 1024 })}, SyncBackup, SyncBackup},
		"full, IPv6, master":        {SyncWant{full, SyncMaster}, Daemons{SyncMaster: full}, 0, 0},
		"a backup's least length":   {SyncWant{full, SyncBackup}, Daemons{SyncBackup: func() Sync { s := full; s.MaxLen = 1024; return s }()}, 0, 0},
		"a master's default, IPv6":  {SyncWant{Sync{Link: "a", Group: full.Group}, SyncMaster}, Daemons{SyncMaster: {Link: "a", Group: full.Group, MaxLen: 1452, Port: 8848, TTL: 1}}, 0, 0},
		"the longest":               {SyncWant{Sync{Link: "a", MaxLen: 65535}, SyncMaster}, Daemons{SyncMaster: {Link: "a", MaxLen: 65507, Port: 8848, TTL: 1, Group: syncGroup}}, 0, 0},
		"an old kernel says little": {SyncWant{plain, SyncMaster}, Daemons{SyncMaster: {Link: "eth0", ID: 51}}, 0, 0},
	} {
		if stop, start := c.want.Diff(c.have); stop != c.stop || start != c.start {
			t.Errorf("%s: stop %v, start %v; want stop %v, start %v", name, stop, start, c.stop, c.start)
		}
	}
}

func TestTimeouts(t *testing.T) {
	s := time.Second
	is := Timeouts{TCP: 900 * s, TCPFin: 120 * s, UDP: 300 * s}
	want := Timeouts{TCP: 1800 * s, UDP: 300 * s}
	if got := want.Missing(is); got != (Timeouts{TCP: 1800 * s}) {
		t.Errorf("missing %+v", got)
	}
	if got := want.Or(is); got != (Timeouts{TCP: 1800 * s, TCPFin: 120 * s, UDP: 300 * s}) {
		t.Errorf("or %+v", got)
	}
	if got := is.In(want); got != (Timeouts{TCP: 900 * s, UDP: 300 * s}) {
		t.Errorf("in %+v", got)
	}
}

package ha

import (
	"keepgo/confparse"
	"keepgo/ipvsctl"
	"keepgo/vrrp"
)

// Sync is the IPVS sync daemon that follows an instance.
type Sync struct {
	Instance int // index into Plan.Instances
	Daemon   ipvsctl.Sync
	Repair   bool // what others change of it is put back
}

// sync plans the sync daemon of an instance: lvs_sync_daemon where it names one,
// else the first lvs_sync_daemon_interface. Without an instance it is none of
// this half.
func (p *Plan) sync(cfg *confparse.Config, index map[string]int) {
	d := cfg.Global.LVSSync
	for _, in := range cfg.Instances {
		if d == nil && in.LVSSyncInterface != "" {
			d = &confparse.SyncDaemon{Interface: in.LVSSyncInterface, Instance: in.Name, ID: -1}
		}
	}
	if d == nil {
		return
	}
	i, ok := index[d.Instance]
	if !ok {
		return
	}
	id := uint8(d.ID)
	if d.ID < 0 {
		id = p.Instances[i].Key.VRID
	}
	p.Sync = &Sync{Instance: i, Repair: cfg.Global.LVSRepair, Daemon: ipvsctl.Sync{
		Link: d.Interface, ID: id, MaxLen: uint16(d.MaxLen), Group: d.Group, Port: d.Port, TTL: d.TTL,
	}}
}

// Sync is the sync daemon that should run now: master while its instance is
// MASTER, backup otherwise; and whether it is put back when others change it.
func (n *Node) Sync() (w ipvsctl.SyncWant, repair bool) {
	if n.plan.Sync == nil || !n.running {
		return ipvsctl.SyncWant{}, false
	}
	w = ipvsctl.SyncWant{Sync: n.plan.Sync.Daemon, Roles: ipvsctl.SyncBackup}
	if n.members[n.plan.Sync.Instance].router.State() == vrrp.Master {
		w.Roles = ipvsctl.SyncMaster
	}
	return w, n.plan.Sync.Repair
}

// synced appends the change of the sync daemon that follows when the state of m
// changes.
func (n *Node) synced(m *member, acts []Action) []Action {
	if s := n.plan.Sync; s == nil || n.members[s.Instance] != m {
		return acts
	}
	return append(acts, Action{Kind: ActSync})
}

package confparse

import (
	"net/netip"
	"time"
)

// Ours is Keyword.Since of a keyword that keepalived does not have. It warns of
// one, as of any that it does not know, and goes on behind its line: so each of
// them fits on one line.
const Ours = "keepgo; keepalived warns of it and goes on"

// ours says that a keyword is keepgo's own.
func (rw row[T]) ours() row[T] {
	rw.Since = Ours
	return rw
}

// better is what keepgo does otherwise than keepalived unless it is told not
// to; each member is what its keyword of global_defs says, if it stands there.
type better struct {
	like       bool // like_keepalived
	reannounce bool
	listen     bool
	release    bool
	drop       bool
	frames     time.Duration
	repair     bool
	frozen     bool
	frozenLVS  bool
	frozenBFD  bool
}

// defaultFramesFirst is how long a switch that knows no better keeps a port
// that has come up from passing frames: twice the forward delay of 15 s (IEEE
// 802.1D-2004 table 17-1).
const defaultFramesFirst = 30 * time.Second

// betterRows are the keywords of global_defs that choose between keepgo's way
// and keepalived's.
func betterRows() []row[globals] {
	type G = globals
	return []row[G]{
		field("like_keepalived", boolean(), func(g *G) *bool { return &g.better.like }, "Does as keepalived does wherever keepgo has a way of its own; what else is said of one of them counts for it.").ours(),
		field("vrrp_reannounce", boolean().or("on; off with like_keepalived"), func(g *G) *bool { return &g.better.reannounce }, reannounceDoc).ours(),
		field("vrrp_listen_after_pause", boolean().or("on; off with like_keepalived"), func(g *G) *bool { return &g.better.listen }, listenDoc).ours(),
		field("vrrp_vip_loss", loss().or("restore; release with like_keepalived"), func(g *G) *bool { return &g.better.release }, lossDoc).ours(),
		field("vrrp_vip_mismatch", mismatch().or("tolerate"), func(g *G) *bool { return &g.better.drop }, mismatchDoc).ours(),
		field("vrrp_frames_first", seconds(0, 300).or("30; 0 with like_keepalived"), func(g *G) *time.Duration { return &g.better.frames }, "After the machine's boot, how long nobody becomes master for the first time before a frame has come in on its interface; 0 for not at all.").ours(),
		field("vrrp_restart_frozen", boolean().or("on; off with like_keepalived"), func(g *G) *bool { return &g.better.frozen }, "A VRRP process that hangs, or was stopped, is killed and replaced: it goes on as MASTER if nobody else can have been elected, and listens else.").ours(),
		field("lvs_restart_frozen", boolean().or("on; off with like_keepalived"), func(g *G) *bool { return &g.better.frozenLVS }, "An LVS process that hangs, or was stopped, for ten seconds is killed and replaced: another goes on with what it knew, and the services stand meanwhile.").ours(),
		field("bfd_restart_frozen", boolean().or("on; off with like_keepalived"), func(g *G) *bool { return &g.better.frozenBFD }, "A BFD process that hangs, or was stopped, is killed and replaced.").ours(),
		field("metrics_listen", addrPort().or("none"), func(g *G) *netip.AddrPort { return &g.MetricsListen }, "Where Prometheus finds /metrics, and the other director's drills /status; anybody who reaches the address may read them.").ours(),
		field("metrics_exporters", boolean(), func(g *G) *bool { return &g.MetricsExporters }, "Metrics have the names of both exporters for keepalived as well, so that dashboards and alerts go on.").ours(),
		field("control_group", text("group").or("root alone"), func(g *G) *string { return &g.ControlGroup }, "A group whose members may use the control socket: see all, and steer.").ours(),
		field("lvs_repair", boolean().or("on; off with like_keepalived"), func(g *G) *bool { return &g.better.repair }, "What another program changes in our IPVS services, timeouts and sync daemons is put back within two seconds.").ours(),
	}
}

// ownWayRows are those of an instance.
func ownWayRows() []row[Instance] {
	type I = Instance
	return []row[I]{
		field("reannounce", boolean().or("vrrp_reannounce"), func(i *I) *bool { return &i.Reannounce }, reannounceDoc).ours(),
		field("listen_after_pause", boolean().or("vrrp_listen_after_pause"), func(i *I) *bool { return &i.ListenAfterPause }, listenDoc).ours(),
		field("vip_loss", loss().or("vrrp_vip_loss"), func(i *I) *bool { return &i.ReleaseLost }, lossDoc).ours(),
		field("vip_mismatch", mismatch().or("vrrp_vip_mismatch"), func(i *I) *bool { return &i.DropMismatch }, mismatchDoc).ours(),
	}
}

const (
	reannounceDoc = "A master that hears a rival, by adverts or by ARP, tells of it and announces its addresses again, at growing intervals."
	listenDoc     = "A router that was not scheduled for longer than a takeover lasts gives up, and listens for one interval before it speaks."
	lossDoc       = "What a master does when another hand removes an address, route or rule of it: put it back, or give up mastership as keepalived."
	mismatchDoc   = "What becomes of adverts with other virtual addresses than ours: they count and the difference is told, or they are dropped as before keepalived 2.3.3."
)

// addrPort is an address and a port, as 127.0.0.1:9650 or [::1]:9650.
func addrPort() kind[netip.AddrPort] {
	const rng = "an address and a port, as 127.0.0.1:9650 or [::1]:9650"
	return kind[netip.AddrPort]{args: "<ADDRESS>:<PORT>", rng: rng, read: func(s *stmt) (netip.AddrPort, bool) {
		w, ok := s.value(rng)
		if !ok {
			return netip.AddrPort{}, false
		}
		a, err := netip.ParseAddrPort(w.Text)
		if err != nil {
			s.fail(w, rng, "%s: '%s' is not an address with a port", s.name(), clip(w.Text))
		}
		return a, err == nil
	}}
}

func loss() kind[bool] {
	return choice("vip_loss", []string{"restore", "release"}, []bool{false, true})
}

func mismatch() kind[bool] {
	return choice("vip_mismatch", []string{"tolerate", "drop"}, []bool{false, true})
}

// completeBetter decides between keepgo's ways and keepalived's.
func (r *reader) completeBetter() {
	b := &r.globals.better
	for keyword, at := range map[string]*bool{"vrrp_reannounce": &b.reannounce, "vrrp_listen_after_pause": &b.listen, "lvs_repair": &b.repair, "vrrp_restart_frozen": &b.frozen, "lvs_restart_frozen": &b.frozenLVS,
		"bfd_restart_frozen": &b.frozenBFD} {
		def(r, &r.globals, keyword, at, !b.like)
	}
	def(r, &r.globals, "vrrp_vip_loss", &b.release, b.like)
	if !b.like {
		def(r, &r.globals, "vrrp_frames_first", &b.frames, defaultFramesFirst)
	}
	r.globals.FramesFirst, r.globals.LVSRepair = b.frames, b.repair
	r.globals.RestartFrozen, r.globals.RestartFrozenLVS, r.globals.RestartFrozenBFD = b.frozen, b.frozenLVS, b.frozenBFD
}

// inheritBetter gives an instance what global_defs says.
func (r *reader) inheritBetter(i *Instance) {
	b := &r.globals.better
	def(r, i, "reannounce", &i.Reannounce, b.reannounce)
	def(r, i, "listen_after_pause", &i.ListenAfterPause, b.listen)
	def(r, i, "vip_loss", &i.ReleaseLost, b.release)
	def(r, i, "vip_mismatch", &i.DropMismatch, b.drop)
}

package daemon

import (
	"errors"
	"os"
	"strings"

	"keepgo/confparse"
	"keepgo/internal/lb"
	"keepgo/internal/status"
	"keepgo/ipvsctl"
	"keepgo/ipvsctl/genl"
	"keepgo/ipvsctl/neigh"
	"keepgo/ipvsctl/nft"
)

// plane is what balances connections: IPVS, or nftables where the kernel has
// none. FULLNAT takes both: IPVS chooses the server, nftables the source.
type plane struct {
	log  func(format string, args ...any)
	ipvs *genl.Door
	nft  *nft.Door // of all services without ipvs, else of those with FULLNAT; nil until needed
	lack string    // why there is neither
	auto bool      // nobody asked for the one that it is

	neigh    *neigh.Door                   // with nft, of servers by DR; nil until needed
	warned   map[string]bool               // of forwarding that is off
	told     map[ipvsctl.ServiceKey]string // schedulers that another one stands in for
	switches switches
	private  ipvsctl.Table // of through_vip, as last set
	mark     *nft.Marks    // gives addresses of groups their marks; nil until needed
}

// newPlane opens what the configuration asks for. That a kernel can do nothing
// is no error: checks are useful without. Asked again, it is not told again.
func newPlane(kind confparse.DataPlane, log func(string, ...any), again bool) (*plane, error) {
	tell := log
	if again {
		tell = func(string, ...any) {}
	}
	p := &plane{log: log, auto: kind == confparse.PlaneAuto, told: map[ipvsctl.ServiceKey]string{}, warned: map[string]bool{}, switches: switches{log: log}}
	if kind != confparse.PlaneNFTables {
		var err error
		p.ipvs, err = openIPVS(genl.Options{Report: func(ev genl.Event) { log("%s", ev) }})
		switch {
		case err == nil:
			return p, nil
		case !errors.Is(err, genl.ErrNoIPVS):
			return nil, err
		case kind == confparse.PlaneIPVS:
			p.lack = err.Error()
			tell("%v; health checks run all the same", err)
			return p, nil
		}
		tell("%v; connections are balanced with nftables instead", err)
	}
	var err error
	if p.nft, err = openNFTables(nft.Options{Report: p.nftables}); err != nil {
		p.lack = err.Error()
		tell("%v; health checks run all the same", err)
	}
	return p, nil
}

// forwarding warns where the kernel would not pass on what nftables translated
// for a service, once a family.
func (p *plane) forwarding(k ipvsctl.ServiceKey, e ipvsctl.Entry) {
	key := "net/ipv4/ip_forward"
	if k.IPv6 {
		key = "net/ipv6/conf/all/forwarding"
	}
	if e.Direct() || p.warned[key] {
		return
	}
	p.warned[key] = true
	if b, err := os.ReadFile("/proc/sys/" + key); err == nil && strings.TrimSpace(string(b)) == "0" {
		name := strings.ReplaceAll(key, "/", ".")
		p.log("%s is 0: packets of NAT do not pass this host; set it with sysctl -w %s=1", name, name)
	}
}

// nftables hears the door, on its goroutine.
func (p *plane) nftables(ev nft.Event) {
	switch ev.Kind {
	case nft.Failed:
		p.log("%v", ev.Err)
	case nft.Recovered:
		p.log("nftables: all services stand as they should again")
	case nft.Repaired:
		by := ""
		if ev.By != "" {
			by = " by " + ev.By
		}
		p.log("nftables: our services were changed%s and are put back", by)
	}
}

// balances reports whether all is done by nftables.
func (p *plane) balances() bool { return p.ipvs == nil && p.nft != nil }

// name is what balances, "" if nothing does.
func (p *plane) name() string {
	switch {
	case p.ipvs != nil:
		return "ipvs"
	case p.nft != nil:
		return "nftables"
	}
	return ""
}

// set gives the newest want of services, as a door's Set, and returns what is
// not possible.
func (p *plane) set(changed ipvsctl.Table, removed []ipvsctl.ServiceKey) map[ipvsctl.ServiceKey]error {
	switch {
	case p.ipvs == nil && p.nft == nil, len(changed)+len(removed) == 0:
		return nil
	case p.ipvs == nil:
		return p.balance(changed, removed)
	}
	full := ipvsctl.Table{}
	for k, e := range changed {
		if e.Service.Source == "" {
			continue
		}
		full[k] = e
		e.Service.Source = ""
		changed[k] = e
	}
	p.ipvs.Set(changed, removed)
	if len(full) > 0 && p.nft == nil {
		p.track()
	}
	if p.nft == nil {
		return nil
	}
	for k := range changed {
		if _, is := full[k]; !is {
			removed = append(removed, k)
		}
	}
	return p.nft.Set(full, removed)
}

// balance gives services to nftables. Where nobody asked for it, a scheduler that
// needs IPVS is replaced.
func (p *plane) balance(changed ipvsctl.Table, removed []ipvsctl.ServiceKey) map[ipvsctl.ServiceKey]error {
	for k, e := range changed {
		if p.auto {
			e.Service.Scheduler = p.without(k, e.Service.Scheduler)
			changed[k] = e
		}
		p.forwarding(k, e)
		if e.Direct() && p.neigh == nil {
			p.follow()
		}
	}
	if p.neigh != nil {
		p.neigh.Set(changed, removed)
	}
	return p.nft.Set(changed, removed)
}

// without is the scheduler that stands in for one that counts connections, which
// is told once.
func (p *plane) without(k ipvsctl.ServiceKey, asked string) string {
	s := ipvsctl.WithoutCounts(asked)
	if s != asked && p.told[k] != asked {
		p.told[k] = asked
		p.log("virtual server %s: scheduler %s needs IPVS, which this kernel does not have: %s stands in for it", k, asked, s)
	}
	return s
}

// follow has the ways to servers by DR followed.
func (p *plane) follow() {
	var err error
	p.neigh, err = openNeigh(neigh.Options{Report: p.nft.SetWays, Trouble: func(err error) { p.log("%v", err) }})
	if err != nil {
		p.log("servers by DR get nothing: %v", err)
	}
}

// track prepares FULLNAT beside IPVS, whose connections must be tracked for it.
func (p *plane) track() {
	const key = "/proc/sys/net/ipv4/vs/conntrack"
	if err := os.WriteFile(key, []byte("1"), 0); err != nil {
		p.log("FULLNAT: %v; servers see the clients' own addresses", err)
		return
	}
	var err error
	if p.nft, err = openNFTables(nft.Options{Report: p.nftables, SourcesOnly: true}); err != nil {
		p.log("FULLNAT: %v; servers see the clients' own addresses", err)
	}
}

// begin prepares the first plan.
func (p *plane) begin(s *lb.State, flush bool) {
	if p.ipvs == nil {
		return
	}
	if s != nil {
		p.ipvs.Resume(s.Replaced)
		p.ipvs.Inherit(s.Stood)
		p.switches.replaced = s.Switched
	}
	if flush {
		if err := p.ipvs.Flush(); err != nil {
			p.log("%v", err)
		}
	}
}

// configure gives the kernel what is not of any service alone.
func (p *plane) configure(plan *lb.Plan) {
	p.marks(plan)
	if p.ipvs != nil {
		p.paths(plan)
		p.ipvs.Leave(!plan.Repair)
		p.ipvs.SetSync(plan.Sync)
		p.ipvs.SetTimeouts(plan.Timeouts)
		p.switches.set(plan)
		return
	}
	if p.nft == nil {
		return
	}
	p.nft.Leave(!plan.Repair)
	if (plan.Sync != ipvsctl.SyncWant{} || plan.Timeouts != ipvsctl.Timeouts{}) {
		p.log("lvs_sync_daemon and lvs_timeouts need IPVS: nftables has nothing like them (conntrackd synchronizes connections)")
	}
}

// paths has the services stand that lead probes with through_vip to their servers.
func (p *plane) paths(plan *lb.Plan) {
	want := plan.PathTable()
	var gone []ipvsctl.ServiceKey
	for k := range p.private {
		if _, stays := want[k]; !stays {
			gone = append(gone, k)
		}
	}
	if p.private = want; len(want)+len(gone) > 0 {
		p.ipvs.Set(want, gone)
	}
}

// marks has packets to the groups of the plan marked, after their services
// stand.
func (p *plane) marks(plan *lb.Plan) {
	m := &plan.Marking
	if m.Table == "" || p.ipvs == nil && p.nft == nil {
		return
	}
	if p.mark == nil {
		var err error
		if p.mark, err = openMarks(nft.MarkOptions{Report: p.marked, Table: m.Table, Early: p.balances()}); err != nil {
			p.log("nftables_ipvs: %v; nothing reaches the virtual_server_groups", err)
			return
		}
	}
	p.mark.Leave(!plan.Repair)
	p.mark.Set(nft.MarkWant{Priority: m.Priority, Marks: plan.Marks()})
}

// marked hears the marks, on their goroutine.
func (p *plane) marked(ev nft.Event) {
	switch ev.Kind {
	case nft.Failed:
		p.log("nftables_ipvs: %v; until then virtual_server_groups are not served as configured", ev.Err)
	case nft.Recovered:
		p.log("nftables_ipvs: all packets are marked as they should again")
	case nft.Repaired:
		p.log("nftables_ipvs: our marks were changed by %s and are put back", by(ev.By))
	}
}

// yield leaves a service as somebody made it on purpose, until it changes or
// another plan comes.
func (p *plane) yield(k ipvsctl.ServiceKey) {
	if p.ipvs == nil {
		return
	}
	p.ipvs.Yield(k)
	p.log("IPVS: %s was changed on purpose: it is left so until a check or a reload changes it", k)
}

// replaced are the timeouts that ours stand in for.
func (p *plane) replaced() (t ipvsctl.Timeouts) {
	if p.ipvs != nil {
		t = p.ipvs.Replaced()
	}
	return t
}

// usage is what went through our services.
func (p *plane) usage() (map[ipvsctl.ServiceKey]ipvsctl.Usage, error) {
	switch {
	case p.ipvs != nil:
		return p.ipvs.Usage()
	case p.nft != nil:
		return p.nft.Usage()
	}
	return nil, nil
}

// sync is which sync daemons of IPVS run, nil where that cannot be told.
func (p *plane) sync() *status.Sync {
	if p.ipvs == nil {
		return nil
	}
	have, err := p.ipvs.Daemons()
	if err != nil {
		return nil
	}
	_, sends := have[ipvsctl.SyncMaster]
	_, takes := have[ipvsctl.SyncBackup]
	return &status.Sync{Sends: sends, Takes: takes}
}

// settled waits until all that was set before has gone to IPVS. Of its own tables
// the other plane finds out what stands there.
func (p *plane) settled() error {
	if p.ipvs == nil {
		return nil
	}
	return p.ipvs.Sync()
}

// clear takes out what is ours; with whole, everything of IPVS.
func (p *plane) clear(whole bool) (err error) {
	if p.ipvs != nil {
		err = p.ipvs.Clear(whole)
		p.switches.restore(nil)
	}
	if p.nft != nil {
		err = errors.Join(err, p.nft.Clear())
	}
	if p.mark != nil {
		err = errors.Join(err, p.mark.Clear())
	}
	return err
}

func (p *plane) close() {
	if p.neigh != nil {
		p.neigh.Close()
	}
	if p.ipvs != nil {
		p.ipvs.Close()
	}
	if p.nft != nil {
		p.nft.Close()
	}
	if p.mark != nil {
		p.mark.Close()
	}
}

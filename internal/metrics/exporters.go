package metrics

import (
	"strconv"
	"strings"

	"keepgo/internal/status"
)

// event is a counter of an instance that both exporters have, under two names:
// of mehdy/keepalived-exporter and of gen2brain/keepalived_exporter.
type event struct {
	mehdy, gen2brain, help string
	value                  func(*in) uint64
}

var events = []event{
	{"advertisements_received", "advert_rcvd", "Advertisements received", func(i *in) uint64 { return i.Counters.AdvertRcvd }},
	{"advertisements_sent", "advert_sent", "Advertisements sent", func(i *in) uint64 { return i.Counters.AdvertSent }},
	{"become_master", "become_master", "Became master", func(i *in) uint64 { return i.Counters.BecomeMaster }},
	{"release_master", "release_master", "Released master", func(i *in) uint64 { return i.Counters.ReleaseMaster }},
	{"packet_length_errors", "packet_len_err", "Packet length errors", func(i *in) uint64 { return i.Counters.PacketLenErr }},
	{"advertisements_interval_errors", "advert_interval_err", "Advertisement interval errors", func(i *in) uint64 { return i.Counters.AdvertIntervalErr }},
	{"ip_ttl_errors", "ip_ttl_err", "TTL errors", func(i *in) uint64 { return i.Counters.IPTTLErr }},
	{"invalid_type_received", "invalid_type_rcvd", "Invalid type errors", func(i *in) uint64 { return i.Counters.InvalidTypeRcvd }},
	{"address_list_errors", "addr_list_err", "Address list errors", func(i *in) uint64 { return i.Counters.AddrListErr }},
	{"authentication_invalid", "invalid_authtype", "Authentication invalid", func(i *in) uint64 { return i.Counters.InvalidAuthtype }},
	{"authentication_mismatch", "authtype_mismatch", "Authentication mismatch", func(i *in) uint64 { return i.Counters.AuthtypeMismatch }},
	{"authentication_failure", "auth_failure", "Authentication failure", func(i *in) uint64 { return i.Counters.AuthFailure }},
	{"priority_zero_received", "pri_zero_rcvd", "Priority zero received", func(i *in) uint64 { return i.Counters.PriZeroRcvd }},
	{"priority_zero_sent", "pri_zero_sent", "Priority zero sent", func(i *in) uint64 { return i.Counters.PriZeroSent }},
}

// exporters writes what the two exporters would.
func (p *page) exporters(s *status.Status) {
	p.head("keepalived_up", gauge, "Status")
	p.sample("keepalived_up", nil, 1)
	var mehdy, gen2brain families[in]
	for _, e := range events {
		value := func(i *in) float64 { return float64(e.value(i)) }
		mehdy = append(mehdy, family[in]{"keepalived_" + e.mehdy + "_total", counter, e.help, value})
		gen2brain = append(gen2brain, family[in]{"keepalived_vrrp_" + e.gen2brain, counter, e.help, value})
	}
	mehdy = append(mehdy, family[in]{"keepalived_gratuitous_arp_delay_total", counter, "Gratuitous ARP delay", func(i *in) float64 { return i.ARPDelay }})
	instances := pointers(s.Instances)
	mehdy.write(p, instances, func(i *in) labels { return exported(i, "iname") })
	gen2brain.write(p, instances, func(i *in) labels { return exported(i, "name") })
	p.vips(instances)
	exportedScripts.write(p, pointers(s.Scripts), func(sc *status.Script) labels { return labels{"name", sc.Name} })
	p.balanced(s)
}

// exported are the exporters' labels of an instance.
func exported(i *in, name string) labels {
	return labels{name, i.Name, "intf", i.Interface, "vrid", strconv.Itoa(int(i.VRID)), "state", i.State}
}

// vips are the states by address. An address stands for itself alone where its
// network is no wider.
func (p *page) vips(instances []*in) {
	const name = "keepalived_vrrp_state"
	p.head(name, gauge, "State of vrrp")
	for _, i := range instances {
		for _, a := range i.Places {
			addr := strings.TrimSuffix(strings.TrimSuffix(a.Address, "/32"), "/128")
			p.sample(name, labels{"iname", i.Name, "intf", a.Link, "vrid", strconv.Itoa(int(i.VRID)), "ip_address", addr}, stateNumbers[i.State])
		}
	}
}

// exportedScripts: a script's state is 0 while it does not run, which is nearly
// always.
var exportedScripts = families[status.Script]{
	{"keepalived_script_status", gauge, "Tracker Script Status", func(s *status.Script) float64 { return truth(s.Good) }},
	{"keepalived_script_state", gauge, "Tracker Script State", func(*status.Script) float64 { return 0 }},
}

// flow is what IPVS counted of a service or a server.
type flow struct {
	name string
	status.Traffic
}

var flowFamilies = []struct {
	name  string
	value func(*flow) float64
}{
	{"in_packets", func(f *flow) float64 { return float64(f.PacketsIn) }},
	{"out_packets", func(f *flow) float64 { return float64(f.PacketsOut) }},
	{"in_bytes", func(f *flow) float64 { return float64(f.BytesIn) }},
	{"out_bytes", func(f *flow) float64 { return float64(f.BytesOut) }},
	{"conn", func(f *flow) float64 { return float64(f.Connections) }},
}

// balanced are gen2brain's counters of IPVS. A server of several services has one
// sample: two of the same labels would spoil the whole page.
func (p *page) balanced(s *status.Status) {
	vips, rs := flows{index: map[string]int{}}, flows{index: map[string]int{}}
	for i := range s.Services {
		sv := &s.Services[i]
		vips.add(sv.Name, sv.Traffic)
		for j := range sv.Servers {
			rs.add(sv.Servers[j].Name, sv.Servers[j].Traffic)
		}
	}
	for _, f := range flowFamilies {
		families[flow]{{"keepalived_lvs_vip_" + f.name, counter, "VIP " + f.name, f.value}}.write(p, vips.list, flowLabels)
	}
	for _, f := range flowFamilies {
		families[flow]{{"keepalived_lvs_rs_" + f.name, counter, "RS " + f.name, f.value}}.write(p, rs.list, flowLabels)
	}
}

// flows are sums by name.
type flows struct {
	list  []*flow
	index map[string]int
}

// add counts what IPVS told, if it told anything.
func (fs *flows) add(name string, t *status.Traffic) {
	if t == nil {
		return
	}
	i, known := fs.index[name]
	if !known {
		i = len(fs.list)
		fs.index[name], fs.list = i, append(fs.list, &flow{name: name})
	}
	f := fs.list[i]
	f.Connections += t.Connections
	f.PacketsIn += t.PacketsIn
	f.PacketsOut += t.PacketsOut
	f.BytesIn += t.BytesIn
	f.BytesOut += t.BytesOut
}

// protocols are the numbers of those that IPVS balances (RFC 5237).
var protocols = map[string]string{"tcp": "6", "udp": "17", "sctp": "132"}

// flowLabels makes addr and proto of [10.0.0.1]:tcp:80; an IPv6 address stands
// without brackets there, as the exporter writes it.
func flowLabels(f *flow) labels {
	addr, rest, found := strings.Cut(strings.TrimPrefix(f.name, "["), "]:")
	proto, port, two := strings.Cut(rest, ":")
	if !found || !two {
		return labels{"addr", f.name, "proto", "0"}
	}
	return labels{"addr", addr + ":" + port, "proto", protocols[proto]}
}

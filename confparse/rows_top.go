package confparse

import "sync"

// root is the table: the top level with everything below it. It is made when it
// is asked for first, because most processes of the daemon never read a
// configuration.
var root func() *block[document]

func init() { root = sync.OnceValue(topLevel) }

// Top is the table of the top level of a configuration.
func Top() Block { return root() }

func topLevel() *block[document] {
	type D = document
	file := func(name string, rows []row[TrackFile]) row[D] {
		return nested(name, "<NAME> { ... }", keywords(rows), trackFile, "A file whose number changes priorities and weights.").in("defined anywhere in the file")
	}
	return keywords([]row[D]{
		nested("global_defs", "{ ... }", keywords(globalRows()), func(_ *stmt, d *D) *globals { return d.globals }, "What holds for everything.").since("1.1.0"),
		nested("vrrp_instance", "<NAME> { ... }", keywords(instanceRows()), vrrpInstance, "A virtual router.").in("a name of its own").since("1.1.0"),
		nested("vrrp_script", "<NAME> { ... }", keywords(scriptRows()), vrrpScript, "A command that decides about instances.").in("defined anywhere in the file").since("1.1.13"),
		nested("vrrp_sync_group", "<NAME> { ... }", keywords(groupRows()), syncGroup, "Instances that change together.").since("1.1.0"),
		nested("virtual_server", "<IP> [<PORT>] | fwmark <N> | group <NAME> { ... }", keywords(serviceRows()).ending(serviceEnd), virtualServer, "A balanced service.").in("port 1-65535, fwmark 1-4294967295").or("every port").since("1.1.0"),
		nested("virtual_server_group", "<NAME> { ... }", lines(groupEntry,
			word[ServerGroup]("fwmark", "<N> [inet|inet6]", "A firewall mark.").in("1-4294967295").or("the family of the real servers")), serverGroup, "Addresses that make one service.").
			item("<IP>[-<END>]", "[<PORT>]", "IPv4: the last octet or an address; IPv6: 16 bits in hex or an address; of a network no host bits", "every port", "An address, or a range up to the last octet (IPv6: the last 16 bits) or to a full address, or a network.").since("1.1.0"),
		list("static_ipaddress", "{ <IP>[/<LEN>] [dev <IF>] ... }", staticAddress, "Addresses that always stand.", addressOptions[D]()...).item("<IP>[/<LEN>]", "first word of the line", "IPv4 or IPv6", "/32 or /128", "The address.").since("1.1.0"),
		list("static_routes", "{ <ROUTE> ... }", func(s *stmt, d *D) { routeLine(s, &d.cfg.StaticRoutes) }, "Routes that always stand.", routeWords[D]()...).item("<DEST>", destArgs, destRange, "unicast", destDoc).since("1.1.0"),
		list("static_rules", "{ <RULE> ... }", func(s *stmt, d *D) { ruleLine(s, &d.cfg.StaticRules) }, "Routing rules that always stand.", ruleWords[D]()...).since("1.2.20"),
		nested("track_group", "<NAME> { group { ... } }", keywords([]row[TrackGroup]{
			list("group", "{ <INSTANCE> ... }", func(s *stmt, g *TrackGroup) {
				for _, w := range s.rest() {
					g.Members = append(g.Members, w.Text)
					s.refers("vrrp_instance", w)
				}
			}, "The instances.").in("instances that exist").item("<INSTANCE>", "one or more per line", "", "", "The name of an instance.").since("2.0.3"),
		}), trackGroup, "Instances that depend on static addresses.").since("2.0.3"),
		nested("garp_group", "<NAME> { ... }", keywords(garpGroupRows()), garpGroup, "Interfaces that share a limit of gratuitous ARP.").since("1.2.21"),
		list("linkbeat_interfaces", "{ <IF> [MII|ETHTOOL|IOCTL] ... }", linkbeat, "Interfaces whose link state is polled.").
			item("<IF>", "[MII|ETHTOOL|IOCTL]", "", "the first way that works", "An interface and how it is asked; without a word the first way that works.").since("2.0.13"),
		list("interface_up_down_delays", "{ <IF> <DOWN> [<UP>] ... }", interfaceDelay, "How long a change of an interface must last.").in("0-255 s").or("0").
			item("<IF>", "<DOWN> [<UP>]", "0-255 s", "0", "An interface and its delays.").since("2.2.3"),
		nested("vrrp_track_process", "<NAME> { ... }", keywords(trackProcessRows()), trackProcess, "Processes that decide about instances.").in("defined anywhere in the file").since("2.0.11"),
		file("track_file", trackFileRows()).since("2.1.0"),
		file("track_file", released(trackFileRows(), "2.0.0", releases{"file": "2.0.0", "weight": "2.0.0", "init_file": "2.0.0"})).old("vrrp_track_file").since("2.0.0"),
		nested("bfd_instance", "<NAME> { ... }", keywords(bfdRows()), bfdInstance, "A BFD session.").in("up to 31 characters").since("2.0.0"),
		nested("SSL", "{ ... }", keywords(tlsRows()), func(_ *stmt, d *D) *TLS { return &d.cfg.TLS }, "The TLS identity of the checks.").since("1.1.0"),
	}, topRows(func(d *D) *globals { return d.globals }))
}

func vrrpInstance(s *stmt, d *document) *Instance {
	name, ok := s.named()
	if !ok {
		return nil
	}
	i := &Instance{Pos: s.n.Words[0].Pos, Name: name, Accept: true, UnicastTTL: 255}
	d.cfg.Instances = append(d.cfg.Instances, i)
	return i
}

func vrrpScript(s *stmt, d *document) *Script {
	name, ok := s.named()
	if !ok {
		return nil
	}
	o := &Script{Pos: s.n.Words[0].Pos, Name: name}
	d.cfg.Scripts = append(d.cfg.Scripts, o)
	return o
}

func syncGroup(s *stmt, d *document) *SyncGroup {
	name, ok := s.named()
	if !ok {
		return nil
	}
	g := &SyncGroup{Pos: s.n.Words[0].Pos, Name: name}
	d.cfg.SyncGroups = append(d.cfg.SyncGroups, g)
	return g
}

func serverGroup(s *stmt, d *document) *ServerGroup {
	name, ok := s.named()
	if !ok {
		return nil
	}
	g := &ServerGroup{Pos: s.n.Words[0].Pos, Name: name}
	d.cfg.ServerGroups = append(d.cfg.ServerGroups, g)
	s.r.groups[name] = g
	return g
}

func staticAddress(s *stmt, d *document) {
	if a, ok := addressLine(s); ok {
		d.cfg.StaticAddresses = append(d.cfg.StaticAddresses, a)
	}
}

package confparse

import "keepgo/confparse/syntax"

// root is the table: the top level with everything below it.
var root *block[document]

func init() { root = topLevel() }

// Top is the table of the top level of a configuration.
func Top() Block { return root }

// unread is the object of blocks whose effect is still to come: their keywords
// are known.
type unread struct{ name syntax.Word }

func topLevel() *block[document] {
	type D = document
	file := named0("track_file", trackFileRows(), "A file whose number changes priorities and weights.")
	return keywords([]row[D]{
		nested("global_defs", "{ ... }", keywords(globalRows()), func(_ *stmt, d *D) *globals { return d.globals }, "What holds for everything."),
		nested("vrrp_instance", "<NAME> { ... }", keywords(instanceRows()), vrrpInstance, "A virtual router."),
		nested("vrrp_script", "<NAME> { ... }", keywords(scriptRows()), vrrpScript, "A command that decides about instances."),
		nested("vrrp_sync_group", "<NAME> { ... }", keywords(groupRows()), syncGroup, "Instances that change together."),
		nested("virtual_server", "<IP> [<PORT>] | fwmark <N> | group <NAME> { ... }", keywords(serviceRows()), virtualServer, "A balanced service."),
		nested("virtual_server_group", "<NAME> { ... }", lines(groupEntry,
			word[ServerGroup]("fwmark", "<N> [inet|inet6]", "A firewall mark.")), serverGroup, "Addresses that make one service."),
		list("static_ipaddress", "{ <IP>[/<LEN>] [dev <IF>] ... }", staticAddress, "Addresses that always stand.", addressOptions[D]()...),
		list("static_routes", "{ <ROUTE> ... }", func(s *stmt, d *D) { routeLine(s, &d.cfg.StaticRoutes) }, "Routes that always stand.", routeWords[D]()...).notYet(),
		list("static_rules", "{ <RULE> ... }", func(s *stmt, d *D) { ruleLine(s, &d.cfg.StaticRules) }, "Routing rules that always stand.", ruleWords[D]()...).notYet(),
		named0("track_group", []row[unread]{laterLines[unread]("group", "{ <INSTANCE> ... }", "The instances.")}, "Instances that depend on static addresses."),
		named0("garp_group", []row[unread]{
			later[unread]("garp_interval", "<SECS>", "The least time between two gratuitous ARP."),
			later[unread]("gna_interval", "<SECS>", "The least time between two neighbour advertisements."),
			later[unread]("interface", "<IF>", "An interface of the group.").many(),
			laterLines[unread]("interfaces", "{ <IF> ... }", "The interfaces of the group."),
		}, "Interfaces that share a limit of gratuitous ARP."),
		laterLines[D]("linkbeat_interfaces", "{ <IF> [MII|ETHTOOL|IOCTL] ... }", "Interfaces whose link state is polled."),
		laterLines[D]("interface_up_down_delays", "{ <IF> <DOWN> [<UP>] ... }", "How long a change of an interface must last."),
		named0("vrrp_track_process", processRows(), "Processes that decide about instances."),
		file, file.old("vrrp_track_file"),
		named0("bfd_instance", bfdRows(), "A BFD session."),
		laterBlock("SSL", "{ ... }", "The TLS identity of the checks.",
			later[D]("password", "<PASSWORD>", "Opens the private key."),
			later[D]("ca", "<FILE>", "The CA certificates."),
			later[D]("certificate", "<FILE>", "The certificate."),
			later[D]("key", "<FILE>", "The private key.")),
	}, topRows(func(d *D) *globals { return d.globals }))
}

// named0 is a named block whose effect is still to come.
func named0(name string, rows []row[unread], doc string) row[document] {
	b := keywords(rows)
	if name == "bfd_instance" {
		b.ending(bfdEnd)
	}
	rw := nested(name, "<NAME> { ... }", b, func(s *stmt, _ *document) *unread {
		if _, ok := s.named(); !ok {
			return nil
		}
		return &unread{name: s.n.Words[1]}
	}, doc)
	return rw.notYet()
}

func bfdEnd(r *reader, u *unread, n *syntax.Node) {
	if !r.has(u, "neighbor_ip", "neighbour_ip") {
		r.about(syntax.Failure, u, "", "", "bfd_instance %s has no neighbor_ip", clip(u.name.Text))
	}
}

func trackFileRows() []row[unread] {
	return []row[unread]{
		later[unread]("file", "<PATH>", "The file."),
		later[unread]("weight", "<N> [reverse]", "What its number is multiplied with.").in("-254 to 254").or("1"),
		later[unread]("init_file", "[<VALUE>] [overwrite]", "Creates the file."),
	}
}

func processRows() []row[unread] {
	return []row[unread]{
		later[unread]("process", "<COMMAND> [<PARAM> ...]", "The process."),
		later[unread]("param_match", "[initial|partial]", "How its parameters are compared."),
		later[unread]("weight", "<N> [reverse]", "What is added to the priority.").in("-254 to 254").or("0"),
		later[unread]("quorum", "<N>", "How many must run.").in("1-65535").or("1"),
		later[unread]("quorum_max", "<N>", "How many may run."),
		later[unread]("delay", "<SECS>", "Sets both delays."),
		later[unread]("terminate_delay", "<SECS>", "How long too few count as enough."),
		later[unread]("fork_delay", "<SECS>", "How long enough count as too few."),
		later[unread]("full_command", "", "Compares the whole command line."),
	}
}

func bfdRows() []row[unread] {
	neighbor := later[unread]("neighbor_ip", "<IP>", "The other end.")
	ttl := later[unread]("ttl", "<N>", "The TTL of its packets.").in("1-255")
	return []row[unread]{
		neighbor, neighbor.alias("neighbour_ip"),
		later[unread]("source_ip", "<IP>", "This end."),
		later[unread]("min_rx", "<MS>", "The least time between received packets.").or("10"),
		later[unread]("min_tx", "<MS>", "The least time between sent packets.").or("10"),
		later[unread]("idle_tx", "<MS>", "The time between sent packets while down.").or("1000"),
		later[unread]("multiplier", "<N>", "How many packets may be missed.").in("1-255").or("5"),
		later[unread]("passive", "", "Waits for the other end."),
		ttl, ttl.alias("hoplimit"),
		later[unread]("max_hops", "<N>", "How many hops packets may have come.").in("-1 to 255").or("0"),
		later[unread]("multihop", "[<BOOL>]", "The port for more than one hop."),
		later[unread]("weight", "<N> [reverse]", "What is added to the priority.").in("-253 to 253").or("0"),
		later[unread]("vrrp", "", "Instances hear of it."),
		later[unread]("checker", "", "Checkers hear of it."),
	}
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

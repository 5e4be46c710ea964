package confparse

import (
	"net/netip"
	"time"
)

func trackGroup(s *stmt, d *document) *TrackGroup {
	name, ok := s.named()
	if !ok {
		return nil
	}
	g := &TrackGroup{Pos: s.n.Words[0].Pos, Name: name}
	d.cfg.TrackGroups = append(d.cfg.TrackGroups, g)
	return g
}

func garpGroup(s *stmt, d *document) *GARPGroup {
	name, ok := s.named()
	if !ok {
		return nil
	}
	g := &GARPGroup{Pos: s.n.Words[0].Pos, Name: name}
	d.cfg.GARPGroups = append(d.cfg.GARPGroups, g)
	return g
}

func garpGroupRows() []row[GARPGroup] {
	type G = GARPGroup
	return []row[G]{
		field("garp_interval", seconds(0.000001, 4294).or("vrrp_garp_interval"), func(g *G) *time.Duration { return &g.Interval }, "The least time between two gratuitous ARP.").since("1.2.21"),
		field("gna_interval", seconds(0.000001, 4294).or("vrrp_gna_interval"), func(g *G) *time.Duration { return &g.GNAInterval }, "The least time between two neighbour advertisements.").since("1.2.21"),
		action("interface", "<IF>", func(s *stmt, g *G) {
			if name, ok := link().read(s); ok {
				g.Interfaces = append(g.Interfaces, name)
			}
		}, "An interface of the group.").in("an interface").many().since("1.2.21"),
		list("interfaces", "{ <IF> ... }", func(s *stmt, g *G) {
			for _, w := range s.rest() {
				if s.link(w) {
					g.Interfaces = append(g.Interfaces, w.Text)
				}
			}
		}, "The interfaces of the group.").in("interfaces").item("<IF>", "one or more per line", "", "", "An interface.").since("1.2.21"),
	}
}

func linkbeat(s *stmt, d *document) {
	w, _ := s.next()
	if !s.link(w) {
		s.rest()
		return
	}
	l := Linkbeat{Pos: w.Pos, Interface: w.Text}
	if m, ok := s.next(); ok {
		switch m.Text {
		case "MII", "ETHTOOL", "IOCTL":
			l.Method = m.Text
		default:
			s.fail(m, "MII, ETHTOOL, IOCTL, or nothing", "unknown way to poll '%s'", clip(m.Text))
		}
	}
	s.leftover()
	d.cfg.Linkbeats = append(d.cfg.Linkbeats, l)
}

func interfaceDelay(s *stmt, d *document) {
	w, _ := s.next()
	l := InterfaceDelay{Pos: w.Pos, Interface: w.Text}
	ok := s.link(w)
	for _, at := range []*time.Duration{&l.Down, &l.Up} {
		v, given := s.next()
		if !given {
			break
		}
		t, good := s.seconds(v, 0, 255, "0-255 s")
		*at, ok = t, ok && good
	}
	if len(s.n.Words) < 2 {
		s.fail(w, "give seconds", "interface %s has no delay", clip(w.Text))
		return
	}
	s.leftover()
	if ok {
		d.cfg.InterfaceDelays = append(d.cfg.InterfaceDelays, l)
	}
}

func trackFile(s *stmt, d *document) *TrackFile {
	name, ok := s.named()
	if !ok {
		return nil
	}
	f := &TrackFile{Pos: s.n.Words[0].Pos, Name: name, Weight: 1}
	d.cfg.TrackFiles = append(d.cfg.TrackFiles, f)
	return f
}

func trackFileRows() []row[TrackFile] {
	type F = TrackFile
	return []row[F]{
		field("file", absolute().in("an absolute path"), func(f *F) *string { return &f.Path }, "The file.").since("2.1.0"),
		action("weight", "<N> [reverse]", weigh(254, func(f *F) (*int, *bool) { return &f.Weight, &f.Reverse }), "What its number is multiplied with; 0 is a fault unless the number is 0.").in("-254 to 254").or("1").since("2.1.0"),
		action("init_file", "[<VALUE>] [overwrite]", initFile, "Creates the file at start; overwrite also where it is.").in("-2147483648 to 2147483647").or("0").since("2.1.0"),
	}
}

func initFile(s *stmt, f *TrackFile) {
	f.Init = true
	for _, w := range s.rest() {
		if w.Text == "overwrite" {
			f.Overwrite = true
		} else if n, ok := s.whole(w, -1<<31, 1<<31-1, "-2147483648 to 2147483647"); ok {
			f.Value = int32(n)
		}
	}
}

func trackProcess(s *stmt, d *document) *TrackProcess {
	name, ok := s.named()
	if !ok {
		return nil
	}
	p := &TrackProcess{Pos: s.n.Words[0].Pos, Name: name, Quorum: 1, QuorumMax: -1}
	d.cfg.TrackProcesses = append(d.cfg.TrackProcesses, p)
	return p
}

func trackProcessRows() []row[TrackProcess] {
	type P = TrackProcess
	delay := seconds(0.000001, 3600).or(0)
	return []row[P]{
		action("process", "<COMMAND> [<PARAM> ...]", func(s *stmt, p *P) {
			if w, ok := s.value("the name of a process"); ok {
				p.Process, p.Params = w.Text, nil
			}
			for _, w := range s.rest() {
				p.Params = append(p.Params, w.Text)
			}
		}, "The process; of its name 15 characters count.").in("a name, or with full_command a path").since("2.0.11"),
		action("param_match", "[initial|partial]", func(s *stmt, p *P) {
			p.Match = ParamsExact
			if s.i < len(s.n.Words) {
				k := choice("param_match", []string{"initial", "partial"}, []ParamMatch{ParamsInitial, ParamsPartial})
				if m, ok := k.read(s); ok {
					p.Match = m
				}
			}
		}, "How its parameters are compared.").or("they are not; exactly when no argument").since("2.0.16"),
		action("weight", "<N> [reverse]", weigh(254, func(p *P) (*int, *bool) { return &p.Weight, &p.Reverse }), "What is added to the priority; 0 is a fault without the processes.").in("-254 to 254").or("0").since("2.0.11"),
		field("quorum", number[int](1, 65535).or(1), func(p *P) *int { return &p.Quorum }, "How many must run.").since("2.0.11"),
		field("quorum_max", number[int](0, 65535).or("any number"), func(p *P) *int { return &p.QuorumMax }, "How many may run; 0 forbids the process.").since("2.0.16"),
		action("delay", "<SECS>", func(s *stmt, p *P) {
			if d, ok := delay.read(s); ok {
				p.TerminateDelay, p.ForkDelay = d, d
			}
		}, "Sets both delays.").in(delay.rng).or("0").since("2.0.11"),
		field("terminate_delay", delay, func(p *P) *time.Duration { return &p.TerminateDelay }, "How long too few count as enough.").since("2.0.16"),
		field("fork_delay", delay, func(p *P) *time.Duration { return &p.ForkDelay }, "How long enough count as too few.").since("2.0.16"),
		field("full_command", flag(), func(p *P) *bool { return &p.FullCommand }, "Compares the whole command line.").since("2.0.11"),
	}
}

// Bounds of bfd_instance: RFC 5880 section 4.1 counts intervals in
// microseconds of 32 bits.
const (
	maxBFDInterval = 4294967 // ms
	longInterval   = 10 * time.Second
	manyMissed     = 10
)

func bfdInstance(s *stmt, d *document) *BFD {
	name, ok := s.named()
	if !ok {
		return nil
	}
	if len(name) > 31 {
		s.fail(s.n.Words[1], "", "bfd_instance: the name has %d characters; 31 are allowed", len(name))
		return nil
	}
	b := &BFD{Pos: s.n.Words[0].Pos, Name: name, MinRx: 10 * time.Millisecond, MinTx: 10 * time.Millisecond, IdleTx: time.Second, Multiplier: 5}
	d.cfg.BFDs = append(d.cfg.BFDs, b)
	return b
}

func bfdRows() []row[BFD] {
	type B = BFD
	interval := func(lo int64) kind[time.Duration] { return ticks("<MS>", time.Millisecond, lo, maxBFDInterval) }
	neighbor := field("neighbor_ip", ip(0), func(b *B) *netip.Addr { return &b.Neighbor }, "The other end.").in("an address of one session only").since("2.0.0")
	ttl := field("ttl", number[uint8](1, 255).or("255; IPv6 64"), func(b *B) *uint8 { return &b.TTL }, "The TTL or hop limit of its packets.").since("2.0.0")
	return []row[B]{
		neighbor, neighbor.alias("neighbour_ip").since("2.0.0"),
		field("source_ip", ip(0).in("of the neighbor's family").or("chosen by the kernel"), func(b *B) *netip.Addr { return &b.Source }, "This end.").since("2.0.0"),
		field("min_rx", interval(1).or(10), func(b *B) *time.Duration { return &b.MinRx }, "The least time between received packets.").since("2.0.0"),
		field("min_tx", interval(1).or(10), func(b *B) *time.Duration { return &b.MinTx }, "The least time between sent packets.").since("2.0.0"),
		field("idle_tx", interval(1000).or(1000), func(b *B) *time.Duration { return &b.IdleTx }, "The time between sent packets while down.").since("2.0.0"),
		field("multiplier", number[uint8](1, 255).or(5), func(b *B) *uint8 { return &b.Multiplier }, "How many packets may be missed.").since("2.0.0"),
		field("passive", flag(), func(b *B) *bool { return &b.Passive }, "Waits for the other end.").since("2.0.0"),
		ttl, ttl.alias("hoplimit").since("2.0.0"),
		field("max_hops", number[int](-1, 255).or(0), func(b *B) *int { return &b.MaxHops }, "How many hops packets may have come; -1 for any number.").since("2.0.0"),
		field("multihop", boolean(), func(b *B) *bool { return &b.Multihop }, "Uses the port for more than one hop: RFC 5883 section 5.").since("2.2.8"),
		action("weight", "<N> [reverse]", weigh(253, func(b *B) (*int, *bool) { return &b.Weight, &b.Reverse }), "What is added to the priority; 0 is a fault while it is down.").in("-253 to 253").or("0").since("2.0.0"),
		field("vrrp", flag().or("on unless checker stands alone"), func(b *B) *bool { return &b.VRRP }, "Instances hear of it.").since("2.0.0"),
		field("checker", flag().or("on unless vrrp stands alone"), func(b *B) *bool { return &b.Checker }, "Checkers hear of it.").since("2.0.0"),
	}
}

func tlsRows() []row[TLS] {
	type S = TLS
	return []row[S]{
		field("password", text("password"), func(t *S) *string { return &t.Password }, "Opens the private key.").since("1.1.0"),
		field("ca", text("file").in("a file that can be read"), func(t *S) *string { return &t.CA }, "The CA certificates.").since("1.1.0"),
		field("certificate", text("file").in("a file that can be read"), func(t *S) *string { return &t.Certificate }, "The certificate.").since("1.1.0"),
		field("key", text("file").in("a file that can be read"), func(t *S) *string { return &t.Key }, "The private key.").since("1.1.0"),
	}
}

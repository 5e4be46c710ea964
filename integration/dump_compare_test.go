package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"keepgo/confparse"
)

// accepted are values that differ on purpose, and why, by the file and the
// label.
var accepted = map[string]string{
	"011-upstream-vrrp.conf Virtual IP":               sameTwice,
	"328-kdt-vrrp-vmac-ipv6.conf Virtual IP":          hashInDefinition,
	"328-kdt-vrrp-vmac-ipv6.conf Virtual IP Excluded": hashInDefinition,
	"077-lvs-x-zh-keepalive.conf Virtual Router ID":   braceInComment,
	"077-lvs-x-zh-keepalive.conf Priority":            braceInComment,
	"077-lvs-x-zh-keepalive.conf Authentication type": braceInComment,
	"077-lvs-x-zh-keepalive.conf Virtual IP":          braceInComment,
}

const (
	sameTwice        = "an address that stands twice on one interface is taken once"
	hashInDefinition = "a definition of \\# makes a comment, as keepalived 2.4 has it; 2.2.7 drops the sign"
	braceInComment   = "behind // stands a word in braces: 2.2.7 takes the rest of the file for its block"
)

// comparison collects what differs in one file.
type comparison struct {
	file   string
	check  bool // vrrp_check_unicast_src, which is not in the dump of an instance
	wrong  []string
	values int
}

func (c *comparison) equal(of, label, want, got string) {
	c.values++
	if want == got {
		return
	}
	if accepted[c.file+" "+label] != "" {
		return
	}
	c.wrong = append(c.wrong, fmt.Sprintf("%s: %s: keepalived has %q, confparse %q", of, label, want, got))
}

// compare holds a configuration against a dump.
func compare(cfg *confparse.Config, dump []*section, file string) (wrong []string, values int) {
	c := &comparison{file: file}
	theirs, scripts := map[string]*section{}, map[string]bool{}
	for _, s := range dump {
		switch s.kind {
		case "Global definitions":
			c.global(&cfg.Global, s)
		case "VRRP Instance":
			theirs[s.name] = s
		case "VRRP Script":
			scripts[s.name] = true
			c.script(cfg, s)
		}
	}
	for _, i := range cfg.Instances {
		if s := theirs[i.Name]; s != nil {
			c.instance(cfg, i, s, scripts)
		} else if i.Unusable == "" {
			c.equal(i.Name, "exists", "no", "yes")
		}
	}
	for name := range theirs { // nothing is left out that it has
		if !slices.ContainsFunc(cfg.Instances, func(i *confparse.Instance) bool { return i.Name == name }) {
			c.equal(name, "exists", "yes", "no")
		}
	}
	sort.Strings(c.wrong)
	return c.wrong, c.values
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func truth(b bool) string { return strconv.FormatBool(b) }

func able(b bool) string {
	if b {
		return "enabled"
	}
	return "disabled"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// each compares the values of a section that are there.
func (c *comparison) each(of string, s *section, ours map[string]string) {
	for label, got := range ours {
		if want, there := s.values[label]; there {
			c.equal(of, label, want, got)
		}
	}
}

func (c *comparison) list(of string, s *section, label string, ours []string) {
	theirs := slices.Clone(s.lists[label])
	slices.Sort(theirs)
	slices.Sort(ours)
	c.equal(of, label, strings.Join(theirs, "; "), strings.Join(ours, "; "))
}

func (c *comparison) global(g *confparse.Global, s *section) {
	c.check = s.values["VRRP check unicast_src"] == "true"
	ours := map[string]string{
		"VRRP IPv4 mcast group": g.Group4.String(), "VRRP IPv6 mcast group": g.Group6.String(),
		"VRRP default protocol version": strconv.Itoa(int(g.VRRPVersion)), "LVS flush": truth(g.LVSFlush),
		"Smtp server connection timeout": seconds(g.SMTPTimeout), "Dynamic interfaces": truth(g.DynamicInterfaces),
		"Max auto priority": strconv.Itoa(g.MaxAutoPriority), "rx_bufs_multiples": strconv.Itoa(g.ReceiveBuffer.Multiplier),
		"rs_init_notifies": bit(g.RSInitNotifies), "no_checker_emails": bit(g.NoCheckerEmails),
		"VRRP don't swap": truth(g.VRRP.NoSwap), "VRRP realtime priority": strconv.Itoa(g.VRRP.RTPriority),
		"FIFO write vrrp states on reload": truth(g.FIFOOnReload),
	}
	if g.RouterID != "" {
		ours["Router ID"] = g.RouterID
	}
	if _, err := netip.ParseAddr(g.SMTPServer); err == nil { // names are not looked up
		ours["Smtp server"], ours["Smtp server port"] = g.SMTPServer, strconv.Itoa(int(g.SMTPPort))
	}
	if g.SMTPHelo != "" {
		ours["Smtp HELO name"] = g.SMTPHelo
	}
	if g.EmailFrom != "" {
		ours["Email notification from"] = g.EmailFrom
	}
	if g.MaxAutoPriority < 0 {
		ours["Max auto priority"] = "Disabled"
	}
	if g.VRRP.Nice != nil {
		ours["VRRP process priority"] = strconv.Itoa(*g.VRRP.Nice)
	}
	c.each("global_defs", s, ours)
	if g.SMTPServer != "" { // else it has no use for them
		c.list("global_defs", s, "Email notification to", slices.Clone(g.NotificationEmail))
	}
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func (c *comparison) script(cfg *confparse.Config, s *section) {
	i := slices.IndexFunc(cfg.Scripts, func(o *confparse.Script) bool { return o.Name == s.name })
	if i < 0 {
		c.equal(s.name, "vrrp_script", "yes", "no")
		return
	}
	o := cfg.Scripts[i]
	timeout := o.Timeout
	if s.values["Timeout"] == "0 sec" { // none of its own
		timeout = 0
	}
	c.each("vrrp_script "+o.Name, s, map[string]string{
		"Interval": seconds(o.Interval) + " sec", "Timeout": seconds(timeout) + " sec", "Weight": weight(o.Weight, o.Reverse),
		"Rise": strconv.Itoa(o.Rise), "Fall": strconv.Itoa(o.Fall),
	})
}

func weight(n int, reverse bool) string {
	s := strconv.Itoa(n)
	if reverse {
		s += " reverse"
	}
	return s
}

func (c *comparison) instance(cfg *confparse.Config, i *confparse.Instance, s *section, scripts map[string]bool) {
	g := i.GARP
	ours := map[string]string{
		"VRRP Version": strconv.Itoa(int(i.Version)), "Virtual Router ID": strconv.Itoa(int(i.VRID)), "Priority": strconv.Itoa(int(i.Priority)),
		"Gratuitous ARP delay": seconds(g.Delay), "Gratuitous ARP repeat": strconv.Itoa(g.Repeat), "Gratuitous ARP refresh": seconds(g.Refresh),
		"Gratuitous ARP refresh repeat": strconv.Itoa(g.RefreshRepeat), "Gratuitous ARP lower priority delay": seconds(g.LowerDelay),
		"Gratuitous ARP lower priority repeat": strconv.Itoa(g.LowerRepeat), "Down timer adverts": strconv.Itoa(i.DownTimerAdverts),
		"Send advert after receive lower priority advert":  truth(!i.LowerPriorityNoAdvert),
		"Send advert after receive higher priority advert": truth(i.HigherPrioritySend),
		"Advert interval": interval(i), "Accept": able(i.Accept), "Preempt": able(!i.NoPreempt), "Authentication type": authentication(i),
		"Using smtp notification": yes(i.SMTPAlert),
		"Notify priority changes": truth(i.NotifyPriorityChanges), "Unicast TTL": strconv.Itoa(int(i.UnicastTTL)),
	}
	if !c.check {
		ours["Check unicast src"] = yes(i.CheckPeer)
	}
	if !i.UseVMAC && i.IPVLAN == nil { // those promote by themselves
		ours["Promote_secondaries"] = able(i.PromoteSecondaries)
	}
	if i.AuthType == confparse.AuthPass {
		ours["Password"] = i.AuthPass
	}
	if i.PreemptDelay > 0 || s.values["Preempt delay"] != "" {
		ours["Preempt delay"] = seconds(i.PreemptDelay) + " secs"
	}
	if len(i.Peers) == 0 {
		ours["Multicast address"] = i.Group.String()
	}
	if want, ok := strings.CutSuffix(s.values["Using src_ip"], " (from configuration)"); ok {
		s.values["Using src_ip"], ours["Using src_ip"] = want, i.Source.String()
	}
	of := "vrrp_instance " + i.Name
	c.each(of, s, ours)
	link := s.values["Interface"]
	if _, below, own := strings.Cut(link, "lan on "); own {
		link = below
	} else if _, below, own := strings.Cut(link, "mac on "); own {
		link = below
	}
	c.equal(of, "Interface", strings.TrimSuffix(link, ", xmit base i/f"), i.Interface)
	c.lists(of, i, s, scripts)
}

func interval(i *confparse.Instance) string {
	if i.Version == 3 {
		return strconv.FormatInt(i.AdvertInt.Milliseconds(), 10) + " milli-sec"
	}
	return seconds(i.AdvertInt) + " sec"
}

func authentication(i *confparse.Instance) string {
	return [...]string{"none", "SIMPLE_PASSWORD", "IPSEC_AH"}[i.AuthType]
}

// lists compares the addresses, the peers and the trackers of an instance.
func (c *comparison) lists(of string, i *confparse.Instance, s *section, scripts map[string]bool) {
	for label, list := range map[string][]confparse.Address{"Virtual IP": i.Addresses, "Virtual IP Excluded": i.Excluded} {
		var ours []string
		for k := range list {
			ours = append(ours, address(&list[k]))
		}
		for k, line := range s.lists[label] {
			s.lists[label][k] = plainAddress(line)
		}
		c.list(of, s, label, ours)
	}
	var peers []string
	for _, p := range i.Peers {
		peers = append(peers, fmt.Sprintf("%s min_ttl %d max_ttl %d", p.Addr, p.MinTTL, p.MaxTTL))
	}
	c.list(of, s, "Unicast Peer", peers)
	track := func(label string, list []confparse.Track, known map[string]bool) {
		var ours []string
		for _, t := range list {
			if known == nil || known[t.Name] { // one that is missing here is dropped with its trackers
				ours = append(ours, t.Name+" weight "+weight(t.Weight, t.Reverse))
			}
		}
		for k, line := range s.lists[label] {
			s.lists[label][k] = strings.NewReplacer(", weight", " weight", ": weight", " weight").Replace(line)
		}
		c.list(of, s, label, ours)
	}
	if s.values["Sync group"] == "" { // a group changes the weights of its members
		track("Tracked interfaces", i.TrackInterfaces, nil)
		track("Tracked scripts", i.TrackScripts, scripts)
		track("Tracked files", i.TrackFiles, nil)
		track("Tracked processes", i.TrackProcesses, nil)
		track("Tracked BFDs", i.TrackBFDs, nil)
	}
}

// address is a line of the dump for an address of ours.
func address(a *confparse.Address) string {
	p := a.Prefix
	if a.Peer.IsValid() {
		p = netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
	}
	out := p.String()
	if p.Bits() == p.Addr().BitLen() {
		out = p.Addr().String()
	}
	if a.Broadcast.IsValid() {
		out += " brd " + a.Broadcast.String()
	}
	out += " dev " + a.Interface
	if a.Label != "" {
		out += " label " + a.Label
	}
	return out
}

// plainAddress leaves of a line of the dump what the file decides: the rest is
// what the kernel was told.
func plainAddress(line string) string {
	words := strings.Fields(line)
	out := words[0]
	for k := 1; k+1 < len(words); k++ {
		switch words[k] {
		case "brd", "label":
			out += " " + words[k] + " " + words[k+1]
		case "dev":
			link := words[k+1]
			if _, below, vmac := strings.Cut(link, "@"); vmac {
				link = below
			}
			out += " dev " + link
		}
	}
	return out
}

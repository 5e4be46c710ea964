package confparse_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

const corpusDir = "../../shared/corpus"

// load reads a configuration given as text.
func load(t testing.TB, text string) (*confparse.Config, syntax.ErrorList) {
	t.Helper()
	fsys := fstest.MapFS{"k.conf": {Data: []byte(text)}}
	return confparse.Load(fsys, "k.conf", syntax.Env{ConfigID: "lb1"})
}

// clean reads a configuration in which nothing is wrong.
func clean(t testing.TB, text string) *confparse.Config {
	t.Helper()
	cfg, errs := load(t, text)
	for _, e := range errs {
		if e.Severity == syntax.Failure {
			t.Errorf("%v", e)
		}
	}
	return cfg
}

// instance wraps lines into an instance that is right apart from them.
func instance(lines ...string) string {
	return "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\n" + strings.Join(lines, "\n") +
		"\nvirtual_ipaddress {\n10.0.0.1/24\n}\n}\n"
}

// TestInheritInstance: the defaults of global_defs reach instances, wherever
// the block stands, and the instance's own words win.
func TestInheritInstance(t *testing.T) {
	global := "global_defs {\nvrrp_version 3\nvrrp_garp_master_repeat 2\nvrrp_garp_master_delay 7\n" +
		"vrrp_garp_interval 0.001\nvrrp_down_timer_adverts 5\nvrrp_higher_prio_send_advert\nsmtp_alert_vrrp\n}\n"
	for _, text := range []string{global + instance("garp_master_delay 1"), instance("garp_master_delay 1") + global} {
		i := clean(t, text).Instances[0]
		if i.Version != 3 || i.DownTimerAdverts != 5 || !i.HigherPrioritySend || !i.SMTPAlert {
			t.Errorf("version %d, down timer %d, send %v, alert %v", i.Version, i.DownTimerAdverts, i.HigherPrioritySend, i.SMTPAlert)
		}
		want := confparse.GARP{Delay: time.Second, Repeat: 2, RefreshRepeat: 1, LowerDelay: 7 * time.Second, LowerRepeat: 2, Interval: time.Millisecond}
		if i.GARP != want {
			t.Errorf("GARP = %+v, want %+v", i.GARP, want)
		}
	}
}

// TestInstanceDefaults: what an instance is that says little.
func TestInstanceDefaults(t *testing.T) {
	for _, c := range []struct {
		lines    string
		master   bool
		priority uint8
		advert   time.Duration
		version  uint8
	}{
		{"", false, 100, time.Second, 2},
		{"state MASTER", true, 255, time.Second, 2},
		{"state MASTER\npriority 120", true, 120, time.Second, 2},
		{"priority 255", true, 255, time.Second, 2},
		{"advert_int 0.05\nversion 3", false, 100, 50 * time.Millisecond, 3},
		{"advert_int 3", false, 100, 3 * time.Second, 2},
	} {
		i := clean(t, instance(c.lines)).Instances[0]
		if i.Master != c.master || i.Priority != c.priority || i.AdvertInt != c.advert || i.Version != c.version {
			t.Errorf("%q: master %v, priority %d, advert %v, version %d", c.lines, i.Master, i.Priority, i.AdvertInt, i.Version)
		}
		if i.Addresses[0].Interface != "eth0" || !i.Accept || i.Unusable != "" || i.Group != netip.MustParseAddr("224.0.0.18") {
			t.Errorf("%q: address on %q, accept %v, unusable %q, group %v", c.lines, i.Addresses[0].Interface, i.Accept, i.Unusable, i.Group)
		}
	}
}

// TestCorrected: values that cannot be are corrected as keepalived does, and
// said so.
func TestCorrected(t *testing.T) {
	for _, c := range []struct {
		lines, says string
		right       func(i *confparse.Instance) bool
	}{
		{"advert_int 0.5", "whole seconds", func(i *confparse.Instance) bool { return i.AdvertInt == time.Second }},
		{"advert_int 2.5", "whole seconds", func(i *confparse.Instance) bool { return i.AdvertInt == 3*time.Second }},
		{"version 3\nadvert_int 60", "40.95", func(i *confparse.Instance) bool { return i.AdvertInt == 40950*time.Millisecond }},
		{"priority 300", "out of range", func(i *confparse.Instance) bool { return i.Priority == 100 }},
		{"state MASTER\npriority 100\nnopreempt", "nopreempt has no effect", func(i *confparse.Instance) bool { return !i.NoPreempt }},
		{"nopreempt\npreempt_delay 5", "preempt_delay has no effect", func(i *confparse.Instance) bool { return i.PreemptDelay == 0 && i.NoPreempt }},
		{"version 3\nauthentication {\nauth_type PASS\nauth_pass x\n}", "no authentication", func(i *confparse.Instance) bool { return i.AuthType == 0 }},
		{"strict_mode", "drops every packet", func(i *confparse.Instance) bool { return !i.Accept && i.LowerPriorityNoAdvert }},
		{"unicast_peer {\n10.0.0.2\nfe80::1\n}", "fe80::1 is IPv6", func(i *confparse.Instance) bool { return len(i.Peers) == 1 }},
	} {
		cfg, errs := load(t, instance(c.lines))
		if !c.right(cfg.Instances[0]) {
			t.Errorf("%q: %+v", c.lines, cfg.Instances[0])
		}
		if !says(errs, c.says) {
			t.Errorf("%q: nothing says %q in %v", c.lines, c.says, errs)
		}
	}
}

func says(errs syntax.ErrorList, text string) bool {
	for _, e := range errs {
		if strings.Contains(e.Error(), text) {
			return true
		}
	}
	return false
}

// TestUnusable: an instance that cannot run stays in the Config and says why.
func TestUnusable(t *testing.T) {
	for _, text := range []string{
		"vrrp_instance A {\ninterface eth0\n}\n",
		"vrrp_instance A {\nvirtual_router_id 1\n}\n",
		instance() + "vrrp_instance A {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {\n10.0.0.2/24\n}\n}\n",
		"vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nstrict_mode\nunicast_peer {\n10.0.0.9\n}\n}\n",
	} {
		cfg, errs := load(t, text)
		i := cfg.Instances[len(cfg.Instances)-1]
		if i.Unusable == "" || errs.Count(syntax.Failure) == 0 {
			t.Errorf("unusable %q, %d failures, in\n%s", i.Unusable, errs.Count(syntax.Failure), text)
		}
	}
}

// TestCommand: the word of a script is split again, and what follows it is
// the user and the group.
func TestCommand(t *testing.T) {
	cfg := clean(t, instance(`notify_master "/bin/a 'b c' \x41\n" web www`, `notify_backup /bin/b`))
	n := cfg.Instances[0].Notify
	if got := strings.Join(n.Master.Args, "|"); got != "/bin/a|b c|A\n" || n.Master.User != "web" || n.Master.Group != "www" {
		t.Errorf("notify_master = %q, user %q, group %q", got, n.Master.User, n.Master.Group)
	}
	if len(n.Backup.Args) != 1 || n.Fault != nil {
		t.Errorf("notify_backup = %v, notify_fault = %v", n.Backup, n.Fault)
	}
}

// TestTracks: a tracker takes the weight of its script unless it has one.
func TestTracks(t *testing.T) {
	cfg := clean(t, "vrrp_script a {\nscript /bin/a\nweight -20 reverse\n}\nvrrp_script b {\nscript /bin/b\nweight -20\n}\n"+
		instance("track_script {\na\nb weight 0\n}", "track_interface {\neth1 weight 5\neth2\n}"))
	i := cfg.Instances[0]
	if s := i.TrackScripts; s[0].Weight != -20 || !s[0].Reverse || s[1].Weight != 0 || s[1].Reverse {
		t.Errorf("scripts %+v", s)
	}
	if l := i.TrackInterfaces; l[0].Weight != 5 || l[1].Weight != 0 {
		t.Errorf("interfaces %+v", l)
	}
	if s := cfg.Scripts[0]; s.Interval != time.Second || s.Timeout != time.Second || s.Rise != 1 || s.Fall != 1 {
		t.Errorf("script %+v", s)
	}
}

// TestAddressOptions: every option of an address line.
func TestAddressOptions(t *testing.T) {
	cfg := clean(t, "static_ipaddress {\n10.0.0.9/24 brd + dev eth1 scope link label eth1:9 no_track\n"+
		"10.0.0.8 peer 10.0.0.7/30 preferred_lft 60\n2001:db8::1\n2001:db8::2/64 -nodad home\n}\n")
	a := cfg.StaticAddresses
	if a[0].Broadcast != netip.MustParseAddr("10.0.0.255") || a[0].Interface != "eth1" || a[0].Scope != 253 ||
		a[0].Label != "eth1:9" || !a[0].NoTrack || a[0].PreferredLifetime >= 0 {
		t.Errorf("%+v", a[0])
	}
	if a[1].Peer != netip.MustParsePrefix("10.0.0.7/30") || a[1].PreferredLifetime != time.Minute || a[1].Interface != "eth0" {
		t.Errorf("%+v", a[1])
	}
	if a[2].Prefix.Bits() != 128 || a[2].PreferredLifetime != 0 {
		t.Errorf("%+v", a[2])
	}
	flags := clean(t, "static_ipaddress {\n2001:db8::3/64 mngtmpaddr noprefixroute\n239.1.1.1/32 autojoin\n}\n"+instance("virtual_ipaddress_excluded {\n239.1.1.2/32 autojoin\n}"))
	if s, e := flags.StaticAddresses, flags.Instances[0].Excluded; !s[0].ManageTempAddr || !s[0].NoPrefixRoute || !s[1].AutoJoin || len(e) != 1 || !e[0].AutoJoin {
		t.Errorf("%+v %+v", s, e)
	}
	wrong, errs := load(t, "static_ipaddress {\n10.0.0.3/24 autojoin\n2001:db8::4/65 mngtmpaddr\n}\n")
	if s := wrong.StaticAddresses; s[0].AutoJoin || s[1].ManageTempAddr || !says(errs, "10.0.0.3 is none") || !says(errs, "not for 2001:db8::4/65") {
		t.Errorf("%+v: %v", s, errs)
	}
	if !a[3].DAD || !a[3].HomeAddress || a[3].PreferredLifetime >= 0 {
		t.Errorf("%+v", a[3])
	}
}

// TestCheckerInheritance: checker, real_server, virtual_server, built in.
func TestCheckerInheritance(t *testing.T) {
	cfg := clean(t, `virtual_server 10.0.0.1 80 {
		delay_loop 10
		lb_algo wrr
		lb_kind NAT
		protocol TCP
		connect_timeout 4
		virtualhost vs.example
		weight 7
		alpha
		real_server 10.0.1.1 8080 {
			connect_timeout 2
			retry 5
			TCP_CHECK {
				connect_timeout 1
			}
			HTTP_GET {
				url {
					path /
					status_code 200 300-302
				}
			}
			MISC_CHECK {
				misc_path "/bin/true x"
				alpha off
			}
		}
		real_server 10.0.1.2 80 {
			weight 0
			DNS_CHECK {
			}
		}
	}`)
	vs := cfg.VirtualServers[0]
	if vs.Scheduler != "wrr" || vs.Protocol != confparse.TCP || vs.Quorum != 1 || len(vs.Servers) != 2 || !vs.Alpha {
		t.Fatalf("%+v", vs)
	}
	rs := vs.Servers[0]
	if rs.Weight != 7 || vs.Servers[1].Weight != 0 || !rs.SMTPAlert || rs.Forward != confparse.NAT {
		t.Errorf("%+v", rs)
	}
	tcp, http, misc := rs.Checkers[0], rs.Checkers[1], rs.Checkers[2]
	if tcp.Timeout != time.Second || tcp.Retry != 5 || tcp.DelayBeforeRetry != time.Second || tcp.DelayLoop != 10*time.Second ||
		tcp.Warmup != 10*time.Second || !tcp.Alpha || tcp.Port != 8080 || tcp.Addr != rs.Addr {
		t.Errorf("%+v", tcp)
	}
	if http.Timeout != 2*time.Second || http.DelayBeforeRetry != 3*time.Second || http.HTTP.VirtualHost != "vs.example" ||
		http.HTTP.URLs[0].Status[1] != (confparse.StatusRange{First: 300, Last: 302}) {
		t.Errorf("%+v %+v", http, http.HTTP)
	}
	if misc.Timeout != 10*time.Second || misc.Retry != 5 || misc.Alpha || len(misc.Misc.Command.Args) != 2 {
		t.Errorf("%+v %+v", misc, misc.Misc)
	}
	if dns := vs.Servers[1].Checkers[0]; dns.Retry != 3 || dns.DelayBeforeRetry != 10*time.Second || dns.Timeout != 4*time.Second {
		t.Errorf("%+v", dns)
	}
}

// TestServiceDefaults: what a service is that says little.
func TestServiceDefaults(t *testing.T) {
	cfg, errs := load(t, "virtual_server 10.0.0.1 80 {\nreal_server 10.0.1.1 80 {\n}\nquorum 3\nhysteresis 3\n}\n"+
		"virtual_server fwmark 3 {\nprotocol TCP\nlb_kind DR\nlb_algo rr\nreal_server 10.0.1.1 80 {\n}\n}\n"+
		"virtual_server 10.0.0.2 {\nprotocol TCP\nlb_kind DR\nlb_algo rr\nreal_server 10.0.1.1 80 {\n}\n}\n")
	a, b, c := cfg.VirtualServers[0], cfg.VirtualServers[1], cfg.VirtualServers[2]
	if a.Scheduler != "wlc" || a.Protocol != confparse.UDP || a.Quorum != 1 || a.Hysteresis != 0 {
		t.Errorf("%+v", a)
	}
	if b.Protocol != confparse.NoProtocol || b.Servers[0].Port != 0 || b.Servers[0].Forward != confparse.Direct {
		t.Errorf("%+v %+v", b, b.Servers[0])
	}
	if c.Persistence != 360*time.Second || c.Servers[0].Port != 0 {
		t.Errorf("%+v %+v", c, c.Servers[0])
	}
	for _, text := range []string{"no protocol", "no lb_algo", "no lb_kind", "quorum 3 is above", "protocol has no effect", "all ports"} {
		if !says(errs, text) {
			t.Errorf("nothing says %q", text)
		}
	}
}

// TestGroupEntries: the ranges of a virtual_server_group.
func TestGroupEntries(t *testing.T) {
	cfg := clean(t, instance()+"virtual_server_group G {\n10.0.0.1-5 80\n10.0.1.0/30 443\n2001:db8::10-1f 80\nfwmark 9 inet6\n10.0.0.250-10.0.1.2\n}\n")
	e := cfg.ServerGroups[0].Entries
	for k, want := range []string{"10.0.0.1-10.0.0.5:80", "10.0.1.0-10.0.1.3:443", "2001:db8::10-2001:db8::1f:80", "", "10.0.0.250-10.0.1.2:0"} {
		if want == "" {
			if e[k].FWMark != 9 || !e[k].IPv6 {
				t.Errorf("%+v", e[k])
			}
			continue
		}
		if got := fmt.Sprintf("%v-%v:%d", e[k].First, e[k].Last, e[k].Port); got != want {
			t.Errorf("entry %d = %s, want %s", k, got, want)
		}
	}
}

// acceptedBut are files that keepalived accepts and in which something is
// plainly wrong.
var acceptedBut = map[string]string{
	"279-issue1756-vrrp-vmac-ipv6.conf": "includes files that are not there",
}

// TestCorpus: every configuration of the collection is read, and those that
// keepalived accepts without a word hold no mistake.
func TestCorpus(t *testing.T) {
	for _, c := range rows(t, corpusDir+"/INDEX.tsv") {
		cfg, _ := confparse.Load(os.DirFS(corpusDir), c[0], syntax.Env{ConfigID: "low"})
		if cfg == nil {
			t.Fatalf("%s: no Config", c[0])
		}
		accepted := c[12] == "0" || c[15] == "0"
		if !accepted || acceptedBut[c[0]] != "" {
			continue
		}
		_, errs := confparse.Load(os.DirFS(corpusDir), c[0], syntax.Env{ConfigID: "lb1"})
		for _, e := range errs {
			if e.Severity == syntax.Failure {
				t.Errorf("%v", e)
			}
		}
	}
}

// TestIncludedCorpus reads a configuration of many files by its absolute name.
func TestIncludedCorpus(t *testing.T) {
	dir, err := filepath.Abs(corpusDir + "/multi")
	if err != nil {
		t.Fatal(err)
	}
	mains, _ := filepath.Glob(dir + "/*/keepalived.conf")
	if len(mains) == 0 {
		t.Skip("the collection of configurations is not here")
	}
	for _, name := range mains {
		cfg, _ := confparse.Load(os.DirFS("/"), name, syntax.Env{})
		if len(cfg.Instances)+len(cfg.VirtualServers) == 0 {
			t.Errorf("%s: nothing came of it", name)
		}
	}
}

// FuzzLoad: no text makes Load panic or run on.
func FuzzLoad(f *testing.F) {
	f.Add(instance("track_script {\na weight -5\n}"))
	f.Add("virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.2 80 {\nTCP_CHECK {\n}\n}\n}\n")
	f.Add("global_defs {\nrouter_id x\nnotification_email {\na@b\n}\n}\n$A=1\n~SEQ(i,1,3) x $i\n")
	f.Add("virtual_server_group G {\n10.0.0.1-3 80\nfwmark 1\n}\nvirtual_server group G {\n}\n")
	f.Add(trackers + instance("use_vmac v 02:00:00:00:00:01 group 1", "use_ipvlan 10.0.0.1/24 vepa", "auth_hmac {\nkey 1 hex:00\nactive_key 1\n}", "track_bfd {\nb\n}"))
	f.Add(server("SMTP_CHECK {\nhost {\nconnect_port 25\n}\n}\nDNS_CHECK {\nname a.b\n}\nUDP_CHECK {\npayload \"0 1x\"\n}\nFILE_CHECK {\ntrack_file f\n}\nSSL_GET {\nurl {\nregex_options utf\n}\n}"))
	f.Add("global_defs {\nlvs_sync_daemon eth0 a id 3\nlvs_timeouts tcp 1\numask IRUSR|IWOTH\nvrrp_cpu_affinity 1 2\ninclude_check +read\nnotify_fifo /a b\n}\n")
	f.Add("vrrp_sync_group G {\ngroup {\nA\n}\n}\nstatic_routes {\n10.0.0.0/8 via 10.0.0.1\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		fsys := fstest.MapFS{"k.conf": {Data: []byte(text)}}
		cfg, errs := confparse.Load(fsys, "k.conf", syntax.Env{MaxExpansion: 2000})
		if cfg == nil {
			t.Fatal("no Config")
		}
		for _, e := range errs {
			if e.Err == nil {
				t.Fatalf("a finding says nothing: %+v", e)
			}
		}
	})
}

// TestCheckHost: what is not there is named where it stands; what the daemon
// makes itself is not missed.
func TestCheckHost(t *testing.T) {
	cfg := clean(t, "global_defs {\nscript_user keepalived_nouser\n}\n"+
		instance("use_vmac vrrp9", "track_interface {\nvrrp9\neth7\n}", "notify_fault /etc/keepalived/nope.sh"))
	var got []string
	for _, e := range confparse.CheckHost(cfg, director{}) {
		got = append(got, fmt.Sprintf("%d:%d %v", e.Pos.Line, e.Pos.Col, e.Err))
	}
	want := []string{"2:13 user 'keepalived_nouser' does not exist", "10:1 interface 'eth7' does not exist",
		"12:14 script '/etc/keepalived/nope.sh' does not exist"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("findings\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestAliasCountsAsItsKeyword: what stands under an old name is not replaced by
// the default of the new one.
func TestAliasCountsAsItsKeyword(t *testing.T) {
	text := "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 1\n vmac_garp_intvl all 7\n}\n"
	cfg, _ := confparse.Load(fstest.MapFS{"k.conf": {Data: []byte(text)}}, "k.conf", syntax.Env{})
	if g := cfg.Instances[0].GARP; g.Extra != 7*time.Second || !g.ExtraAll {
		t.Errorf("read as %v, all %v", g.Extra, g.ExtraAll)
	}
}

package confparse_test

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
)

// global reads lines of global_defs.
func global(t *testing.T, lines ...string) confparse.Global {
	t.Helper()
	return clean(t, "global_defs {\n"+strings.Join(lines, "\n")+"\n}\n"+instance()).Global
}

// TestGlobal: every group of keywords of global_defs ends up in its place.
func TestGlobal(t *testing.T) {
	nice := -5
	seed, mask := uint64(7), uint32(0o027)
	ns := ""
	for _, c := range []struct {
		lines      string
		have, want func(confparse.Global) any
	}{
		{"vrrp_process_name a_name_of_many_letters\nvrrp_priority -5\nvrrp_no_swap\nvrrp_rt_priority 200\nvrrp_cpu_affinity 0 2\nvrrp_rlimit_rttime 20000",
			func(g confparse.Global) any { return g.VRRP },
			func(confparse.Global) any {
				return confparse.Process{Name: "a_name_of_many_", Nice: &nice, NoSwap: true, RTPriority: 99, CPUs: []int{0, 2}, RTTime: 20 * time.Millisecond}
			}},
		{"", func(g confparse.Global) any { return g.BFD }, func(confparse.Global) any { return confparse.Process{} }},
		{"lvs_sync_daemon eth1 VI_1 id 7 port 9000 group 224.0.0.99", func(g confparse.Global) any { return *g.LVSSync },
			func(confparse.Global) any {
				return confparse.SyncDaemon{Interface: "eth1", Instance: "VI_1", ID: 7, Port: 9000, Group: netip.MustParseAddr("224.0.0.99")}
			}},
		{"lvs_sync_daemon eth1 inst VI_1 maxlen 1400 ttl 3", func(g confparse.Global) any { return *g.LVSSync },
			func(confparse.Global) any {
				return confparse.SyncDaemon{Interface: "eth1", Instance: "VI_1", ID: -1, MaxLen: 1400, TTL: 3}
			}},
		{"lvs_timeouts tcp 900 udp 5", func(g confparse.Global) any { return g.LVSTimeouts },
			func(confparse.Global) any {
				return confparse.LVSTimeouts{TCP: 15 * time.Minute, UDP: 5 * time.Second}
			}},
		{"lvs_flush_on_stop VS", func(g confparse.Global) any { return []bool{g.LVSFlushOnStop, g.LVSFlushVS} }, func(confparse.Global) any { return []bool{true, true} }},
		{"notify_fifo /run/a web www\nvrrp_notify_fifo /run/b", func(g confparse.Global) any { return []confparse.FIFO{g.NotifyFIFO, g.VRRPNotifyFIFO} },
			func(confparse.Global) any {
				return []confparse.FIFO{{Path: "/run/a", User: "web", Group: "www"}, {Path: "/run/b"}}
			}},
		{"vrrp_iptables IN\nvrrp_ipsets", func(g confparse.Global) any { return *g.IPTables }, func(confparse.Global) any { return confparse.IPTables{In: "IN", NoSets: true} }},
		{"nftables\nnftables_priority 5\nnftables_counters", func(g confparse.Global) any { return g.NFTables },
			func(confparse.Global) any {
				return confparse.NFTables{Table: "keepalived", Priority: 5, Counters: true}
			}},
		{"nftables_ipvs\nnftables_ipvs_start_fwmark 9", func(g confparse.Global) any { return g.NFTIPVS },
			func(confparse.Global) any {
				return confparse.NFTIPVS{Table: "keepalived_ipvs", Priority: -1, FirstMark: 9}
			}},
		{"enable_snmp_rfc\nsnmp_vs_stats_update_interval 2", func(g confparse.Global) any { return g.SNMP },
			func(confparse.Global) any {
				return confparse.SNMP{RFCv2: true, RFCv3: true, VSInterval: 2 * time.Second, RSInterval: 2 * time.Second}
			}},
		{"enable_dbus\ndbus_service_name org.example-1.Vrrp_1\ndbus_no_interface_name no_2", func(g confparse.Global) any { return g.DBus },
			func(confparse.Global) any {
				return confparse.DBus{Enabled: true, Service: "org.example-1.Vrrp_1", NoInterface: "no_2"}
			}},
		{"vrrp_rx_bufs_policy MTU\nvrrp_rx_bufs_multiplier 5", func(g confparse.Global) any { return g.ReceiveBuffer },
			func(confparse.Global) any { return confparse.ReceiveBuffer{MTU: true, Multiplier: 5} }},
		{"lvs_netlink_cmd_rcv_bufs 1000\nlvs_netlink_cmd_rcv_bufs_force", func(g confparse.Global) any { return []confparse.NetlinkBuffer{g.LVSCommandBuffer, g.LVSMonitorBuffer} },
			func(confparse.Global) any {
				return []confparse.NetlinkBuffer{{Bytes: 1000, Force: true}, {Bytes: 65536}}
			}},
		{"umask IWGRP|IRWXO\nrandom_seed 7", func(g confparse.Global) any { return []any{*g.Umask, *g.RandomSeed} }, func(confparse.Global) any { return []any{mask, seed} }},
		{"umask 027", func(g confparse.Global) any { return *g.Umask }, func(confparse.Global) any { return mask }},
		{"include_check\ninclude_check -match +brace_match", func(g confparse.Global) any { return g.IncludeCheck },
			func(confparse.Global) any { return confparse.IncludeCheck{Read: true, Wildcard: true, Brace: true} }},
		{"max_auto_priority\nvmac_prefix vm\nreload_file", func(g confparse.Global) any {
			return []any{g.MaxAutoPriority, g.VMACAddrPrefix, g.Reload.UseFile, g.Reload.File}
		}, func(confparse.Global) any { return []any{99, "vm", true, ""} }},
		{"net_namespace_ipvs", func(g confparse.Global) any { return *g.NamespaceIPVS }, func(confparse.Global) any { return ns }},
		{"startup_script \"/bin/a b\"\nstartup_script_timeout 3", func(g confparse.Global) any {
			return []any{len(g.StartupScript.Args), g.StartupTimeout, g.ShutdownTimeout}
		},
			func(confparse.Global) any { return []any{2, 3 * time.Second, 10 * time.Second} }},
	} {
		g := global(t, c.lines)
		if have, want := c.have(g), c.want(g); !reflect.DeepEqual(have, want) {
			t.Errorf("%q\nhave %+v\nwant %+v", c.lines, have, want)
		}
	}
}

// TestRefused: values out of bounds and rules broken between keywords are
// told, with what is wrong.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"global_defs {\nreload_time_file x\n}", "not an absolute path"},
		{"global_defs {\numask 999\n}", "unknown bit"},
		{"global_defs {\ndbus_service_name keepgo\n}", "is not a bus name"},
		{"global_defs {\ndbus_service_name org.2nd\n}", "is not a bus name"},
		{"global_defs {\ndbus_service_name org..x\n}", "is not a bus name"},
		{"global_defs {\ndbus_no_interface_name a-b\n}", "is not letters, digits and _"},
		{"global_defs {\nlvs_timeouts\n}", "needs a value"},
		{"global_defs {\nlvs_sync_daemon eth0 nobody\n}", "no vrrp_instance 'nobody'"},
		{"global_defs {\nnotify_fifo /run/a\nlvs_notify_fifo /run/a\n}", "is notify_fifo as well"},
		{"global_defs {\nvrrp_cpu_affinity 0 x\n}", "is not a number"},
		{"global_defs {\nsnmp_vs_stats_update_interval 31\n}", "out of range"},
		{"bfd_instance a {\n}", "has no neighbor_ip"},
		{"bfd_instance a {\nneighbor_ip 10.0.0.1\n}\nbfd_instance b {\nneighbor_ip 10.0.0.1\n}", "already has bfd_instance a"},
		{"bfd_instance a {\nneighbor_ip 10.0.0.1\nsource_ip fe80::1\n}", "source_ip is IPv6"},
		{"bfd_instance " + strings.Repeat("x", 32) + " {\n}", "31 are allowed"},
		{"track_file f {\nweight 3\n}", "has no file"},
		{"vrrp_track_process p {\nquorum_max 2\n}", "has no process"},
		{"vrrp_track_process p {\nprocess a\nquorum 3\nquorum_max 2\n}", "below the quorum"},
		{"linkbeat_interfaces {\neth0 SMELL\n}", "unknown way to poll"},
		{"interface_up_down_delays {\neth0\n}", "has no delay"},
		{instance("auth_hmac {\nkey 1 short\n}"), "32 to 64 are needed"},
		{instance("auth_hmac {\nkey 1 " + strings.Repeat("k", 32) + "\nactive_key 2\n}"), "has no key 2"},
		{instance("use_vmac v 01:02:03:04:05:06"), "one of a group"},
		{instance("use_vmac v 00:00:5e:00:01:33"), "gives by itself"},
		{instance("garp_extra_if all 90000"), "out of range"},
		{service("lb_kind TUN type gue"), "needs a port"},
		{service("lb_kind TUN type gre port 9"), "belongs to gue"},
		{service("lb_kind TUN csum"), "no such checksum"},
		{server("DNS_CHECK {\ntype XYZ\n}"), "unknown type"},
		{server("DNS_CHECK {\nname a..b\n}"), "is not a domain name"},
		{server("UDP_CHECK {\npayload 0g\n}"), "not made of hex digits"},
		{server("UDP_CHECK {\nmin_reply_length 9\nmax_reply_length 3\n}"), "is above max_reply_length"},
		{server("FILE_CHECK {\n}"), "has no track_file"},
		{server("BFD_CHECK {\nname nobody\n}"), "no bfd_instance 'nobody'"},
		{server("HTTP_GET {\nurl {\npath /\nregex_options loud\n}\n}"), "unknown option 'loud'"},
		{server("HTTP_GET {\nurl {\npath /\nregex \"a(?R)\"\n}\n}"), "regex: recursion ((?R...) not supported"},
		{server("HTTP_GET {\nurl {\npath /\nregex a\nregex_min_offset 2\nregex_max_offset 2\n}\n}"), "regex_min_offset 2 leaves nothing"},
		{server("HTTP_GET {\nurl {\npath /\nregex_min_offset 2\n}\n}"), "regex_min_offset has no effect without regex"},
	} {
		if _, errs := load(t, c.text); !says(errs, c.says) {
			t.Errorf("%s\nnothing says %q in %v", c.text, c.says, errs)
		}
	}
}

func service(lines string) string {
	return "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlb_algo rr\n" + lines + "\nreal_server 10.0.1.1 80 {\n}\n}\n"
}

func server(lines string) string {
	return "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlb_algo rr\nlb_kind NAT\nreal_server 10.0.1.1 80 {\n" + lines + "\n}\n}\n"
}

// TestTrackers: what decides about instances, and what trackers take from it.
func TestTrackers(t *testing.T) {
	cfg := clean(t, strings.ReplaceAll(trackers, "\t", "")+instance("track_file {\nf weight 2\n}", "track_process {\np\n}", "track_bfd {\nb noreverse\n}"))
	f := confparse.TrackFile{Pos: cfg.TrackFiles[0].Pos, Name: "f", Path: "/run/f", Weight: 3, Reverse: true, Init: true, Value: 5, Overwrite: true}
	if *cfg.TrackFiles[0] != f {
		t.Errorf("%+v", cfg.TrackFiles[0])
	}
	p := cfg.TrackProcesses[0]
	if p.Process != "/usr/bin/prog" || len(p.Params) != 2 || p.Match != confparse.ParamsInitial || p.Weight != -10 || p.Quorum != 2 ||
		p.QuorumMax != -1 || p.TerminateDelay != 1500*time.Millisecond || p.ForkDelay != 2*time.Second || !p.FullCommand {
		t.Errorf("%+v", p)
	}
	b := cfg.BFDs[0]
	if b.MinRx != 20*time.Millisecond || b.MinTx != 10*time.Millisecond || b.IdleTx != time.Second || b.Multiplier != 3 || b.TTL != 64 || !b.VRRP || b.Checker {
		t.Errorf("%+v", b)
	}
	i := cfg.Instances[0]
	if i.TrackFiles[0].Weight != 2 || !i.TrackFiles[0].Reverse || i.TrackProcesses[0].Weight != -10 || i.TrackBFDs[0].Weight != 7 {
		t.Errorf("%+v %+v %+v", i.TrackFiles, i.TrackProcesses, i.TrackBFDs)
	}
	g := cfg.GARPGroups[0]
	if len(g.Interfaces) != 2 || g.Interval != 250*time.Millisecond || g.GNAInterval != 500*time.Millisecond {
		t.Errorf("%+v", g)
	}
	if l := cfg.Linkbeats[0]; l.Interface != "eth1" || l.Method != "MII" {
		t.Errorf("%+v", l)
	}
	if d := cfg.InterfaceDelays[0]; d.Down != 2*time.Second || d.Up != 1500*time.Millisecond {
		t.Errorf("%+v", d)
	}
	if cfg.TrackGroups[0].Members[0] != "VI_1" || cfg.TLS.CA != "/etc/ca" {
		t.Errorf("%+v %+v", cfg.TrackGroups[0], cfg.TLS)
	}
}

const trackers = `track_file f {
	file /run/f
	weight 3 reverse
	init_file 5 overwrite
}
vrrp_track_process p {
	process /usr/bin/prog a b
	param_match initial
	weight -10
	quorum 2
	delay 1.5
	fork_delay 2
	full_command
}
bfd_instance b {
	neighbor_ip 2001:db8::1
	min_rx 20
	multiplier 3
	weight 7
	vrrp
}
track_group g {
	group {
		VI_1
	}
}
garp_group gg {
	gna_interval 0.5
	interfaces {
		eth1 eth2
	}
}
linkbeat_interfaces {
	eth1 MII
}
interface_up_down_delays {
	eth1 2 1.5
}
SSL {
	ca /etc/ca
}
global_defs {
	vrrp_garp_interval 0.25
}
`

// TestInstanceLinks: what an instance says of its interface and its adverts.
func TestInstanceLinks(t *testing.T) {
	i := clean(t, instance("use_vmac name vm1 02:00:00:00:01 netlink_notify_msg group 7", "use_vmac_addr", "vmac_xmit_base", "garp_extra_if all 30",
		"timer_expired_backup 90", "nopreempt", "old_unicast_checksum never", "kernel_rx_buf_size 4096", "promote_secondaries",
		"auth_hmac {\nkey 3 hex:"+strings.Repeat("ab", 32)+"\nactive_key 3\nanti_replay monotonic\nmode permissive\n}")).Instances[0]
	vmac := confparse.VMAC{MAC: []byte{2, 0, 0, 0, 1}, Group: "7", Notify: true, Addresses: true, XmitBase: true}
	if !reflect.DeepEqual(i.VMAC, vmac) || i.VMACName != "vm1" || !i.UseVMAC {
		t.Errorf("%+v %q", i.VMAC, i.VMACName)
	}
	if i.GARP.Extra != 30*time.Second || !i.GARP.ExtraAll || !i.TimerExpiredBackup || i.HighestOther != 90 ||
		i.OldUnicastChecksum != confparse.NeverOldChecksum || i.ReceiveBuffer != 4096 || !i.PromoteSecondaries {
		t.Errorf("%+v", i)
	}
	if h := i.HMAC; h.Active != 3 || !h.Monotonic || h.Mode != "permissive" || len(h.Keys) != 1 || h.Window != 5*time.Second {
		t.Errorf("%+v", i.HMAC)
	}
	v := clean(t, instance("use_ipvlan iv1 10.0.0.5/24 vepa")).Instances[0].IPVLAN
	if want := (confparse.IPVLAN{Name: "iv1", Addr: netip.MustParsePrefix("10.0.0.5/24"), Mode: "vepa"}); *v != want {
		t.Errorf("%+v", *v)
	}
}

// TestLinkRules: what an instance says of its interface is fitted to the rest.
func TestLinkRules(t *testing.T) {
	key := "key 1 " + strings.Repeat("k", 32) + "\nactive_key 1\n"
	for _, c := range []struct {
		text, says string
		right      func(*confparse.Instance) bool
	}{
		{instance("use_vmac\nunicast_peer {\n10.0.0.9\n}"), "vmac_xmit_base", func(i *confparse.Instance) bool { return i.VMAC.XmitBase }},
		{instance("use_vmac\nuse_ipvlan"), "exclude each other", func(i *confparse.Instance) bool { return i.UseVMAC && i.IPVLAN == nil }},
		{instance("use_vmac v 02:00:00:00:00:01\nstrict_mode"), "strict mode allows neither", func(i *confparse.Instance) bool { return i.VMAC.MAC == nil }},
		{instance("use_ipvlan v fe80::1"), "not of the family", func(i *confparse.Instance) bool { return i.Unusable != "" }},
		{instance("vrf red"), "for unicast instances", func(i *confparse.Instance) bool { return i.VRF == "" }},
		{instance("timer_expired_backup"), "without nopreempt", func(i *confparse.Instance) bool { return !i.TimerExpiredBackup }},
		{instance("auth_hmac {\n" + key + "}\nauthentication {\nauth_type PASS\nauth_pass x\n}"), "takes the place", func(i *confparse.Instance) bool { return i.AuthType == 0 && i.HMAC != nil }},
		{instance("auth_hmac {\n" + key + "mode permissive\n}\nstrict_mode"), "signed adverts from all", func(i *confparse.Instance) bool { return i.HMAC.Mode == "enforce" }},
		{instance("state MASTER\npriority 100\nauthentication {\nauth_type AH\nauth_pass x\n}"), "begins as BACKUP", func(i *confparse.Instance) bool { return !i.Master }},
		{instance("priority 255\ntrack_interface {\neth1 weight 5\neth2\n}"), "track_interface weights", func(i *confparse.Instance) bool { return len(i.TrackInterfaces) == 1 }},
		{instance() + "interface_up_down_delays {\neth0 2\n}\n", "must be less than 2 s", func(*confparse.Instance) bool { return true }},
	} {
		cfg, errs := load(t, c.text)
		if !says(errs, c.says) || !c.right(cfg.Instances[0]) {
			t.Errorf("%s\n%+v\n%v", c.text, cfg.Instances[0], errs)
		}
	}
}

// TestCheckerKinds: what each kind of checker needs beyond the others.
func TestCheckerKinds(t *testing.T) {
	cfg := clean(t, "track_file f {\nfile /run/f\nweight 4\n}\nbfd_instance b {\nneighbor_ip 10.0.0.9\n}\n"+server(`SMTP_CHECK {
helo_name me
host {
connect_ip 10.0.1.5
connect_port 25
}
host {
connect_ip 10.0.1.6
}
}
SMTP_CHECK {
}
DNS_CHECK {
type aaaa
name example.com
}
UDP_CHECK {
payload "01 2 ff"
require_reply 0Ax1
min_reply_length 2
}
FILE_CHECK {
track_file f
}
FILE_CHECK {
track_file f
weight -2 reverse
}
BFD_CHECK {
name b
alpha
}
SSL_GET {
tls_compliant
url {
path /
regex "a b"
regex_options caseless dotall
regex_max_offset 9
}
url {
path /b
tls_compliant off
}
}`))
	c := cfg.VirtualServers[0].Servers[0].Checkers
	if len(c) != 9 {
		t.Fatalf("%d checkers", len(c))
	}
	if c[0].SMTP.Helo != "me" || c[0].Addr != netip.MustParseAddr("10.0.1.5") || c[0].Port != 25 || c[1].Port != 80 || c[2].SMTP.Helo != "smtpchecker.keepalived.org" {
		t.Errorf("%+v %+v %+v", c[0], c[1], c[2])
	}
	if *c[3].DNS != (confparse.Question{Type: "AAAA", Name: "example.com"}) {
		t.Errorf("%+v", c[3].DNS)
	}
	if u := c[4].UDP; !bytes.Equal(u.Payload, []byte{1, 2, 0xff}) || !bytes.Equal(u.Reply, []byte{0x0a, 1}) || !bytes.Equal(u.Mask, []byte{0xff, 0x0f}) ||
		!u.RequireReply || u.MinReply != 2 || u.MaxReply != 255 {
		t.Errorf("%+v", u)
	}
	if *c[5].Watch != (confparse.Watch{Name: "f", Weight: 4}) || *c[6].Watch != (confparse.Watch{Name: "f", Weight: -2, Reverse: true}) || c[7].Watch.Name != "b" || !c[7].Alpha {
		t.Errorf("%+v %+v %+v", c[5].Watch, c[6].Watch, c[7].Watch)
	}
	u := c[8].HTTP.URLs
	if len(u[0].RegexOptions) != 2 || u[0].RegexMax != 9 || !u[0].TLSCompliant || u[1].TLSCompliant {
		t.Errorf("%+v", u)
	}
}

// TestTunnel: the options behind TUN reach every server.
func TestTunnel(t *testing.T) {
	vs := clean(t, service("lb_kind TUN type gue port 6080 remcsum\nsorry_server 10.0.2.1 80")).VirtualServers[0]
	want := confparse.TunnelOptions{Type: 1, Port: 6080, Flags: 2}
	if vs.Servers[0].Tunnel != want || vs.Sorry.Tunnel != want || vs.Servers[0].Forward != confparse.Tunnel {
		t.Errorf("%+v %+v", vs.Servers[0], vs.Sorry)
	}
}

// TestLateDefaults: global_defs and a group may stand behind the services
// that depend on them.
func TestLateDefaults(t *testing.T) {
	text := server("TCP_CHECK {\n}") + "virtual_server group g {\nprotocol TCP\nlb_algo rr\nlb_kind NAT\nsmtp_alert off\nreal_server 2001:db8::1 80 {\nTCP_CHECK {\nlog_all_failures off\n}\n}\n}\n" +
		"virtual_server_group g {\n2001:db8::5 80\n}\nglobal_defs {\nsmtp_alert_checker\nchecker_log_all_failures\n}\n"
	cfg := clean(t, text)
	a, b := cfg.VirtualServers[0], cfg.VirtualServers[1]
	if !a.SMTPAlert || !a.Servers[0].SMTPAlert || !a.Servers[0].Checkers[0].LogAll {
		t.Errorf("%+v", a)
	}
	if b.SMTPAlert || !b.IPv6 || b.Servers[0].Checkers[0].LogAll {
		t.Errorf("%+v", b)
	}
}

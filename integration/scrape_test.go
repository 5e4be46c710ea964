package integration

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scraped is a configuration whose dumps are compared.
const scraped = `
global_defs {
    router_id lb
    notification_email {
        ops@example.net
    }
    notification_email_from ka@example.net
    smtp_server 192.0.2.25 2525
    script_user root
    enable_script_security
    vrrp_garp_master_refresh 60
    vrrp_version 3
    rs_init_notifies on
}
vrrp_script fit {
    script "/usr/bin/test -e /proc/net/dev"
    interval 2
    timeout 2
    fall 2
    rise 2
    weight 5
}
static_ipaddress {
    10.9.9.1/24 dev eth0
}
vrrp_sync_group G1 {
    group {
        VI_1
    }
    notify_master "/usr/bin/true m"
    smtp_alert
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 150
    garp_master_delay 3
    authentication {
        auth_type PASS
        auth_pass hidden
    }
    version 2
    virtual_ipaddress {
        10.0.0.100/24 dev eth0
        10.0.0.110/24 dev eth0 label eth0:1
    }
    virtual_ipaddress_excluded {
        10.0.0.120/32
    }
    notify_deleted "/usr/bin/true d"
    notify "/usr/bin/true all"
}
vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    priority 90
    advert_int 0.5
    nopreempt
    unicast_peer {
        10.0.0.9
    }
    track_script {
        fit
    }
    virtual_ipaddress {
        10.0.0.200
    }
}
vrrp_instance V6 {
    interface eth0
    virtual_router_id 53
    virtual_ipaddress {
        fe80::100
        fd00::100/64 preferred_lft 7000
    }
}
`

// unequal are values that cannot be equal: times, what a host has of its own,
// the password that keepalived told until 2.4.0, and defaults that its parent
// process does not apply.
var unequal = regexp.MustCompile(`(?m)^(\s+(VRRP realtime limit|Checker realtime limit|BFD realtime limit|Gratuitous ARP lower priority delay|Gratuitous ARP lower priority repeat|Last transition|Read timeout|Using src_ip|Password|IPv6 address|MAC|index|Sent|Multicast address ff02::12, ifindex|Smtp HELO name)[ =:]+)\S.*$`)

// absent are lines of keepalived that ours has not, because they tell of its
// own insides, and of ours that came after release 2.2.7.
var absent = regexp.MustCompile(`(?m)^ +(libnftnl version|fd_in|Seen up|Delayed state|Up debounce|Down debounce|NIC netlink|Reset ARP|Original |rp_filter|Reset promote|Not IPv6 forw|` +
	`Authentication Extension|Missing:|Malformed:|Unknown Key:|Invalid HMAC:|Stale:|Replay:).*\n`)

// sockets is a part of keepalived's dump that has its descriptors.
var sockets = regexp.MustCompile(`(?s)------< VRRP Sockpool >------\n.*?------<`)

// scrapes are the files of one daemon that is MASTER of everything, by name.
func scrapes(t *testing.T, d daemon) map[string]string {
	w := newWorld(t, d, ours)
	dir := filepath.Join(w.lab.Dir, "dumps")
	w.do(os.Mkdir(dir, 0o700))
	t.Setenv("TMPDIR", dir)
	w.a.configure(scraped)
	w.a.start()
	read := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		return string(b)
	}
	// A signal that comes before keepalived expects it ends it.
	w.eventually(string(d)+" runs", func() bool {
		return slices.ContainsFunc(must(w.a.Addrs(lanLink))(t), func(a netip.Prefix) bool { return a.Addr() == vip4 })
	})
	w.eventually(string(d)+" is MASTER of everything", func() bool {
		_ = w.a.proc.Signal(syscall.SIGUSR1)
		return strings.Count(read("keepalived.data"), " State = MASTER\n") == 3 && strings.Contains(read("keepalived.data"), "Status = GOOD")
	})
	for _, s := range []syscall.Signal{syscall.SIGUSR2, 36} {
		w.do(w.a.proc.Signal(s))
	}
	w.eventually(string(d)+" writes all files", func() bool {
		return strings.HasSuffix(read("keepalived.json"), "\n") && strings.Count(read("keepalived.stats"), "Priority Zero:\n") == 3
	})
	w.a.stop() // a file is not read while it is written
	files := map[string]string{}
	for _, name := range []string{"keepalived.data", "keepalived_parent.data", "keepalived.stats", "keepalived.json"} {
		files[name] = read(name)
		fi := must(os.Stat(filepath.Join(dir, name)))(t)
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s of %s: mode %o", name, d, fi.Mode().Perm())
		}
	}
	return files
}

// TestDumpsAgreeWithKeepalived sends both daemons the signals of scrapers, and
// compares the files line by line.
func TestDumpsAgreeWithKeepalived(t *testing.T) {
	want, got := scrapes(t, theirs), scrapes(t, ours)
	for _, name := range []string{"keepalived.data", "keepalived_parent.data", "keepalived.stats"} {
		if diff := cmp.Diff(dumpLines(want[name]), dumpLines(got[name])); diff != "" {
			t.Errorf("%s (-keepalived +keepgo):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(jsonMembers(t, want["keepalived.json"]), jsonMembers(t, got["keepalived.json"])); diff != "" {
		t.Errorf("keepalived.json (-keepalived +keepgo):\n%s", diff)
	}
}

// dumpLines are the lines of a dump that can be equal.
func dumpLines(text string) []string {
	text = sockets.ReplaceAllString(text, "------<")
	text = absent.ReplaceAllString(text, "")
	return strings.Split(unequal.ReplaceAllString(text, "${1}..."), "\n")
}

// jsonMembers are the members of the JSON dump, in the order of the text.
func jsonMembers(t *testing.T, text string) []string {
	t.Helper()
	if !json.Valid([]byte(text)) {
		t.Errorf("no JSON: %s", text)
	}
	var list []string
	for _, m := range strings.Split(text, `,"`) {
		name, _, _ := strings.Cut(m, `"`)
		switch {
		case strings.HasPrefix(name, "auth_ext_"): // since 2.4.0
		case slices.Contains([]string{"last_transition", "auth_data", "advert_sent"}, name):
			list = append(list, name)
		default:
			list = append(list, m)
		}
	}
	return list
}

package metrics

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"keepgo/internal/status"
	"keepgo/vrrp"
)

func sample() *status.Status {
	at := time.Unix(1000, 0)
	return &status.Status{
		Version: "v1", Began: at,
		Instances: []status.Instance{{
			Name: "VI_\"1\"\\", Interface: "eth0", VRID: 51, State: "MASTER", Standing: true, Priority: 150, Since: at, ARPDelay: 5,
			Counters: vrrp.Stats{AdvertSent: 7, BecomeMaster: 2, IPTTLErr: 3, ChecksumErr: 1},
			Peers:    []status.Peer{{Address: "10.0.0.2", Heard: &at}, {Address: "10.0.0.3"}},
			Places:   []status.Place{{Address: "10.0.0.100/32", Link: "eth0", Stands: true}, {Address: "10.0.0.101/24", Link: "eth0"}},
		}},
		Scripts: []status.Script{{Name: "chk", Good: true}},
		Services: []status.Service{
			{Name: "[10.0.0.100]:tcp:80", Up: true, Traffic: &status.Traffic{Connections: 9}, Servers: []status.Server{
				{Name: "[10.0.0.9]:tcp:80", Up: true, Weight: 3, Traffic: &status.Traffic{Connections: 4, Active: 2, BytesIn: 100}}}},
			{Name: "[fd00::100]:tcp:80", Servers: []status.Server{{Name: "[10.0.0.9]:tcp:80", Traffic: &status.Traffic{Connections: 5}}}},
		},
	}
}

func TestText(t *testing.T) {
	text := string(Text(sample(), true))
	labels := `{instance="VI_\"1\"\\",interface="eth0",vrid="51"`
	for _, want := range []string{
		"keepgo_vrrp_state" + labels + "} 2",
		"keepgo_vrrp_adverts_refused_total" + labels + "} 4",
		"keepgo_vrrp_peer_heard_seconds" + labels + `,peer="10.0.0.2"} 1000`,
		"keepgo_vrrp_peer_heard_seconds" + labels + `,peer="10.0.0.3"} 0`,
		"keepgo_vrrp_address_right" + labels + `,address="10.0.0.100/32",link="eth0"} 1`,
		"keepgo_vrrp_address_right" + labels + `,address="10.0.0.101/24",link="eth0"} 0`,
		`keepgo_server_active_connections{service="[10.0.0.100]:tcp:80",server="[10.0.0.9]:tcp:80"} 2`,
		"keepalived_up 1",
		`keepalived_become_master_total{iname="VI_\"1\"\\",intf="eth0",vrid="51",state="MASTER"} 2`,
		`keepalived_gratuitous_arp_delay_total{iname="VI_\"1\"\\",intf="eth0",vrid="51",state="MASTER"} 5`,
		`keepalived_vrrp_ip_ttl_err{name="VI_\"1\"\\",intf="eth0",vrid="51",state="MASTER"} 3`,
		`keepalived_vrrp_state{iname="VI_\"1\"\\",intf="eth0",vrid="51",ip_address="10.0.0.100"} 2`,
		`keepalived_script_status{name="chk"} 1`,
		`keepalived_lvs_vip_conn{addr="10.0.0.100:80",proto="6"} 9`,
		`keepalived_lvs_rs_conn{addr="10.0.0.9:80",proto="6"} 9`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("lacks %s", want)
		}
	}
	if own := string(Text(sample(), false)); strings.Contains(own, "keepalived") {
		t.Error("has the exporters' names unasked")
	}
}

// form is a line of the text exposition format.
var form = regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_0-9]+(\{[a-z_]+="(\\.|[^"\\])*"(,[a-z_]+="(\\.|[^"\\])*")*\})? [0-9.e+-]+)$`)

// TestForm: every line is of the format, no family has two heads and no sample
// stands twice: Prometheus throws the whole page away for one of them.
func TestForm(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(string(Text(sample(), true))) {
		line = strings.TrimSuffix(line, "\n")
		if !form.MatchString(line) {
			t.Errorf("no line of the format: %s", line)
		}
		key := line[:strings.LastIndexByte(line, ' ')]
		if strings.HasPrefix(line, "#") {
			key = strings.Join(strings.Fields(line)[:3], " ")
		}
		if seen[key] {
			t.Errorf("%s stands twice", key)
		}
		seen[key] = true
	}
	if len(seen) < 100 {
		t.Errorf("only %d lines", len(seen))
	}
}

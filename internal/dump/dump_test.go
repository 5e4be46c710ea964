package dump

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/status"
	"keepgo/vrrp"
)

const conf = `
vrrp_script fit {
    script "/bin/true x"
    interval 2
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    garp_master_delay 3
    authentication {
        auth_type PASS
        auth_pass hidden
    }
    virtual_ipaddress {
        10.0.0.100/24 dev eth0
        10.0.0.101/24 dev eth1 label eth1:x
    }
    virtual_ipaddress_excluded {
        fd00::100/64
    }
    notify "/bin/true \"a/b\""
    track_script {
        fit weight 5
    }
}
vrrp_instance VI_2 {
    state BACKUP
    interface eth1
    virtual_router_id 52
    version 3
    advert_int 0.5
    nopreempt
    virtual_ipaddress {
        10.0.0.200
    }
}
`

func world(t *testing.T, text string) World {
	t.Helper()
	cfg, list := confparse.Load(fstest.MapFS{"etc/k.conf": {Data: []byte(text)}}, "/etc/k.conf", syntax.Env{})
	for _, e := range list {
		if e.Severity == syntax.Failure {
			t.Fatal(e)
		}
	}
	since := time.Unix(1795241035, 250532000)
	return World{Config: cfg, HostName: "lb1", Umask: 0o177, Status: &status.Status{
		Instances: []status.Instance{
			{Name: "VI_1", Interface: "eth0", VRID: 51, State: "MASTER", Want: "MASTER", Priority: 155, Since: since, Standing: true,
				Heard: status.Heard{Interval: 1}, Counters: vrrp.Stats{AdvertSent: 7, BecomeMaster: 1, AuthFailure: 3, PriZeroSent: 2, ReleaseMaster: 4, AddrListErr: 9, AuthExtStale: 6}},
			{Name: "VI_2", Interface: "eth1", VRID: 52, State: "FAULT", Want: "BACKUP", Priority: 100, Since: since, Heard: status.Heard{Interval: 0.5}},
		},
		Scripts: []status.Script{{Name: "fit", Known: true, Good: true, Result: 1}},
	}}
}

// fields reads keepalived.data as the two exporters do: an instance begins with
// a line of one blank, its keys stand behind three, the elements of a list
// behind five; any other line ends it.
func fields(text []byte) map[string]map[string][]string {
	out := map[string]map[string][]string{}
	var in map[string][]string
	key := ""
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		l := s.Text()
		name, value, _ := strings.Cut(strings.TrimSpace(l), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case strings.HasPrefix(l, " VRRP Instance") && strings.Contains(l, "="), strings.HasPrefix(l, " VRRP Script") && strings.Contains(l, "="):
			in = map[string][]string{}
			out[value] = in
		case in != nil && strings.HasPrefix(l, "     "):
			in[key] = append(in[key], strings.TrimSpace(l))
		case in != nil && strings.HasPrefix(l, "   "):
			if key = name; !strings.Contains(l, "=") {
				key, _, _ = strings.Cut(name, " (")
				continue
			}
			in[key] = append(in[key], value)
		default:
			in = nil
		}
	}
	return out
}

func TestDataIsReadByExporters(t *testing.T) {
	got := fields(VRRP(world(t, conf)))
	for key, want := range map[string]string{
		"VI_1 State": "MASTER", "VI_1 Wantstate": "MASTER", "VI_1 Interface": "eth0", "VI_1 Virtual Router ID": "51",
		"VI_1 Gratuitous ARP delay": "3", "VI_1 Last transition": "1795241035.250532 (" + time.Unix(1795241035, 250532000).Local().Format("Mon Jan _2 15:04:05.000000 2006)"),
		"VI_1 Virtual IP":  "10.0.0.100/24 dev eth0 scope global set|10.0.0.101/24 dev eth1 scope global label eth1:x set",
		"VI_1 Password":    "********",
		"VI_2 State":       "FAULT",
		"VI_2 Wantstate":   "BACKUP",
		"VI_2 Virtual IP":  "10.0.0.200 dev eth1 scope global",
		"VI_2 Preempt":     "disabled",
		"VI_2 Interface":   "eth1",
		"fit Status":       "GOOD",
		"fit State":        "idle",
		"VI_1 Sync group":  "",
		"VI_2 Debug level": "",
	} {
		instance, field, _ := strings.Cut(key, " ")
		if v := strings.Join(got[instance][field], "|"); v != want {
			t.Errorf("%s: %q, want %q", key, v, want)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d instances and scripts", len(got))
	}
	if bytes.Contains(VRRP(world(t, conf)), []byte("hidden")) {
		t.Error("the password is told")
	}
}

// TestStatsAreReadByExporters reads keepalived.stats by its indentation:
// sections behind two blanks, counters behind four.
func TestStatsAreReadByExporters(t *testing.T) {
	got := map[string]int{}
	instance, section := "", ""
	for s := bufio.NewScanner(bytes.NewReader(Stats(world(t, conf).Status))); s.Scan(); {
		l := s.Text()
		name, value, ok := strings.Cut(strings.TrimSpace(l), ":")
		switch {
		case !ok:
			t.Errorf("no colon in %q", l)
		case strings.HasPrefix(l, "VRRP Instance:"):
			instance = strings.TrimSpace(value)
		case strings.HasSuffix(l, ":"):
			section = name
		default:
			if !strings.HasPrefix(l, "    ") {
				section = ""
			}
			n := 0
			if _, err := fmt.Sscan(value, &n); err != nil {
				t.Errorf("no number in %q", l)
			}
			got[instance+"/"+section+"/"+name] = n
		}
	}
	for key, want := range map[string]int{
		"VI_1/Advertisements/Sent": 7, "VI_1/Advertisements/Received": 0, "VI_1//Became master": 1, "VI_1//Released master": 4,
		"VI_1/Packet Errors/Address List": 9, "VI_1/Authentication Errors/Failure": 3, "VI_1/Authentication Extension Errors/Stale": 6,
		"VI_1/Priority Zero/Sent": 2, "VI_2/Priority Zero/Sent": 0,
	} {
		if n, ok := got[key]; n != want || !ok {
			t.Errorf("%s: %d %v, want %d", key, n, ok, want)
		}
	}
}

const wantJSON = `[{"data":{"iname":"VI_1","dont_track_primary":0,"skip_check_adv_addr":0,"strict_mode":0,"vmac_ifname":"","ifp_ifname":"eth0",` +
	`"master_priority":0,"last_transition":1795241035.250532,"garp_delay":3,"garp_refresh":0,"garp_rep":5,"garp_refresh_rep":1,"garp_lower_prio_delay":5,` +
	`"garp_lower_prio_rep":5,"lower_prio_no_advert":0,"higher_prio_send_advert":0,"vrid":51,"base_priority":150,"effective_priority":155,"vipset":true,` +
	`"promote_secondaries":false,"adver_int":1,"master_adver_int":1,"accept":1,"nopreempt":false,"preempt_delay":0,"state":2,"wantstate":2,"version":2,` +
	`"smtp_alert":false,"notify_deleted":false,"script":"'\/bin\/true' '\"a\/b\"'",` +
	`"vips":["10.0.0.100\/24 dev eth0 scope global set","10.0.0.101\/24 dev eth1 scope global label eth1:x set"],` +
	`"evips":["fd00::100\/64 dev eth0 scope global preferred_lft forever set"],"track_script":["'\/bin\/true' 'x'"],"auth_type":1,"auth_data":"********"},` +
	`"stats":{"advert_rcvd":0,"advert_sent":7,"become_master":1,"release_master":4,"packet_len_err":0,"advert_interval_err":0,"ip_ttl_err":0,` +
	`"invalid_type_rcvd":0,"addr_list_err":9,"invalid_authtype":0,"authtype_mismatch":0,"auth_failure":3,"auth_ext_missing":0,"auth_ext_malformed":0,` +
	`"auth_ext_unknown_key":0,"auth_ext_invalid_hmac":0,"auth_ext_stale":6,"auth_ext_replay":0,"pri_zero_rcvd":0,"pri_zero_sent":2}},`

func TestJSONHasOrderAndSpellingOfKeepalived(t *testing.T) {
	got := JSON(world(t, conf))
	if !json.Valid(got) {
		t.Errorf("no JSON: %s", got)
	}
	if !strings.HasPrefix(string(got), wantJSON) {
		t.Errorf("got  %s\nwant %s...", got, wantJSON)
	}
	var list []struct {
		Data struct {
			Iname          string
			State          int
			LastTransition float64 `json:"last_transition"`
		}
	}
	if err := json.Unmarshal(got, &list); err != nil || len(list) != 2 || list[1].Data.State != 3 || list[1].Data.LastTransition != 1795241035.250532 {
		t.Errorf("read %+v, %v", list, err)
	}
}

func TestJSONVersion2(t *testing.T) {
	w := world(t, "global_defs {\n json_version 2\n}\nvrrp_track_process p {\n process x\n quorum 2\n}\n"+conf)
	w.Status.Processes = map[string]bool{"p": true}
	var doc struct {
		VRRP    []json.RawMessage
		Process []struct {
			Process string
			Min     int  `json:"min_processes"`
			Quorum  bool `json:"have_quorum"`
		} `json:"track_process"`
	}
	if err := json.Unmarshal(JSON(w), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.VRRP) != 2 || len(doc.Process) != 1 || doc.Process[0].Min != 2 || !doc.Process[0].Quorum {
		t.Errorf("read %+v", doc)
	}
}

func TestNoJSONWithoutInstances(t *testing.T) {
	if b := JSON(world(t, "static_ipaddress {\n 10.9.9.9 dev eth0\n}\n")); b != nil {
		t.Errorf("wrote %s", b)
	}
}

func TestTextOfJSON(t *testing.T) {
	for _, s := range []string{"plain", `a"b\c/d`, "tab\tline\n\x00\x7f", "ümläut", "bad\xff"} {
		var got string
		if err := json.Unmarshal([]byte(text(s)), &got); err != nil || got != strings.ToValidUTF8(s, "\uFFFD") {
			t.Errorf("%q became %s, read as %q: %v", s, text(s), got, err)
		}
	}
}

func TestCheckTellsServicesAndChecks(t *testing.T) {
	w := world(t, `
virtual_server 192.0.2.100 80 {
    delay_loop 6
    lb_algo wrr
    lb_kind DR
    protocol TCP
    quorum 2
    sorry_server 127.0.0.1 80
    real_server 10.0.0.11 80 {
        weight 2
        HTTP_GET {
            url {
                path /health
                status_code 200
            }
        }
    }
}
`)
	w.Status.Services = []status.Service{{Name: "[192.0.2.100]:tcp:80", Up: true, Servers: []status.Server{{Name: "[10.0.0.11]:tcp:80", Up: true, Weight: 1}}}}
	got := string(Check(w))
	for _, want := range []string{
		"\n VS VIP = 192.0.2.100, VPORT = 80\n   Address family = inet\n   lvs_sched = wrr\n", "\n   quorum = 2, hysteresis = 0\n",
		"\n   sorry server = [127.0.0.1]:tcp:80\n     forwarding method = DR\n", "\n   quorum_state_up = 1\n",
		"\n   RIP = 10.0.0.11, RPORT = 80, WEIGHT = 2 EFF WEIGHT = 1\n   forwarding method = DR\n", "\n   alive = 1\n",
		"\n [192.0.2.100]:tcp:80 -> [10.0.0.11]:tcp:80\n   Alpha = no\n   Delay loop = 6000000 us\n",
		"\n   Keepalive method = HTTP_GET, http protocol 1.0\n", "\n   Checked url = /health\n     HTTP Status Code(s)\n       200\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

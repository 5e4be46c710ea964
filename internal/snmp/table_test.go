package snmp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/agentx"
	"keepgo/internal/dump"
	"keepgo/internal/ha"
	"keepgo/internal/lb"
	"keepgo/internal/notify"
	"keepgo/internal/status"
	core "keepgo/vrrp"

	"testing/fstest"
)

const conf = `
global_defs {
    router_id R
    enable_snmp_vrrp
    enable_snmp_rfc
    notification_email {
        a@example.net
    }
}
vrrp_instance V9 {
    state MASTER
    interface eth9
    virtual_router_id 9
    priority 100
    version 2
    virtual_ipaddress {
        10.0.0.200
        10.0.0.3/24
    }
    track_interface {
        eth2 weight 5
    }
}
vrrp_instance V2 {
    interface eth2
    virtual_router_id 1
    version 3
    notify "/bin/true"
    virtual_ipaddress {
        10.0.0.4
    }
}
`

func load(t *testing.T, text string) World {
	t.Helper()
	cfg, list := confparse.Load(fstest.MapFS{"f": {Data: []byte(text)}}, "f", syntax.Env{})
	if cfg == nil {
		t.Fatal(list)
	}
	return World{Config: cfg, Plan: ha.Build(cfg), HostName: "h", Status: &status.Status{Version: "v1", Asked: time.Unix(1000, 0)}}
}

func world(t *testing.T) World {
	t.Helper()
	w := load(t, conf)
	up := w.Status.Asked.Add(-3 * time.Second)
	w.Links = []dump.Link{{Name: "eth2", Index: 2, MAC: "02:00:00:00:00:af"}, {Name: "eth9", Index: 9}}
	w.Status.Instances = []status.Instance{
		{Name: "V9", State: "MASTER", Want: "MASTER", Priority: 100, Standing: true, Up: &up, Source: "10.0.0.1", Reason: "received advert with lower priority"},
		{Name: "V2", State: "BACKUP", Want: "BACKUP", Master: "10.0.0.7"},
	}
	return w
}

// walk is everything, by GetNext.
func walk(t *testing.T, m *MIB) (list []string) {
	t.Helper()
	at := agentx.OID{1}
	for {
		b, found := m.Next(at, false)
		if !found {
			return list
		}
		if b.Name.Compare(at) <= 0 {
			t.Fatalf("%s follows %s", b.Name, at)
		}
		if again, _ := m.Next(b.Name, true); again.Name.Compare(b.Name) != 0 {
			t.Errorf("%s is not the next one of itself", b.Name)
		}
		if v := m.Get(b.Name); fmt.Sprint(v) != fmt.Sprint(b.Value) {
			t.Errorf("%s is %v, and %v when it is asked for", b.Name, b.Value, v)
		}
		list, at = append(list, b.Name.String()+" "+short(b.Value)), b.Name
	}
}

func short(v agentx.Value) string {
	if v.Text != nil {
		return fmt.Sprintf("%q", v.Text)
	}
	return fmt.Sprint(int64(v.Number))
}

func TestWalk(t *testing.T) {
	const k, v2, v3 = "1.3.6.1.4.1.9586.100.5.", "1.3.6.1.2.1.68.", "1.3.6.1.2.1.207."
	list := walk(t, New(world(t)))
	for _, want := range []string{
		k + `1.1.0 "Keepalived v1"`, k + `1.3.5.1.2.1 "a@example.net"`, k + `1.11.0 2`,
		k + `2.3.1.2.1 "V9"`, k + `2.3.1.5.1 2`, k + `2.3.1.4.2 1`, k + `2.3.1.12.1 1`, k + `2.3.1.12.2 100`, k + `2.3.1.26.2 "'/bin/true'"`,
		k + `2.4.1.1.1.1 "eth2"`, k + `2.6.1.3.1.2 "\n\x00\x00\x03"`, k + `2.6.1.10.1.1 1`, k + `2.6.1.10.2.1 2`,
		v2 + "1.3.1.3.9.9 3", v2 + `1.3.1.7.9.9 "\n\x00\x00\x01"`, v2 + "1.3.1.13.9.9 300", v2 + "1.4.1.2.9.9.10.0.0.3 1",
		v3 + `1.1.1.1.3.2.1.1 "\n\x00\x00\a"`, v3 + `1.1.1.1.5.2.1.1 "\x02\x00\x00\x00\x00\xaf"`, v3 + "1.1.1.1.6.2.1.1 2", v3 + "1.2.5.1.2.9.9.1 2",
	} {
		if !slices.Contains(list, want) {
			t.Errorf("%s is not told:\n%s", want, strings.Join(list, "\n"))
		}
	}
	for _, s := range list {
		if strings.HasPrefix(s, v2+"1.3.1.3.2.") || strings.HasPrefix(s, k+"2.3.1.26.1 ") {
			t.Errorf("%s is told", s)
		}
	}
}

const lvs = `
global_defs {
    router_id R
    enable_snmp_checker
    lvs_timeouts tcp 100
}
virtual_server_group GR {
    10.0.0.70 80
    10.0.0.71-75 81
    fwmark 5
}
virtual_server 10.0.0.100 80 {
    lvs_sched sh
    sh-port
    protocol TCP
    snmp_name "web site"
    sorry_server 10.0.0.99 80
    real_server 10.0.0.21 8080 {
        weight 3
        snmp_name one
        TCP_CHECK {
            connect_timeout 2
        }
    }
    real_server 10.0.0.22 8080 {
    }
}
virtual_server group GR {
    lvs_sched mh
    lvs_method TUN type gue port 6000 csum
    real_server 10.0.0.23 80 {
    }
}
`

func balancing(t *testing.T) World {
	t.Helper()
	w := load(t, lvs)
	w.Status.Services = []status.Service{{
		Name: "[10.0.0.100]:tcp:80", Up: true,
		Traffic: &status.Traffic{Connections: 1<<32 + 7, PacketsIn: 1<<32 + 8, Rates: &status.Rates{BytesOut: 1<<32 + 9}},
		Servers: []status.Server{
			{Name: "[10.0.0.21]:tcp:8080", Up: true, Weight: 3, Traffic: &status.Traffic{Active: 4, Persistent: 2}},
			{Name: "[10.0.0.22]:tcp:8080", Checks: []status.Check{{}}},
		},
	}}
	return w
}

func TestServers(t *testing.T) {
	const k = "1.3.6.1.4.1.9586.100.5.3."
	list := walk(t, New(balancing(t)))
	for _, want := range []string{
		k + `1.1.2.1 "GR"`, k + "2.1.2.1.1 1", k + "2.1.3.1.1 5", k + "2.1.2.1.2 2", k + `2.1.7.1.3 "\n\x00\x00K"`,
		k + "3.1.2.1 2", k + "3.1.2.2 3", k + `3.1.3.2 "GR"`, k + "3.1.9.1 8", k + "3.1.54.1 1", k + "3.1.20.1 2", k + "3.1.21.1 1", k + `3.1.71.1 "web site"`,
		k + "3.1.27.1 4294967295", k + "3.1.28.1 8", k + "3.1.38.1 4294967303", k + "3.1.49.1 9", k + "3.1.50.1 1", k + "3.1.69.2 6000",
		k + "4.1.2.1.1 2", k + "4.1.6.1.2 1", k + "4.1.6.1.3 2", k + "4.1.7.1.2 3", k + "4.1.13.1.3 1", k + "4.1.15.1.2 4", k + "4.1.17.1.2 2", k + `4.1.55.1.2 "one"`,
		k + "6.1.0 2", k + "7.1.0 100",
	} {
		if !slices.Contains(list, want) {
			t.Errorf("%s is not told:\n%s", want, strings.Join(list, "\n"))
		}
	}
}

func TestServerNotifications(t *testing.T) {
	m := New(balancing(t))
	for _, c := range []struct {
		edge lb.Edge
		want string
	}{
		{lb.Edge{Service: "[10.0.0.100]:tcp:80", Server: "[10.0.0.22]:tcp:8080"}, `3.5.0.1 [3.4.1.3 1 3.4.1.4 "\n\x00\x00\x16" 3.4.1.5 8080 3.4.1.6 2 ` +
			`3.3.1.2 2 3.3.1.5 1 3.3.1.6 "\n\x00\x00d" 3.3.1.7 80 3.3.1.8 1 3.3.1.21 1 3.3.1.20 2 1.2.0 "R"]`},
		{lb.Edge{Service: "[GR]:0", Up: true}, `3.5.0.2 [3.3.1.2 3 3.3.1.3 "GR" 3.3.1.8 2 3.3.1.23 1 3.3.1.22 1 3.3.1.21 0 3.3.1.20 1 1.2.0 "R"]`},
		{lb.Edge{Service: "[GR]:0", Ending: true, Left: 5, Quiet: true}, `3.5.0.2 [3.3.1.2 3 3.3.1.3 "GR" 3.3.1.8 2 3.3.1.23 3 3.3.1.22 1 3.3.1.21 5 3.3.1.20 1 1.2.0 "R"]`},
		{lb.Edge{Service: "[10.0.0.100]:tcp:80", OfCheck: true}, " []"},
		{lb.Edge{Service: "nobody"}, " []"},
	} {
		if got := trapOf(m.Server(c.edge)); got != c.want {
			t.Errorf("%+v is %s, want %s", c.edge, got, c.want)
		}
	}
}

func TestOnlyWhatIsAskedFor(t *testing.T) {
	w := world(t)
	w.Config.Global.SNMP = confparse.SNMP{RFCv3: true}
	for _, s := range walk(t, New(w)) {
		if !strings.HasPrefix(s, "1.3.6.1.2.1.207.") {
			t.Errorf("%s is told", s)
		}
	}
	if list := Trees(&w.Config.Global.SNMP); len(list) != 1 || list[0].String() != "1.3.6.1.2.1.207" {
		t.Errorf("trees %v", list)
	}
	if list := Trees(&confparse.SNMP{Traps: true}); list != nil {
		t.Errorf("of traps alone the trees are %v", list)
	}
	if v := New(w).Get(global.Add(1, 0)); v.Kind != agentx.NoSuchObject {
		t.Errorf("what is not served is %v", v)
	}
}

func TestNotifications(t *testing.T) {
	for _, c := range []struct {
		edge notify.Edge
		want string
	}{
		{notify.Edge{Kind: "INSTANCE", Name: "V", State: "MASTER"}, `2.10.0.2 [2.3.1.2 "V" 2.3.1.4 2 2.3.1.5 1 1.2.0 "R"]`},
		{notify.Edge{Kind: "GROUP", Name: "G", State: "STOP"}, `2.10.0.1 [2.1.1.2 "G" 2.1.1.3 5 1.2.0 "R"]`},
		{notify.Edge{Kind: "INSTANCE", Name: "V", State: "MASTER", Again: true}, " []"},
		{notify.Edge{Kind: "INSTANCE", Name: "V", State: "MASTER_RX_LOWER_PRI"}, " []"},
	} {
		if got := trapOf(Change(c.edge, false, "R")); got != c.want {
			t.Errorf("%+v is %s, want %s", c.edge, got, c.want)
		}
	}
	m := New(world(t))
	for got, want := range map[string]string{
		trapOf(m.NewMaster2("V9")):                                  `1.3.6.1.2.1.68.0.1 [1.3.6.1.2.1.68.1.3.1.7.9.9 "\n\x00\x00\x01"]`,
		trapOf(m.NewMaster2("V2")):                                  " []",
		trapOf(m.NewMaster3("V9", "Receive advertisement timeout")): `1.3.6.1.2.1.207.0.1 [1.3.6.1.2.1.207.1.1.1.1.3.9.9.1 "\n\x00\x00\x01" 1.3.6.1.2.1.207.1.2.5.1.2.9.9.1 3]`,
		trapOf(m.NewMaster3("nobody", "")):                          " []",

		trapOf(m.AuthFailure(Fault{"V9", core.ErrAuthFailure, "10.0.0.7"})):  `1.3.6.1.2.1.68.0.2 [1.3.6.1.2.1.68.1.5.9.9 "\n\x00\x00\a" 1.3.6.1.2.1.68.1.6.9.9 3]`,
		trapOf(m.AuthFailure(Fault{"V9", core.ErrAuthMismatch, "10.0.0.7"})): `1.3.6.1.2.1.68.0.2 [1.3.6.1.2.1.68.1.5.9.9 "\n\x00\x00\a" 1.3.6.1.2.1.68.1.6.9.9 2]`,
		trapOf(m.AuthFailure(Fault{"V2", core.ErrAuthFailure, "10.0.0.7"})):  " []",
		trapOf(m.AuthFailure(Fault{"V9", core.ErrTTL, "10.0.0.7"})):          " []",
		trapOf(m.ProtoError(Fault{"V2", core.ErrChecksum, "10.0.0.7"})):      `1.3.6.1.2.1.207.0.2 [1.3.6.1.2.1.207.1.2.5.1.6.2.1.1 3]`,
		trapOf(m.ProtoError(Fault{"V9", core.ErrVersion, "10.0.0.7"})):       `1.3.6.1.2.1.207.0.2 [1.3.6.1.2.1.207.1.2.5.1.6.9.9.1 2]`,
		trapOf(m.ProtoError(Fault{"V9", core.ErrAuthFailure, "10.0.0.7"})):   " []",
		trapOf(m.ProtoError(Fault{"nobody", core.ErrTTL, ""})):               " []",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func trapOf(trap Trap) string {
	var list []string
	for _, b := range trap.Objects {
		list = append(list, strings.TrimPrefix(b.Name.String(), Keepalived.String()+".")+" "+short(b.Value))
	}
	return strings.TrimPrefix(trap.OID.String(), Keepalived.String()+".") + " [" + strings.Join(list, " ") + "]"
}

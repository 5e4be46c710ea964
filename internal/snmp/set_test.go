package snmp

import (
	"fmt"
	"testing"

	"keepgo/internal/agentx"
)

const served = conf + `
global_defs {
    enable_snmp_checker
}
virtual_server 10.0.1.1 80 {
    protocol TCP
    sorry_server 10.0.1.9 80
    real_server 10.0.1.2 80 {
        weight 3
    }
    real_server 10.0.1.3 80 {
    }
}
`

func TestSet(t *testing.T) {
	m, off := New(load(t, served)), New(load(t, "vrrp_instance V9 {\n interface eth0\n virtual_router_id 1\n}\n"))
	for _, c := range []struct {
		object string // below KEEPALIVED-MIB
		value  agentx.Value
		want   string
	}{
		{"2.3.1.7.1", agentx.Int(100), "{0 V9   100} 0"}, {"2.3.1.7.2", agentx.Int(255), "{0 V2   255} 0"}, {"2.3.1.13.2", agentx.Int(2), "{1 V2   2} 0"},
		{"2.3.1.7.1", agentx.Int(0), "10"}, {"2.3.1.7.1", agentx.Int(256), "10"}, {"2.3.1.7.1", agentx.Int(-1), "10"}, {"2.3.1.7.1", agentx.Gauge(5), "7"},
		{"2.3.1.7.1", agentx.Text("5"), "7"}, {"2.3.1.7.3", agentx.Int(5), "17"}, {"2.3.1.7.0", agentx.Int(5), "17"}, {"2.3.1.7", agentx.Int(5), "17"},
		{"2.3.1.7.1.1", agentx.Int(5), "17"}, {"2.3.1.7.4294967295", agentx.Int(5), "17"}, {"2.3.1.13.1", agentx.Int(3), "10"},
		{"2.3.1.27.1", agentx.Int(1), "17"}, {"2.3.1.27.2", agentx.Int(1), "6"}, {"2.3.1.27", agentx.Int(1), "17"}, {"2.3.1.28.1", agentx.Int(1), "17"}, {"1", agentx.Int(1), "17"},
		{"3.4.1.7.1.2", agentx.Int(9), "{2  [10.0.1.1]:tcp:80 [10.0.1.2]:tcp:80 9} 0"}, {"3.4.1.7.1.3", agentx.Int(65535), "{2  [10.0.1.1]:tcp:80 [10.0.1.3]:tcp:80 65535} 0"},
		{"3.4.1.7.1.2", agentx.Int(65536), "10"}, {"3.4.1.7.1.2", agentx.Int(-1), "10"}, {"3.4.1.7.1.2", agentx.Gauge(1), "7"}, {"3.4.1.7.1.1", agentx.Int(1), "17"},
		{"3.4.1.7.1.4", agentx.Int(1), "17"}, {"3.4.1.7.2.1", agentx.Int(1), "17"}, {"3.4.1.7.0.1", agentx.Int(1), "17"}, {"3.4.1.7.1", agentx.Int(1), "17"}, {"3.4.1.8.1.2", agentx.Int(1), "17"},
	} {
		b := agentx.Bind{Name: agentx.MustOID(Keepalived.String() + "." + c.object), Value: c.value}
		s, fault := m.Set(b)
		got := fmt.Sprint(fault)
		if fault == 0 {
			got = fmt.Sprint(s, fault)
		}
		if got != c.want || m.Test(b) != fault {
			t.Errorf("%s to %v: %s, want %s", c.object, c.value, got, c.want)
		}
		if fault := off.Test(b); fault != agentx.NotWritable {
			t.Errorf("%s to %v without the tables: %d", c.object, c.value, fault)
		}
	}
}

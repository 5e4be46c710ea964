package ha

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
	"keepgo/internal/status"
)

// changes are those of a preview, a line each.
func changes(list []status.Change) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%s %s %q %q %q\n", c.Name, c.What, c.Details, c.Kernel, c.Traffic)
	}
	return b.String()
}

func TestPreview(t *testing.T) {
	before := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1), instance("VI_2", 2), instance("VI_3", 3)}}
	is := []status.Instance{{Name: "VI_1", State: "MASTER", Priority: 100, Peers: []status.Peer{{Address: "10.0.0.2", Priority: 90, Heard: &time.Time{}}}},
		{Name: "VI_2", State: "BACKUP", Priority: 100, Master: "10.0.0.2", Heard: status.Heard{Priority: 120}}, {Name: "VI_3", State: "MASTER", Priority: 100}}
	plan := Build(before)
	same(t, changes(plan.Preview(Build(before), is)), "")

	one, two := instance("VI_1", 1), instance("renamed", 2)
	one.Priority = 50
	one.Addresses = append(one.Addresses, confparse.Address{Prefix: netip.MustParsePrefix("10.0.0.77/24"), Interface: "eth0"})
	one.Addresses[0].Prefix = netip.MustParsePrefix("10.0.0.78/24")
	two.AdvertInt = 5 * time.Second
	after := &confparse.Config{Instances: []*confparse.Instance{one, two, instance("VI_4", 4)}}
	got := changes(plan.Preview(Build(after), is))
	for _, want := range []string{
		`VI_3 removed [] ["remove address `,
		`"it says priority 0 `,
		`VI_1 changed ["priority 100 -> 50"] ["remove address `,
		`"add address 10.0.0.78/24 dev `, `"add address 10.0.0.77/24 dev `,
		`"connections to `,
		`"10.0.0.2 had priority 90 when it was heard: it takes over, unless it has nopreempt"`,
		`renamed changed ["name VI_2 -> renamed" "advert_int `,
		`VI_4 added `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s in\n%s", want, got)
		}
	}

	secret := instance("VI_1", 1)
	secret.AuthType, secret.AuthPass = confparse.AuthPass, "geheim"
	got = changes(plan.Preview(Build(&confparse.Config{Instances: []*confparse.Instance{secret, instance("VI_2", 2), instance("VI_3", 3)}}), is))
	if strings.Contains(got, "geheim") || !strings.Contains(got, "both are MASTER meanwhile") {
		t.Errorf("another password is told as\n%s", got)
	}
}

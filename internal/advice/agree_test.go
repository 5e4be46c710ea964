package advice_test

import (
	"strings"
	"testing"

	"keepgo/internal/advice"
)

// TestAgreement: what differs between two directors without harm is not in it,
// and what harms is, by its name.
func TestAgreement(t *testing.T) {
	const v2 = "vrrp_instance %N {\n interface %I\n virtual_router_id 51\n priority %P\n advert_int 1\n authentication {\n  auth_type PASS\n  auth_pass secret\n }\n" +
		" virtual_ipaddress {\n  192.0.2.1/24\n  192.0.2.2/24\n }\n}\n"
	make := func(pairs ...string) string {
		return strings.NewReplacer(append(pairs, "%N", "A", "%I", "eth0", "%P", "100")...).Replace(v2 + service("", tcp))
	}
	agree := func(text string) map[string]string { return advice.Agreement(file(t, "x", text).Config) }
	want := agree(make())
	same := agree(make("%N", "OTHER", "%I", "bond0", "%P", "50", "  192.0.2.1/24\n  192.0.2.2/24\n", "  192.0.2.2/24\n  192.0.2.1/24\n"))
	if advice.Digest(same) != advice.Digest(want) || len(want) < 6 {
		t.Errorf("what may differ does:\n%v\n%v", want, same)
	}
	for name, pair := range map[string][2]string{
		"virtual router 51 IPv4: advert_int":     {"advert_int 1", "advert_int 2"},
		"virtual router 51 IPv4: addresses":      {"192.0.2.2/24", "192.0.2.3/24"},
		"virtual router 51 IPv4: authentication": {"auth_type PASS", "auth_type AH"},
		"virtual_server 192.0.2.1 80 TCP":        {"lb_algo rr", "lb_algo wrr"},
	} {
		got := agree(make(pair[0], pair[1]))
		var differ []string
		for k := range got {
			if got[k] != want[k] {
				differ = append(differ, k)
			}
		}
		if len(differ) != 1 || differ[0] != name || advice.Digest(got) == advice.Digest(want) {
			t.Errorf("%v changes %q, want %q", pair, differ, name)
		}
	}
	for _, value := range want {
		if strings.Contains(value, "secret") {
			t.Errorf("the password is in %q", value)
		}
	}
	if advice.Digest(agree(make("secret", "other"))) != advice.Digest(want) {
		t.Error("the digest depends on the password, so that it can be guessed at")
	}
}

package advice_test

import (
	"fmt"
	"strings"
	"testing"

	"keepgo/internal/advice"
)

// TestForesee: what an instance will do is told in one line, and what its
// weights will not do is a surprise.
func TestForesee(t *testing.T) {
	group := "vrrp_sync_group VG {\n group {\n  A\n }\n%s}\n"
	for _, c := range []struct {
		name, text string
		surprise   bool
		says       []string
	}{
		{"plain", instance("A", 1, "eth0", " priority 150\n"), false,
			[]string{"priority 150: takes over from a silent master after 3.414 s, and from one of lower priority just so", "FAULT, and the address goes, while link eth0 is down"}},
		{"weight", fmt.Sprintf(script, -20, "") + instance("A", 1, "eth0", tracked), false,
			[]string{"track_script chk (weight -20) fails: priority 100 to 80, a peer of 81 or more takes over, unless it has nopreempt"}},
		{"weight and nopreempt", fmt.Sprintf(script, -20, "") + instance("A", 1, "eth0", " nopreempt\n"+tracked), true,
			[]string{"never from a living one (nopreempt): the address stays where it went", "a peer of 81 or more takes over only if it, unlike this, has no nopreempt"}},
		{"fault and nopreempt", fmt.Sprintf(script, 0, "") + instance("A", 1, "eth0", " nopreempt\n"+tracked), false,
			[]string{"while link eth0 is down or track_script chk fails"}},
		{"delay", instance("A", 1, "eth0", " preempt_delay 30\n"), false, []string{"from one of lower priority 30 s later (preempt_delay)"}},
		{"state MASTER", instance("A", 1, "eth0", " state MASTER\n priority 100\n"), false, []string{"at its start after 1.004 s already (state MASTER)"}},
		{"owner", instance("A", 1, "eth0", " priority 255\n"), false, []string{"owner of the address, which it takes from anyone"}},
		{"group without weights", fmt.Sprintf(script, -20, "") + fmt.Sprintf(group, "") + instance("A", 1, "eth0", tracked), true,
			[]string{"with all of vrrp_sync_group VG", "track_script chk has no weight in vrrp_sync_group VG without sync_group_tracking_weight"}},
		{"cut weight", fmt.Sprintf(script, 10, "") + instance("A", 1, "eth0", " priority 254\n"+tracked), true,
			[]string{"track_script chk (weight 10) changes nothing: the priority is cut to 1-254"}},
		{"file", "track_file load {\n file /tmp/load\n}\n" + instance("A", 1, "eth0", " track_file {\n  load weight 2\n }\n"), false,
			[]string{"track_file load moves the priority by its number x 2"}},
		{"file in a group", "track_file load {\n file /tmp/load\n}\n" + fmt.Sprintf(group, "") + instance("A", 1, "eth0", " track_file {\n  load\n }\n"), false,
			[]string{"track_file load is not 0"}},
	} {
		list := advice.Foresee(file(t, "a.conf", c.text))
		if len(list) != 1 || list[0].Name != "A" || list[0].Surprise != c.surprise || strings.Contains(list[0].Text, "\n") {
			t.Errorf("%s: %+v", c.name, list)
			continue
		}
		for _, want := range c.says {
			if !strings.Contains(list[0].Text, want) {
				t.Errorf("%s: %q does not say %q", c.name, list[0].Text, want)
			}
		}
	}
}

// TestDroppedAdverts: lists that differ make two masters only where adverts with
// other addresses are dropped.
func TestDroppedAdverts(t *testing.T) {
	for _, drops := range []bool{false, true} {
		more := ""
		if drops {
			more = " vip_mismatch drop\n"
		}
		b := strings.Replace(instance("A", 1, "eth0", more), "192.0.2.1/24", "192.0.2.1/24\n  192.0.2.2/24", 1)
		r := advice.Compare(file(t, "a.conf", instance("A", 1, "eth0", "")), file(t, "b.conf", b))
		if split := r.Contests[0].Split; (split != "") != drops {
			t.Errorf("drops %v: split %q", drops, split)
		}
	}
}

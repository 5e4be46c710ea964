package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKilledDirectorSaysGoodbye: a director whose processes were all killed takes
// the addresses that it left away when it starts again, and only then has the one
// that took over announce them again. It does not come back: nopreempt.
func TestKilledDirectorSaysGoodbye(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived takes them away and says nothing")
	for name, global := range map[string]string{"ours": "", "like keepalived": "like_keepalived"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ours, ours)
			for d, priority := range map[*director]int{w.a: 150, w.b: 100} {
				d.configure(fmt.Sprintf("global_defs {\n%s\n}\nvrrp_instance VI_1 {\n interface eth0\n version 3\n nopreempt\n virtual_router_id 51\n priority %d\n"+
					" advert_int 1\n virtual_ipaddress {\n 10.0.0.100/24\n }\n}\n", global, priority))
			}
			w.a.start()
			w.a.tells("MASTER", "status")
			w.b.start()
			w.b.tells("BACKUP", "status")
			w.do(w.a.KillAll())
			w.eventually("both have the address", func() bool { return w.a.Holds(vip4) && w.b.Holds(vip4) })
			since := time.Now()
			w.a.start()
			w.a.logs("Entering BACKUP STATE (init)")
			w.eventually("one has it", func() bool { return !w.a.Holds(vip4) && w.b.Holds(vip4) })
			if name != "ours" {
				w.moreAdverts(w.b, 5)
				if slices.ContainsFunc(w.said(w.a, since), isGoodbye) {
					t.Error("it said goodbye")
				}
				return
			}
			w.a.logs("addresses that an earlier process left are gone")
			w.b.logs("sent priority 0")
			w.moreAdverts(w.b, 5)
			said := w.said(w.a, since)
			if len(said) != 1 || !isGoodbye(said[0]) {
				t.Errorf("it said %v", said)
			}
			if strings.Contains(w.b.proc.Log(), "BACKUP STATE\n") {
				t.Error("the other one gave up")
			}
		})
	}
}

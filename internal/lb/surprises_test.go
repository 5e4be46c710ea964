package lb

import (
	"strings"
	"testing"
	"time"
)

func TestSurprises(t *testing.T) {
	says := func(p *Plan, nodest, template, reuse string) string {
		values := map[string]string{"expire_nodest_conn": nodest, "expire_quiescent_template": template, "conn_reuse_mode": reuse}
		all := p.Surprises(func(name string) string { return values[name] })
		for i := range all {
			_, all[i], _ = strings.Cut(all[i], "lvs_")
			all[i], _, _ = strings.Cut(all[i], "'")
		}
		return strings.Join(all, ", ")
	}
	leaves := plan(t, vs(1, rs(1, 1, tcp()), rs(2, 1)))
	expect(t, "kernel's", says(leaves, "0", "0", "1"), "expire_nodest_conn on")
	expect(t, "all good", says(leaves, "1", "0", "1"), "")
	expect(t, "no IPVS", says(leaves, "", "", ""), "")
	expect(t, "reuse", says(leaves, "1", "1", "0"), "conn_reuse_mode 1")
	stays := rs(1, 1, tcp())
	stays.Inhibit = true
	v := vs(1, stays)
	expect(t, "inhibited", says(plan(t, v), "0", "0", "1"), "")
	v.Persistence = time.Minute
	expect(t, "and persistent", says(plan(t, v), "0", "0", "1"), "expire_quiescent_template on")
	expect(t, "unchecked", says(plan(t, vs(1, rs(1, 1))), "0", "0", "1"), "")
}

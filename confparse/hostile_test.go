package confparse_test

import (
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// mostPerByte is what a byte of text may cost in memory over time. Less than a
// third of it is in use at once: lists grow by doubling, and text whose braces
// do not match is read twice.
const mostPerByte = 300

// TestHostile: no text costs more memory than a fixed multiple of its length,
// and none more than a fixed number of findings.
func TestHostile(t *testing.T) {
	const size = 400 << 10
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	numbered := func(format func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			b.WriteString(format(i))
		}
		return b.String()
	}
	digits := func(i int) string { return strings.Repeat("x", i%7) + string(rune('a'+i%26)) }
	for name, text := range map[string]string{
		"unknown":      fill("unknown\n"),
		"blocks":       fill("unknown {\n"),
		"closed":       fill("a {\n}\n"),
		"deep":         fill("global_defs {\n"),
		"braces":       fill("{"),
		"one line":     "vrrp_instance " + fill("x "),
		"one word":     "router_id " + fill("x"),
		"one quote":    `a "` + fill("x"),
		"addresses":    instance("virtual_ipaddress {\n" + fill("10.0.0.1/24\n") + "}"),
		"options":      instance("virtual_ipaddress {\n10.0.0.1/24 " + fill("dev eth0 ") + "\n}"),
		"trackers":     instance("track_script {\n" + numbered(func(i int) string { return digits(i) + "\n" }) + "}"),
		"peers":        instance("unicast_peer {\n" + fill("10.0.0.1\n") + "}"),
		"instances":    fill("vrrp_instance a {\n}\n"),
		"groups":       "vrrp_sync_group g {\ngroup {\n" + fill("a ") + "\n}\n}\n",
		"services":     fill("virtual_server 10.0.0.1 80 {\n}\n"),
		"servers":      "virtual_server 10.0.0.1 80 {\n" + fill("real_server 10.0.0.1 80 {\n}\n") + "}\n",
		"checks":       "virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.1 80 {\n" + fill("TCP_CHECK {\n}\n") + "}\n}\n",
		"urls":         server("HTTP_GET {\n" + fill("url {\n}\n") + "}"),
		"hosts":        server("SMTP_CHECK {\n" + fill("host {\n}\n") + "}"),
		"group lines":  "virtual_server_group g {\n" + fill("10.0.0.1-255 80\n") + "}\n",
		"codes":        server("HTTP_GET {\nurl {\npath /\nstatus_code " + fill("200 ") + "\n}\n}"),
		"pattern":      server("UDP_CHECK {\nrequire_reply \"" + fill("x ") + "\"\n}"),
		"processors":   "global_defs {\nvrrp_cpu_affinity " + fill("1 ") + "\n}\n",
		"keys":         instance("auth_hmac {\n" + fill("key 1 "+strings.Repeat("k", 32)+"\n") + "}"),
		"command":      instance("notify \"" + fill("a ") + "\""),
		"processes":    fill("vrrp_track_process p {\nprocess a b c\n}\n"),
		"routes":       "static_routes {\n" + fill("10.0.0.0/8 via 10.0.0.1 dev eth0\n") + "}\n",
		"sync":         "global_defs {\nlvs_sync_daemon eth0 " + fill("id 1 ") + "\n}\n",
		"definitions":  fill("$A=$A\n"),
		"references":   fill("$A\n"),
		"conditions":   fill("@a b\n"),
		"repeated set": "global_defs {\n" + numbered(func(i int) string { return "router_id " + digits(i) + "\n" }) + "}\n",
		"not a number": "vrrp_instance a {\n" + fill("priority x\n") + "}\n",
	} {
		fsys := fstest.MapFS{"k.conf": {Data: []byte(text)}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, errs := confparse.Load(fsys, "k.conf", syntax.Env{})
		runtime.ReadMemStats(&after)
		cost := (after.TotalAlloc - before.TotalAlloc) / uint64(len(text))
		t.Logf("%-13s %3d bytes for a byte, %d findings", name, cost, len(errs))
		if cost > mostPerByte {
			t.Errorf("%s: %d bytes of memory for a byte of text", name, cost)
		}
		if len(errs) > 4100 {
			t.Errorf("%s: %d findings", name, len(errs))
		}
	}
}

// TestExplosion: a loop that would make more lines than anybody wants ends
// with a finding, and soon.
func TestExplosion(t *testing.T) {
	for _, text := range []string{
		"~SEQ(i, 1, 2000000000) vrrp_instance a$i {\n",
		"~SEQ(i, 1, 100000) ~SEQ(j, 1, 100000) x $i $j\n",
		"$A=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n~SEQ(i, 1, 100000) x $A $A $A $A $A $A $A $A $A\n",
		"include k.conf\n", "include *.conf\n", "include {k,k,k,k}.conf\n",
	} {
		fsys := fstest.MapFS{"k.conf": {Data: []byte(text)}}
		cfg, errs := confparse.Load(fsys, "k.conf", syntax.Env{MaxExpansion: 20_000})
		if cfg == nil || errs.Count(syntax.Failure) == 0 || len(errs) > 4100 {
			t.Errorf("%q: %d findings", text, len(errs))
		}
	}
}

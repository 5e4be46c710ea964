package integration

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"keepgo/internal/traffic"
)

// ended is the report of a drill of traffic that is told to end.
func (f *course) ended(p interface {
	Signal(os.Signal) error
	Err() error
	Log() string
}) (r traffic.Report) {
	f.t.Helper()
	f.do(p.Signal(os.Interrupt))
	_ = p.Err()
	if err := json.Unmarshal([]byte(p.Log()), &r); err != nil {
		f.t.Fatalf("%v: %s", err, p.Log())
	}
	return r
}

// TestTraffic: the drill of traffic sees the weights, the death of a server as
// failures and as shares, and the death of all as a silence. It is alone: each
// answer counts.
func TestTraffic(t *testing.T) {
	f := newCourse(t, "nftables", forwardings[1])
	f.configure()
	begin := time.Now()
	f.a.start()
	f.b.start()
	f.becomesMaster(f.a, vip4, begin)
	f.answers()
	ask := []string{keepgo, "drill", "traffic", vip4.String(), "--rate", "50", "--timeout", "1s", "--json"}

	healthy := must(f.client.Start(append(ask, "--for", "3s", "--timeout", "10s")...))(t)
	if err := healthy.Err(); err != nil {
		t.Fatalf("of a healthy service: %v\n%s", err, healthy.Log())
	}
	var r traffic.Report
	f.do(json.Unmarshal([]byte(healthy.Log()), &r))
	if len(r.Servers) != 3 || r.Failed != 0 || r.Target != "http://10.0.0.100:80/" || r.Latency.P50 == 0 {
		t.Errorf("of a healthy service: %+v", r)
	}
	for i, s := range r.Servers {
		if want := float64(i+1) / 6; s.Name != "web2"+string(rune('1'+i)) || s.Share < want-0.05 || s.Share > want+0.05 {
			t.Errorf("%s has a share of %.3f, want %.3f", s.Name, s.Share, want)
		}
	}

	p := must(f.client.Start(ask...))(t)
	f.servers[3].down()
	f.eventually("the dead server leaves", func() bool { return f.weight(f.a, 3) == 0 })
	f.servers[1].down()
	f.servers[2].down()
	silent := time.Now()
	f.eventually("all leave", func() bool { return f.weight(f.a, 1) == 0 && f.weight(f.a, 2) == 0 })
	silence := time.Since(silent)
	for n := range f.weights {
		f.servers[n].up(f.world)
	}
	f.answers()
	r = f.ended(p)
	answers := 0
	for _, s := range r.Servers {
		answers += s.Answers
	}
	if r.Failed == 0 || answers+r.Failed != r.Asked || len(r.Spells) == 0 || r.Silence.For < silence || len(r.Faults) == 0 {
		t.Errorf("all were dead for %v: %+v", silence, r)
	}

	own := must(f.a.Start(append(ask, "--for", "100ms")...))(t)
	if own.Err(); !strings.Contains(own.Log(), "10.0.0.100 is an address of this machine (eth0)") {
		t.Errorf("on the director itself: %s", own.Log())
	}
	f.mistakes()
}

// mistakes are command lines that ask nothing.
func (f *course) mistakes() {
	for line, want := range map[string]string{
		"": "one virtual address is needed", "x": `"x" is neither`, "10.0.0.100 --tcp": "--tcp needs a port", "10.0.0.100 --tcp --udp": "only one of",
		"10.0.0.100 --rate 0": "--rate 0 is not",
	} {
		p := must(f.client.Start(append([]string{keepgo, "drill", "traffic"}, strings.Fields(line)...)...))(f.t)
		if err := p.Err(); exit(err) != 2 || !strings.Contains(p.Log(), want) {
			f.t.Errorf("%s: %v\n%s", line, errors.Join(err), p.Log())
		}
	}
}

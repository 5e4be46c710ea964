package daemon

import (
	"net/netip"
	"testing"
	"time"

	"keepgo/checker"
	"keepgo/confparse"
	"keepgo/internal/lb"
)

// TestNews: a verdict that was known is no news for the parent, words are for
// later, and a server that turns is told at once.
func TestNews(t *testing.T) {
	plan, _ := lb.Build(&confparse.Config{VirtualServers: []*confparse.VirtualServer{{
		Addr: netip.MustParseAddr("10.0.0.100"), Port: 80, Protocol: confparse.TCP, Scheduler: "rr", Quorum: 1,
		Servers: []*confparse.RealServer{{Addr: netip.MustParseAddr("10.0.0.21"), Port: 80, Weight: 1,
			Checkers: []*confparse.Checker{{Kind: confparse.TCPCheck, Addr: netip.MustParseAddr("10.0.0.21"), Port: 80, Timeout: time.Second}}}},
	}}})
	up := &link[fromChild, toChild]{wake: make(chan struct{}, 1)}
	l := &lvsLoop{up: up, plane: &plane{lack: "none"}}
	l.node, _ = lb.NewNode(plan, nil)
	for _, tt := range []struct {
		what   string
		result checker.Result
		want   news
		sent   bool
	}{
		{"first words", checker.Result{Up: true, Why: "connected"}, smallNews, false},
		{"the server dies", checker.Result{Why: "refused"}, noNews, true},
		{"it is as it was", checker.Result{Why: "refused"}, noNews, false},
		{"it comes back within a second", checker.Result{Up: true, Why: "connected"}, bigNews, false},
	} {
		if tt.sent {
			l.turned = time.Time{}
		}
		l.judge([]checker.Result{tt.result}, nil)
		sent := false
		for batch, _ := up.take(); len(batch) > 0; batch = batch[1:] {
			sent = sent || batch[0].State != nil
		}
		if l.news != tt.want || sent != tt.sent {
			t.Errorf("%s: news %d, sent %v; want %d, %v", tt.what, l.news, sent, tt.want, tt.sent)
		}
	}
}

package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// session is a bfd_instance towards the other director.
func session(mine, its int, ipv6 bool) string {
	hops := ""
	if ipv6 {
		hops = "    hoplimit 255\n"
	}
	return fmt.Sprintf("bfd_instance peer {\n    source_ip %s\n    neighbor_ip %s\n    min_rx 100\n    min_tx 50\n    multiplier 5\n%s}\n",
		hostAddr(0, ipv6, mine), hostAddr(0, ipv6, its), hops)
}

// A session with keepgo or keepalived at the other end comes up, and goes down
// with the process there; an instance that tracks it follows.
func TestTrackedBFD(t *testing.T) {
	for _, other := range []daemon{ours, theirs} {
		for _, ipv6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s-%v", other, map[bool]string{false: "ipv4", true: "ipv6"}[ipv6]), func(t *testing.T) {
				t.Parallel()
				k := wire{version: 3}
				w := newWorld(t, ours, other)
				a, b := confA(k), confB(k)
				a.before, a.instance = session(1, 2, ipv6), "track_bfd {\n        peer\n    }"
				b.before = session(2, 1, ipv6)
				w.a.configure(a.String())
				w.b.configure(b.String())
				w.a.start()
				w.eventually("without the session there is FAULT", func() bool { return w.a.state() == "FAULT" })
				w.b.start()
				w.eventually("with the session the better one is MASTER", func() bool { return w.a.state() == "MASTER" })
				w.a.logs("(peer) Entering Up state")

				w.do(w.b.KillAll())
				w.eventually("with the session FAULT comes back", func() bool { return w.a.state() == "FAULT" })
				w.a.logs("(peer) Expired after 500 ms")
				w.a.logs("(peer) Entering Down state")
				for _, file := range w.b.pidFiles() {
					os.Remove(file)
				}
				w.b.start()
				w.eventually("and MASTER with the session", func() bool { return w.a.state() == "MASTER" })
			})
		}
	}
}

// sessionPair is a pair of ours with a session between them, which the better one
// tracks, when that is MASTER; and how often its session has come up.
func sessionPair(t *testing.T) (w *world, ups func() int) {
	t.Helper()
	k := wire{version: 3}
	w = newWorld(t, ours, ours)
	a, b := confA(k), confB(k)
	a.before, a.instance = session(1, 2, false), "track_bfd {\n        peer\n    }"
	b.before = session(2, 1, false)
	w.a.configure(a.String())
	w.b.configure(b.String())
	w.a.start()
	w.b.start()
	w.eventually("the better one is MASTER", func() bool { return w.a.state() == "MASTER" })
	return w, func() int { return strings.Count(w.a.proc.Log(), "(peer) Entering Up state") }
}

// What a killed BFD process knew holds until its follower knows better.
func TestKilledBFDProcess(t *testing.T) {
	t.Parallel()
	w, ups := sessionPair(t)
	before, since := ups(), time.Now()
	w.a.killFrom(w.a.pidFiles()[3])
	w.eventually("the session comes up again", func() bool { return ups() > before })
	if w.a.state() != "MASTER" || len(w.b.speaks(since)) > 0 {
		t.Errorf("the pair noticed: %s is %s, the other sent %d adverts", w.a.Name, w.a.state(), len(w.b.speaks(since)))
	}
}

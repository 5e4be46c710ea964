package integration

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

// A flood is sent at this rate, and for as long.
var (
	floodRate = flag.Int("floodrate", 50000, "packets a second of a flood")
	floodTime = flag.Duration("flood", time.Second, "how long each flood lasts")
)

// flood is what comes by tens of thousands a second, none of which counts.
type flood struct {
	name   string
	frames func(w *world) [][]byte
}

var floods = []flood{
	{"wrong checksums", func(w *world) [][]byte { return w.flooded(pdu{priority: 254, ruin: flip(34 + 6)}) }},
	{"another router", func(w *world) [][]byte { return w.flooded(pdu{vrid: 99, priority: 254}) }},
	{"truncated", func(w *world) (frames [][]byte) {
		for n := range 12 {
			frames = append(frames, w.flooded(pdu{priority: 254, cut: n + 1})...)
		}
		return frames
	}},
	{"of every kind", func(w *world) (frames [][]byte) {
		for _, m := range mutants {
			if !m.counts && m.conf == "" {
				m.pdu.priority = 254
				frames = append(frames, w.flooded(m.pdu)...)
			}
		}
		return frames
	}},
	{"random bytes", func(w *world) (frames [][]byte) {
		rng := rand.New(rand.NewPCG(1, 2))
		for range 256 {
			frames = append(frames, w.flooded(pdu{priority: 254, wrong: func(v []byte) []byte {
				for i := range v {
					if i != 1 { // its VRID: others do not come as far
						v[i] = byte(rng.Uint32())
					}
				}
				v[0] = 0x31
				return v
			}, ruin: flip(34 + 6)})...)
		}
		return frames
	}},
	{"its own adverts", func(w *world) [][]byte { return [][]byte{readdress(w, w.sniff.Adverts(time.Time{})[0].Frame)} }},
}

// lower is a flood of right adverts, of a lower priority: a MASTER answers, but
// not each of them.
var lower = flood{"lower priority", func(w *world) [][]byte { return w.flooded(pdu{priority: 10}) }}

// flooded is an advert from the client, for the first director alone: what
// floods all would flood the instruments as well.
func (w *world) flooded(p pdu) [][]byte {
	p.src = "10.0.0.9"
	return [][]byte{readdress(w, p.frame(w.client.MAC(lanLink), w.a.MAC(lanLink)))}
}

func readdress(w *world, frame []byte) []byte {
	b := append([]byte{}, frame...)
	copy(b, w.a.MAC(lanLink))
	copy(b[6:], w.client.MAC(lanLink))
	return b
}

// TestFlood floods a MASTER and a BACKUP. Neither changes its state, no advert
// is missing, and the memory stays what it was. It has the machine for itself.
func TestFlood(t *testing.T) {
	for _, role := range []string{"MASTER", "BACKUP"} {
		t.Run(role, func(t *testing.T) {
			k := wire{version: 3}
			w := newWorld(t, *subject, *subject)
			a, b := confA(k), confB(k)
			if role == "BACKUP" {
				a.priority, b.priority = 50, 100
				b.state, a.state = "MASTER", "BACKUP"
			}
			w.do(w.sniff.Ignore(w.client.MAC(lanLink)))
			w.a.configure(a.String())
			w.b.configure(b.String())
			begin := time.Now()
			master := w.a
			if role == "BACKUP" {
				master = w.b
				w.b.start()
				w.eventually("the master speaks", func() bool { return len(w.b.speaks(begin)) > 0 })
			}
			w.a.start()
			w.eventually("the master speaks", func() bool { return len(master.speaks(begin)) > 5 })
			w.a.logs("Startup complete")
			in := must(w.client.Inject(lanLink))(t)
			for _, f := range floods {
				t.Run(f.name, func(t *testing.T) { w.endures(t, in, f, master, k.interval()) })
			}
			if role == "MASTER" {
				t.Run(lower.name, func(t *testing.T) { w.endures(t, in, lower, master, k.interval()) })
			}
			w.endures(t, in, floods[0], master, k.interval()) // memory, once warm
		})
	}
}

// endures floods the first director, and looks what it cost.
func (w *world) endures(t *testing.T, in *netlab.Injector, f flood, master *director, interval time.Duration) {
	t.Helper()
	pid := w.a.vrrpPID()
	states, rss, cpu, now := w.a.entered(), rssOf(t, pid), cpuOf(t, pid), time.Now()
	sent := must(in.Flood(f.frames(w), *floodRate, *floodTime))(t)
	took := time.Since(now)
	w.moreAdverts(master, 3)
	grown := rssOf(t, pid) - rss
	t.Logf("%d adverts and %d announcements", len(w.a.speaks(now)), len(w.sniff.ARPs(now)))
	t.Logf("%d packets in %v; longest silence of the master %v of %v; memory of the VRRP process %d KiB, %+d; processor %v",
		sent, took.Round(time.Millisecond), w.longestGap(master, now).Round(time.Millisecond), interval, rss, grown, cpuOf(t, pid)-cpu)
	if *subject != ours {
		return // its figures are for comparison
	}
	w.unbroken(master, interval, now)
	if its := w.other(master).speaks(now); len(its) > 0 {
		t.Errorf("%s spoke as MASTER", w.other(master).Name)
	}
	if s := w.a.entered(); s != states {
		t.Errorf("it changed its state:\n%s", w.a.proc.LogTail(10))
	}
	if grown > 8<<10 {
		t.Errorf("it grew by %d KiB", grown)
	}
}

// entered counts its changes of state.
func (d *director) entered() int { return strings.Count(d.proc.Log(), ") Entering ") }

// longestGap is the longest time between two adverts.
func (w *world) longestGap(d *director, since time.Time) (gap time.Duration) {
	last := since
	for _, at := range append(times(d.speaks(since)), time.Now()) {
		gap, last = max(gap, at.Sub(last)), at
	}
	return gap
}

// vrrpPID is the process that speaks VRRP.
func (d *director) vrrpPID() int {
	d.w.t.Helper()
	text := must(os.ReadFile(d.pidFiles()[1]))(d.w.t)
	return must(strconv.Atoi(strings.TrimSpace(string(text))))(d.w.t)
}

// rssOf is the resident memory of a process in KiB, proc(5).
func rssOf(t *testing.T, pid int) int {
	t.Helper()
	_, after, _ := strings.Cut(string(must(os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)))(t)), "VmRSS:")
	return must(strconv.Atoi(strings.Fields(after)[0]))(t)
}

// cpuOf is the processor time that it used, proc(5).
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	_, after, _ := strings.Cut(string(must(os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)))(t)), ") ")
	f := strings.Fields(after)
	ticks := must(strconv.Atoi(f[11]))(t) + must(strconv.Atoi(f[12]))(t) // utime, stime
	return time.Duration(ticks) * 10 * time.Millisecond
}

package vrrp

import (
	"testing"
	"time"
)

// healCases are pairs of routers; the priorities make every skew a number of
// ticks: 64, 128 and 192 are 3/4, 1/2 and 1/4 of a second.
var healCases = []struct {
	name    string
	a, b    Config
	tick    time.Duration
	freezes bool
	bound   time.Duration // within which every world settles
	winner  int           // who is master when both are well; -1: who was first
}{
	{"v2 preempt", config(2, 192), config(2, 64), sec / 4, false, 5 * sec, 0},
	{"v2 equal", config(2, 128), config(2, 128), sec / 4, false, 5 * sec, -1},
	{"v2 nopreempt", with(config(2, 192), nopreempt), with(config(2, 64), nopreempt), sec / 4, false, 5 * sec, -1},
	{"v2 preempt delay", with(config(2, 192), delay), config(2, 64), sec / 4, false, 9 * sec, 0},
	{"v2 strict answers", with(config(2, 192), quiet), with(config(2, 64), quiet), sec / 4, false, 5 * sec, 0},
	{"v2 talkative", with(config(2, 192), talkative), with(config(2, 64), talkative), sec / 4, false, 5 * sec, 0},
	{"v2 last word", with(config(2, 192), lastWord), with(config(2, 64), lastWord), sec / 4, false, 5 * sec, 0},
	{"v2 frames first", with(config(2, 192), blind), config(2, 64), sec / 4, false, 7 * sec, 0},
	{"v2 frozen", with(config(2, 192), listens), with(config(2, 128), listens), sec / 4, true, 6 * sec, 0},
	{"v2 owner", config(2, Owner), config(2, 64), sec / 4, false, 5 * sec, 0},
	{"v2 two owners", config(2, Owner), config(2, Owner), sec / 4, false, 7 * sec, -1},
	{"v2 two owners, one deaf", with(config(2, Owner), deaf), config(2, Owner), sec / 4, false, 9 * sec, 0},
	{"v2 late is backup", with(config(2, 192), late), with(config(2, 128), late), sec / 4, true, 9 * sec, 0},
	{"v2 start-up delay", with(config(2, 192), hushed), config(2, 64), sec / 4, false, 7 * sec, 0},
	{"v2 owner with start-up delay", with(config(2, Owner), hushed), config(2, 64), sec / 4, false, 7 * sec, 0},
	{"v2 down after one", with(config(2, 192), hasty), with(config(2, 64), hasty), sec / 4, false, 5 * sec, 0},
	{"v2 state MASTER", with(config(2, 192), eager), with(config(2, 64), eager), sec / 4, false, 5 * sec, 0},
	{"v3 preempt", config(3, 192), config(3, 64), sec / 4, false, 5 * sec, 0},
	{"v3 two intervals", config(3, 192), with(config(3, 64), half), sec / 8, false, 5 * sec, 0},
	{"v3 nopreempt equal", with(config(3, 128), nopreempt), with(config(3, 128), nopreempt), sec / 4, false, 5 * sec, -1},
}

func nopreempt(c *Config) { c.NoPreempt = true }
func delay(c *Config)     { c.PreemptDelay = 2 * sec }
func quiet(c *Config)     { c.LowerPriorityNoAdvert = true }
func talkative(c *Config) { c.HigherPrioritySend = true }
func lastWord(c *Config)  { c.LastWord = true }
func blind(c *Config)     { c.FramesBy = 2 * sec }
func listens(c *Config)   { c.ListenAfterPause = true }
func eager(c *Config)     { c.StartMaster = true }
func deaf(c *Config)      { c.OwnerIgnoresAdverts = true }
func late(c *Config)      { c.BackupWhenLate = TakeOver(2, 192, sec) }
func hushed(c *Config)    { c.QuietUntil = 2 * sec }
func hasty(c *Config)     { c.DownAdverts = 1 }
func half(c *Config)      { c.Interval = sec / 2 }

func TestEveryWorldHeals(t *testing.T) {
	for _, c := range healCases {
		t.Run(c.name, func(t *testing.T) {
			c.a.Source, c.b.Source = addr1, addr2
			x := &explorer{cfg: [2]Config{c.a, c.b}, tick: c.tick, freezes: c.freezes}
			all := x.reach(t, 2_000_000)
			succ := x.graph(all)
			h := healing{x: x, all: all, succ: succ, settled: settled(all, succ), ticks: make([]int32, len(all))}
			most := time.Duration(0)
			for i := range all {
				most = max(most, time.Duration(h.worst(t, int32(i)))*c.tick)
				checkWinner(t, &all[i], h.settled[i], c.winner)
			}
			t.Logf("%d worlds, the slowest settles in %v", len(all), most)
			if most > c.bound {
				t.Errorf("the slowest world settles in %v, want at most %v", most, c.bound)
			}
		})
	}
}

// checkWinner: with both routers well, a settled world has the right master.
func checkWinner(t *testing.T, w *world, settled bool, winner int) {
	t.Helper()
	if settled && winner >= 0 && w.alive(0) && w.alive(1) && w.master() != winner {
		t.Fatalf("settled with the wrong master: %s", w)
	}
}

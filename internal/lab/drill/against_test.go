package drill

import (
	"strings"
	"testing"
)

func TestAgainst(t *testing.T) {
	scenes := func(gaps ...int64) (list []Scene) {
		for i, key := range []string{"kill", "address", "table", "freeze"} {
			list = append(list, Scene{Key: key, Name: key, OK: true, GapMS: gaps[2*i], Silent: gaps[2*i+1]})
		}
		list[3].Skipped = true
		return list
	}
	reports := []Report{
		{Daemon: "ours", Scenes: scenes(250, -1, 10, 30, 10, 700, 9000, 9000)},
		{Daemon: "theirs", Foreign: true, Scenes: scenes(0, 5, 261, 30, 10, 10, 0, 0)},
	}
	reports[0].Scenes[0].TwoMS, reports[1].Scenes[0].TwoMS = 5, 1400
	lines := Against(reports)
	want := []string{
		"gaps of ours beside those of theirs, 3 scenes played with both: longer in 1, shorter in 1, alike (within 250ms) in the others",
		"  longer   table: 10 ms services 700 ms to 10 ms services 10 ms",
		"  shorter  address: 10 ms services 30 ms to 261 ms services 30 ms",
		"times with two masters of ours beside those of theirs, 3 scenes played with both: longer in 0, shorter in 1, alike (within 250ms) in the others",
		"  shorter  kill: 5 ms to 1400 ms",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
	if lines := Against(reports[:1]); lines != nil {
		t.Errorf("alone: %v", lines)
	}
	has(t, text(t, WriteTable, reports), want...)
	has(t, text(t, WriteHTML, reports), "gaps of ours", "shorter  address")
}

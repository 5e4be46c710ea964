package drill

import (
	"fmt"
	"strings"
	"time"
)

// Tolerance is within what two gaps count as alike: clients ask every 10 and
// every 50 ms, both daemons wait for the same timers, and the machine is busy
// with the rehearsal itself.
const Tolerance = 250 * time.Millisecond

// Against tells how our gaps compare with another daemon's, and the times with two
// masters: for each pair of reports two lines, and below each one for every scene
// in which they are not alike.
func Against(reports []Report) (lines []string) {
	for i := range reports {
		for j := range reports {
			if !reports[i].Foreign && reports[j].Foreign {
				lines = append(lines, against(reports, i, j, "gaps", gapsBeside)...)
				lines = append(lines, against(reports, i, j, "times with two masters", twoBeside)...)
			}
		}
	}
	return lines
}

// against compares scenes by what beside tells of two: by how much ours is longer
// at most and at least, and both in words.
func against(reports []Report, own, other int, what string, beside func(a, b *Scene) (most, least int64, words string)) []string {
	var shorter, longer []string
	played := 0
	for _, row := range Rows(reports) {
		a, b := row.Scenes[own], row.Scenes[other]
		if a == nil || b == nil || a.Skipped || b.Skipped {
			continue
		}
		played++
		most, least, words := beside(a, b)
		switch limit := Tolerance.Milliseconds(); {
		case most > limit:
			longer = append(longer, fmt.Sprintf("  longer   %s: %s", row.Name, words))
		case least < -limit:
			shorter = append(shorter, fmt.Sprintf("  shorter  %s: %s", row.Name, words))
		}
	}
	head := fmt.Sprintf("%s of %s beside those of %s, %d scenes played with both: longer in %d, shorter in %d, alike (within %v) in the others",
		what, reports[own].Daemon, reports[other].Daemon, played, len(longer), len(shorter), Tolerance)
	return append(append([]string{head}, longer...), shorter...)
}

// gapsBeside compares gaps, to pings and of services.
func gapsBeside(a, b *Scene) (most, least int64, words string) {
	ping, service := a.GapMS-b.GapMS, a.Silent-b.Silent
	if a.Silent < 0 || b.Silent < 0 {
		service = 0
	}
	return max(ping, service), min(ping, service), gaps(a) + " to " + gaps(b)
}

// twoBeside compares the times with two masters.
func twoBeside(a, b *Scene) (most, least int64, words string) {
	two := a.TwoMS - b.TwoMS
	return two, two, milliseconds(a.TwoMS) + " to " + milliseconds(b.TwoMS)
}

// gaps are the longest silences of a scene, to pings and of services.
func gaps(s *Scene) string {
	if s.Silent < 0 {
		return milliseconds(s.GapMS)
	}
	return strings.Join([]string{milliseconds(s.GapMS), "services", milliseconds(s.Silent)}, " ")
}

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

// Against tells how our gaps compare with another daemon's: one line for each
// pair of reports, then one for each scene in which they are not alike.
func Against(reports []Report) (lines []string) {
	for i := range reports {
		for j := range reports {
			if !reports[i].Foreign && reports[j].Foreign {
				lines = append(lines, against(reports, i, j)...)
			}
		}
	}
	return lines
}

func against(reports []Report, own, other int) []string {
	var shorter, longer []string
	played := 0
	for _, row := range Rows(reports) {
		a, b := row.Scenes[own], row.Scenes[other]
		if a == nil || b == nil || a.Skipped || b.Skipped {
			continue
		}
		played++
		ping, service := a.GapMS-b.GapMS, a.Silent-b.Silent
		if a.Silent < 0 || b.Silent < 0 {
			service = 0
		}
		line := fmt.Sprintf("%s: %s to %s", row.Name, gaps(a), gaps(b))
		switch limit := Tolerance.Milliseconds(); {
		case ping > limit || service > limit:
			longer = append(longer, "  longer   "+line)
		case ping < -limit || service < -limit:
			shorter = append(shorter, "  shorter  "+line)
		}
	}
	head := fmt.Sprintf("gaps of %s beside those of %s, %d scenes played with both: longer in %d, shorter in %d, alike (within %v) in the others",
		reports[own].Daemon, reports[other].Daemon, played, len(longer), len(shorter), Tolerance)
	return append(append([]string{head}, longer...), shorter...)
}

// gaps are the longest silences of a scene, to pings and of services.
func gaps(s *Scene) string {
	if s.Silent < 0 {
		return milliseconds(s.GapMS)
	}
	return strings.Join([]string{milliseconds(s.GapMS), "services", milliseconds(s.Silent)}, " ")
}

package traffic

import (
	"fmt"
	"strings"
	"time"
)

// The plot fits a terminal of 80 columns and 24 lines.
const (
	columns = 80
	lines   = 24
	shown   = 36           // seconds
	levels  = " .:-=+*#%@" // of few to many answers in a second
	rows    = lines - 9    // of servers
	column  = 22           // of the names
)

// Plot is how it goes, as the lines of a terminal: for each server its count,
// its share and a mark for every second of the last.
func (t *Tally) Plot(r *Report, of time.Duration) string {
	var b strings.Builder
	limit := ""
	if of > 0 {
		limit = " of " + of.String()
	}
	line(&b, "%s  %g a second, %s%s", r.Target, r.Rate, r.For.Truncate(time.Second), limit)
	line(&b, "answers %d  failed %d  longest silence %s", r.Asked-r.Failed, r.Failed, r.Silence)
	line(&b, "%s", r.Latency)
	line(&b, "")
	line(&b, "%-*s %8s %6s  last %d s", column, "server", "answers", "share", shown)
	now := int(r.For / time.Second)
	for i, s := range r.Servers {
		if i == rows-1 && len(r.Servers) > rows {
			line(&b, "and %d more", len(r.Servers)-i)
			break
		}
		line(&b, "%-*.*s %8d %5.1f%% |%s|", column, column, s.Name, s.Answers, 100*s.Share, t.servers[s.Name].recent.marks(now, r.Rate))
	}
	if r.Failed > 0 {
		line(&b, "%-*s %8d %6s |%s|", column, "failed", r.Failed, "", t.lost.marks(now, r.Rate))
		last := r.Spells[len(r.Spells)-1]
		line(&b, "last: %d failed from %s to %s: %s", last.Failed, round(last.From), round(last.To), last.Fault)
	}
	return b.String()
}

// line writes one line of the plot, cut to its width.
func line(b *strings.Builder, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.WriteString(text[:min(len(text), columns-1)] + "\n")
}

// marks are the last seconds, the newest at the right; the running one is left
// out. The most is what is asked for in a second.
func (s *seconds) marks(now int, rate float64) string {
	b := make([]byte, shown)
	for i := range b {
		second := now - shown + i
		b[i] = ' '
		if n := float64(0); second >= 0 {
			if n = float64(s[second%history]); n > 0 {
				b[i] = levels[min(1+int(n/max(rate, 1)*float64(len(levels)-2)), len(levels)-1)]
			}
		}
	}
	return string(b)
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}

// String is the silence in words.
func (s Silence) String() string { return fmt.Sprintf("%s (from %s)", round(s.For), round(s.From)) }

// String is the latency in words.
func (l Latency) String() string {
	return fmt.Sprintf("latency: half within %s, 90%% %s, 99%% %s, longest %s", round(l.P50), round(l.P90), round(l.P99), round(l.Max))
}

// String is the summary.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d asked in %s, %d failed; servers are told apart by %s\n", r.Target, r.Asked, round(r.For), r.Failed, r.Told)
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "  %-*s %8d answers %5.1f%%  half within %s\n", column, s.Name, s.Answers, 100*s.Share, round(s.Median))
	}
	fmt.Fprintf(&b, "  %s\n  longest time without an answer: %s\n", r.Latency, r.Silence)
	for _, s := range r.Spells {
		fmt.Fprintf(&b, "  %d failed from %s to %s: %s\n", s.Failed, round(s.From), round(s.To), s.Fault)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  note: %s\n", n)
	}
	return b.String()
}

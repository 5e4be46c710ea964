package failover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"keepgo/internal/lab/drill"
)

// outlet is where the drill speaks. If nobody can listen any more, the terminal
// is gone.
type outlet struct {
	w     io.Writer
	quiet bool // one document at the end
	gone  func()
}

func (o *outlet) say(format string, args ...any) {
	if o.quiet {
		return
	}
	if _, err := fmt.Fprintf(o.w, format+"\n", args...); err != nil {
		o.gone()
	}
}

func (d *run) tellFindings() {
	d.out.say("drill of %s: what was found before", d.report.File)
	for _, f := range d.report.Findings {
		d.out.say("  %-8s %-12s %s", f.Verdict, f.Key, f.Evidence)
		if f.Do != "" {
			d.out.say("  %-8s %-12s -> %s", "", "", f.Do)
		}
	}
}

// tellPlan says what is done, or would be.
func (d *run) tellPlan() {
	stopped := drill.Stopped(d.report.Findings)
	if len(stopped) > 0 {
		d.out.say("\nnothing is done: %s; what is not grave may be passed with --accept", strings.Join(stopped, ", "))
		return
	}
	names := strings.Join(d.order.Instances, ", ")
	how := "it says priority 1 and keeps its addresses until another router is heard"
	if d.Break {
		how += ", and gives them up with priority 0 if none is"
	}
	d.out.say("\nplan\n  hand over %s, within %s: %s", names, d.order.Patience, how)
	d.out.say("  watch for %s", d.Hold)
	if d.Return {
		d.out.say("  take it back, and watch until it is here")
	} else {
		d.out.say("  leave it there; keepgo switchover --back %s takes it back", d.Name)
	}
	d.out.say("  take it back at once when a limit is passed, at an interrupt, or when the terminal goes;\n  the daemon does so within %s if this program dies", lease)
	if !d.Yes {
		d.out.say("\nnothing was done: --yes does it")
	}
}

// clock is the time since the deed, for the play-by-play.
func (d *run) clock() string {
	return fmt.Sprintf("%5.1f s", time.Since(d.report.Began).Seconds())
}

// tellScene says how a scene went.
func (d *run) tellScene(s *drill.Scene) {
	text := fmt.Sprintf("%s  %-6s %s: took %d ms, %s, %s", d.clock(), s.Verdict(), s.Name, s.TookMS,
		lasted("nobody had it", s.NoneMS), lasted("both", s.TwoMS))
	if s.Why != "" {
		text += ": " + s.Why
	}
	d.out.say("%s", text)
}

// lasted says how long something was so, if anybody could see it.
func lasted(what string, ms int64) string {
	if ms == drill.Unseen {
		return "how long " + what + " was not seen"
	}
	return fmt.Sprintf("%s for %d ms", what, ms)
}

// Write writes a report in every form that the options ask for.
func Write(o Options, r *drill.Report) error {
	reports := []drill.Report{*r}
	for name, write := range map[string]func(io.Writer, []drill.Report) error{o.JUnit: drill.WriteJUnit, o.HTML: drill.WriteHTML} {
		if name == "" {
			continue
		}
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		if err := errors.Join(write(f, reports), f.Close()); err != nil {
			return err
		}
	}
	if o.JSON {
		e := json.NewEncoder(o.Out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	if len(r.Scenes) == 0 {
		return nil
	}
	fmt.Fprintln(o.Out)
	if err := drill.WriteTable(o.Out, reports); err != nil {
		return err
	}
	for i := range r.Observers {
		fmt.Fprintf(o.Out, "  %s\n", &r.Observers[i])
	}
	return nil
}

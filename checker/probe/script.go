package probe

import (
	"context"
	"fmt"

	"keepgo/checker"
	"keepgo/checker/script"
)

// askScript is MISC_CHECK: exit status 0 passes; a dynamic script passes with 2
// to 255 too, and names its server's weight by that.
func askScript(ctx context.Context, c *checker.Check, _ int) checker.Outcome {
	out := script.Run(ctx, c.Probe.Program.Command, c.Timeout)
	why := out.String()
	o := checker.Outcome{Answer: checker.Failed, Why: why}
	switch {
	case scarce(out.Err):
		o.Answer = checker.Local
	case !out.Exited():
	case out.Status == 0:
		o.Answer = checker.Passed
	case c.Probe.Program.Dynamic && out.Status >= 2:
		o = checker.Outcome{Answer: checker.Passed, Dynamic: true, Weight: out.Status - 2,
			Why: fmt.Sprintf("%s: weight %d", why, out.Status-2)}
	}
	if o.Answer != checker.Passed {
		o.Phrase = scriptSubject(c) + " failed (" + why + ")."
		if out.TimedOut {
			o.Phrase = scriptSubject(c) + " timed out (" + why + ")."
			o.Rule = fmt.Sprintf("misc_timeout %v", c.Timeout)
		}
	}
	return o
}

func scriptSubject(c *checker.Check) string {
	return fmt.Sprintf("Misc check for [%s VS %s] by [%s]", c.Name, c.Service, c.Probe.Program.Command.Name())
}

func scriptUp(c *checker.Check) string { return scriptSubject(c) + " succeeded." }

// scriptDown counts retries in keepalived's way.
func scriptDown(c *checker.Check, o *checker.Outcome) string {
	line := scriptSubject(c) + " failed"
	switch {
	case c.Retry == 1:
		line += " after 1 retry"
	case c.Retry > 1:
		line += fmt.Sprintf(" after %d retries", c.Retry)
	}
	return line + " (" + o.Why + ")."
}

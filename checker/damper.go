package checker

import (
	"fmt"
	"time"
)

// Answer is what one probe says about its target.
type Answer uint8

// The answers of a probe.
const (
	Failed Answer = iota // the target did not do what was asked
	Passed
	Local // the probe could not be made for want of something on this side; says nothing about the target
)

// Outcome is the raw result of one probe.
type Outcome struct {
	Answer  Answer
	Dynamic bool   // a script named a weight
	Weight  int    // the weight it named
	Why     string // reason in words, for status
	Phrase  string // keepalived's log line for it, "" for none
	Rule    string // what of the configuration a failure broke, in its words; "" where none can be named
}

// Damper is the rule by which raw outcomes become a verdict, and the rhythm of
// the probes that follow. It is a comparable value.
type Damper struct {
	Up       bool // the verdict
	Decided  bool // the verdict rests on an outcome, not on the start value
	Failures int  // in a row while up
	Rising   int  // successes in a row while down, each of all requests
	At       int  // index of the request to ask next (the url of an HTTP probe)

	again   bool // a request failed: once it passes, all are asked again
	dynamic bool
	weight  int
}

// leastInterval keeps a check without an interval from spinning.
const leastInterval = 10 * time.Millisecond

// rhythm is what a Damper needs of a Check.
type rhythm struct {
	interval, retryDelay, poll time.Duration
	retry, rise, steps         int
	fast                       bool
}

// NewDamper is the state of a check that was never probed. At the start of the
// daemon one failure decides, so that dead servers are out at once; a check
// that a reload brings, or that a process before made, gets all its retries.
func NewDamper(c *Check, start bool) Damper {
	d := Damper{Up: !c.Alpha && !c.Down, Rising: c.Rising}
	if start && !c.Known {
		d.Failures = c.Retry
	}
	return d
}

func rhythmOf(c *Check) rhythm {
	r := rhythm{
		interval: max(c.Interval, leastInterval), retryDelay: max(c.RetryDelay, leastInterval),
		retry: c.Retry, rise: c.Rise, steps: c.Steps(), fast: c.Probe.Web != nil && c.Probe.Web.FastRecovery,
	}
	r.poll = r.interval
	if c.Probe.Kind == HTTP { // keepalived asks a failed url no sooner than its retry delay
		r.poll = max(r.interval, r.retryDelay)
	}
	return r
}

// Step takes the outcome of one probe of c. report says that the verdict is the first
// one, or other than before, or nearer to it; wait is the time until the next
// probe.
func (d Damper) Step(c *Check, o Outcome) (next Damper, report bool, wait time.Duration) {
	r := rhythmOf(c)
	switch o.Answer {
	case Local:
		return d, false, r.interval
	case Passed:
		return d.pass(r, o)
	}
	return d.fail(r)
}

// fail counts a failure: the verdict falls with the one after the last retry.
func (d Damper) fail(r rhythm) (Damper, bool, time.Duration) {
	if d.Up && d.Failures < r.retry {
		d.Failures++
		return d, false, r.retryDelay
	}
	report := d.Up || !d.Decided
	report = report || d.Rising > 0
	d.Up, d.Decided, d.Failures, d.Rising, d.again = false, true, 0, 0, true
	d.dynamic, d.weight = false, 0
	return d, report, r.poll
}

// pass goes on to the next request, and lifts the verdict after the last one.
func (d Damper) pass(r rhythm, o Outcome) (Damper, bool, time.Duration) {
	d.Failures = 0
	open := !d.Up || !d.Decided
	restart := d.again && r.steps > 1
	d.again = false
	if restart {
		d.At = 0
	} else if d.At++; d.At >= r.steps {
		return d.complete(r, o, open)
	}
	if open && r.fast {
		return d, false, 0
	}
	return d, false, r.interval
}

// complete ends a pass of all requests with success. One that is down comes up
// with the last of as many as it takes.
func (d Damper) complete(r rhythm, o Outcome, open bool) (Damper, bool, time.Duration) {
	if d.Rising++; !d.Up && d.Rising < r.rise {
		d.At, d.Decided = 0, true
		return d, true, r.interval
	}
	d.Rising = 0
	report := open || d.dynamic != o.Dynamic || d.weight != o.Weight
	d.At, d.Up, d.Decided = 0, true, true
	d.dynamic, d.weight = o.Dynamic, o.Weight
	return d, report, r.interval
}

// Result is the standing verdict on c, for the given reason.
func (d Damper) Result(c *Check, why string) Result {
	if d.Rising > 0 {
		why = fmt.Sprintf("%d of %d successes in a row: %s", d.Rising, c.Rise, why)
	}
	return Result{ID: c.ID, Up: d.Up, Dynamic: d.dynamic, Weight: d.weight, Rising: d.Rising, Why: why}
}

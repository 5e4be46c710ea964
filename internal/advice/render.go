package advice

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write prints what the pair does: who holds the addresses, and a table of
// failures for each contest.
func (r *Report) Write(w io.Writer) error {
	if len(r.Contests) == 0 {
		return nil
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "pair: A is %s, B is %s\n", r.Labels[DirectorA], r.Labels[DirectorB])
	for i := range r.Contests {
		out.WriteByte('\n')
		if err := r.Contests[i].write(&out); err != nil {
			return err
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (c *Contest) write(out *bytes.Buffer) error {
	fmt.Fprintln(out, c.Name)
	for _, m := range c.Members {
		fmt.Fprintf(out, "  %s\n", m)
	}
	if c.Split != "" {
		fmt.Fprintf(out, "  both become MASTER: %s\n", c.Split)
		return nil
	}
	fmt.Fprintf(out, "  start: %s\n", c.Start)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	before := Nobody
	for _, f := range c.Failures {
		if f.Of != before {
			before = f.Of
			fmt.Fprintf(t, "\n  while %s holds\tA\tB\tthen\tafter at most\twhy\twhen healed\n", Who(f.Of))
		}
		fmt.Fprintf(t, "  %s\n", strings.Join(f.cells(), "\t"))
	}
	return t.Flush()
}

// String is the member's line of a report.
func (m Member) String() string {
	name := m.Names[0]
	if m.Names[1] != name {
		name += "/" + m.Names[1]
	}
	link := m.Interfaces[0]
	if m.Interfaces[1] != link {
		link += "/" + m.Interfaces[1]
	}
	s := fmt.Sprintf("%s: virtual_router_id %d", name, m.VRID)
	if link != "" {
		s += " on " + link
	}
	s += fmt.Sprintf(", priority A %d, B %d", m.Priorities[0], m.Priorities[1])
	if len(m.Addresses) > 0 {
		s += ", VIP " + some(m.Addresses)
	}
	return s
}

// String is the start in words.
func (s Start) String() string {
	text := fmt.Sprintf("%s holds after %s (%s)", Who(s.Holder), seconds(s.After), s.Why)
	switch {
	case s.Keeps[0] && s.Keeps[1]:
		text += "; who is alone first keeps it"
	case s.Holder == Either:
	case !s.Keeps[1-s.Holder]:
		text += fmt.Sprintf("; if %s is alone first, %s takes over when it starts", Who(1-s.Holder), Who(s.Holder))
	}
	return text
}

func (f Failure) cells() []string {
	what := Who(f.Of) + ": "
	if f.Both {
		what = "A and B: "
	}
	cells := []string{what + f.What, standingText(f.Priorities[0]), standingText(f.Priorities[1]), Who(f.Holder)}
	return append(cells, f.delay(), f.Why, f.healed())
}

// delay is how long it takes until the addresses have moved.
func (f Failure) delay() string {
	switch {
	case f.Holder == f.Of:
		return "stays"
	case f.Holder == Nobody:
		return seconds(f.Noticed) + " to notice"
	case f.Noticed > 0:
		return fmt.Sprintf("%s + %s to notice", seconds(f.After), seconds(f.Noticed))
	}
	return seconds(f.After)
}

// healed tells what becomes of the addresses after the repair.
func (f Failure) healed() string {
	switch {
	case f.Holder == f.Of:
		return "-"
	case f.Holder == Nobody:
		return "one of them holds it after " + seconds(f.BackAfter)
	case !f.Back:
		return fmt.Sprintf("stays on %s: %s", Who(f.Holder), f.BackWhy)
	}
	s := fmt.Sprintf("back on %s after %s", Who(f.Of), seconds(f.BackAfter))
	if f.BackWhy != "" {
		s += " (" + f.BackWhy + ")"
	}
	return s
}

func standingText(priority int) string {
	if priority == dead {
		return "-"
	}
	return fmt.Sprint(priority)
}

package show

import "keepgo/internal/status"

// Preview is what a reload would do.
func Preview(v *status.Preview) string {
	p := &page{}
	for _, f := range v.Faults {
		p.line("%s", f)
	}
	if len(v.Faults) > 0 {
		p.line("")
	}
	if len(v.Changes) == 0 {
		p.line("a reload of %s changes nothing", v.File)
	}
	for i := range v.Changes {
		p.change(&v.Changes[i])
	}
	return p.String()
}

func (p *page) change(c *status.Change) {
	p.line("%s is %s", c.Name, c.What)
	for _, d := range c.Details {
		p.line("  setting  %s", d)
	}
	for _, k := range c.Kernel {
		p.line("  kernel   %s", k)
	}
	for _, t := range c.Traffic {
		p.line("  traffic  %s", t)
	}
}

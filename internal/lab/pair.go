package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/advice"
	"keepgo/internal/lab/drill"
)

// pair holds the two files against each other before anything runs.
func (p *play) pair() error {
	if !p.src.paired() {
		return nil // the partner is derived: it fits
	}
	s := drill.Scene{Key: p.key, Name: "the two files fit together", OK: true}
	faults := slices.Concat(p.strangers(), p.misfits(), p.ties())
	if len(faults) > 0 {
		s.OK, s.Why = false, strings.Join(faults, "; ")
	}
	p.finish(s)
	return nil
}

// strangers are the instances of the first file that the second does not have,
// although it has one of the same name or address.
func (p *play) strangers() []string {
	var faults []string
	for _, in := range p.src.Instances {
		for _, t := range p.src.other.Instances {
			if p.src.twin(in) == nil && (t.Name == in.Name || sharesAddress(in, t)) {
				faults = append(faults, fmt.Sprintf("%s has virtual_router_id %d in one file and %d in the other: they do not heed each other, and both become master", in.Name, in.VRID, t.VRID))
			}
		}
	}
	return faults
}

func sharesAddress(a, b *confparse.Instance) bool {
	return slices.ContainsFunc(a.Addresses, func(x confparse.Address) bool {
		return slices.ContainsFunc(b.Addresses, func(y confparse.Address) bool { return x.Prefix.Addr() == y.Prefix.Addr() })
	})
}

// misfits are what the two files do together and should not.
func (p *play) misfits() []string {
	files := [2]*advice.File{}
	for i, s := range []*source{p.src, p.src.other} {
		files[i] = &advice.File{Label: s.name, Name: s.path, Config: s.Config,
			Places: advice.NewPlaces(func() *syntax.Tree { return s.tree })}
	}
	var faults []string
	for _, f := range advice.Compare(files[0], files[1]).Findings {
		if f.Severity < syntax.Warning {
			continue
		}
		line := f.Err.Error()
		if f.Hint != "" {
			line += " (" + f.Hint + ")"
		}
		faults = append(faults, line)
	}
	return faults
}

// ties are the instances in which no director is preferred.
func (p *play) ties() []string {
	var faults []string
	for _, in := range p.src.Instances {
		if t := p.src.twin(in); t != nil && t.Priority == in.Priority {
			faults = append(faults, fmt.Sprintf("%s has priority %d in both files: who is master is left to chance, give one of them a higher priority", in.Name, in.Priority))
		}
	}
	return faults
}

// diagnosis is what there is to see of addresses that are not where they belong:
// who has them, and what of two masters the wire tells. It is "" if there is
// nothing.
func (p *play) diagnosis() string {
	var b strings.Builder
	for v, told := 0, 0; v < len(p.stage.net.vips) && told < mostTold; v++ {
		vip := p.stage.net.vips[v]
		switch first, second := p.holds[0][v], p.holds[1][v]; {
		case first && second && v == 0:
			b.WriteString(p.twoMasters())
			told++
		case first == second:
			fmt.Fprintf(&b, ". %s of %s is with %s", vip.addr, vip.instance.Name, map[bool]string{true: "both", false: "neither"}[first])
			told++
		}
	}
	return b.String()
}

// mostTold bounds the addresses that are told of.
const mostTold = 3

// twoMasters is what two masters of the first address send.
func (p *play) twoMasters() string {
	v := p.stage.net.vips[0]
	said := [2]string{"nothing", "nothing"}
	for _, a := range p.stage.sniff.Adverts(time.Now().Add(-2 * p.takeover())) {
		for i, d := range p.stage.directors {
			if a.From == d.Host {
				said[i] = fmt.Sprintf("virtual_router_id %d with priority %d", a.VRID, a.Priority)
			}
		}
	}
	return fmt.Sprintf(". Both directors have %s: lb1 sends %s, lb2 sends %s", v.addr, said[0], said[1])
}

package advice

import (
	"fmt"
	"slices"

	"keepgo/confparse/syntax"
)

// Names of the two directors in a report.
const (
	DirectorA = 0
	DirectorB = 1
	// Nobody holds the addresses; Either means that the files do not tell who
	// does.
	Nobody = -1
	Either = -2
)

// Report is what two configurations do together.
type Report struct {
	Labels   [2]string // the files of A and B
	Findings syntax.ErrorList
	Contests []Contest
}

// duel is one virtual router with its two halves.
type duel [2]*router

// Compare reads two configurations as the two directors of a pair: what must be
// equal and is not, who holds the addresses, and what each failure leads to.
func Compare(a, b *File) *Report {
	p := &pairing{adviser: adviser{File: a}, other: b}
	r := &Report{Labels: [2]string{a.Label, b.Label}}
	duels := p.match()
	if len(duels) == 0 && !p.balanceTheSame() {
		p.say(syntax.Note, spot{Pos: syntax.Pos{File: a.Name}}, "", "--no-pair checks files one by one",
			"%s and %s have no virtual router in common: they are no pair", a.Label, b.Label)
		r.Findings = p.errs
		return r
	}
	p.alone(duels)
	p.services()
	for _, c := range p.contests(duels) {
		r.Contests = append(r.Contests, p.play(c))
	}
	p.errs.Sort([]string{a.Name, b.Name})
	r.Findings = p.errs
	return r
}

// pairing compares A, which findings are placed in, with B.
type pairing struct {
	adviser
	other *File
}

func routers(f *File) (list []*router) {
	for _, i := range f.Config.Instances {
		if i.Unusable == "" {
			list = append(list, newRouter(f, i))
		}
	}
	return list
}

// match finds the two halves of every virtual router: the same VRID and
// family; of several, those on the same interface, then those with an address
// in common, then any.
func (p *pairing) match() []duel {
	type key struct {
		vrid uint8
		v6   bool
	}
	free := map[key][]*router{}
	for _, b := range routers(p.other) {
		k := key{b.VRID, b.IPv6}
		free[k] = append(free[k], b)
	}
	as := routers(p.File)
	found := make([]duel, len(as))
	for _, alike := range []func(a, b *router) bool{sameLink, shareAddress, func(_, _ *router) bool { return true }} {
		for n, a := range as {
			k := key{a.VRID, a.IPv6}
			at := slices.IndexFunc(free[k], func(b *router) bool { return alike(a, b) })
			if found[n][DirectorA] == nil && at >= 0 {
				found[n] = duel{a, free[k][at]}
				free[k] = slices.Delete(free[k], at, at+1)
			}
		}
	}
	return slices.DeleteFunc(found, func(d duel) bool { return d[DirectorA] == nil })
}

func sameLink(a, b *router) bool { return a.Interface == b.Interface }

func shareAddress(a, b *router) bool {
	theirs := b.vips()
	return slices.ContainsFunc(a.vips(), func(v string) bool { return slices.Contains(theirs, v) })
}

// alone tells of virtual routers that only one file has. The near one is named
// that the missing half was likely meant to be.
func (p *pairing) alone(duels []duel) {
	matched := map[syntax.Pos]bool{}
	for _, d := range duels {
		matched[d[DirectorA].Pos], matched[d[DirectorB].Pos] = true, true
	}
	for _, side := range [][2]*File{{p.File, p.other}, {p.other, p.File}} {
		for _, r := range routers(side[0]) {
			if matched[r.Pos] {
				continue
			}
			hint := "its addresses have one director only"
			for _, o := range routers(side[1]) {
				if !matched[o.Pos] && o.VRID != r.VRID && (shareAddress(r, o) || o.Name == r.Name) {
					hint = fmt.Sprintf("is virtual_router_id %d of %s (%s) meant? As it is, both become MASTER", o.VRID, o.Name, o.place("virtual_router_id"))
				}
			}
			p.say(syntax.Warning, r.at("virtual_router_id"), pathOf(r.Instance), hint,
				"%s (virtual_router_id %d) is not in %s", r.Name, r.VRID, side[1].Label)
		}
	}
}

// contests joins the virtual routers of a sync group: they win and lose
// together.
func (p *pairing) contests(duels []duel) [][]duel {
	var list [][]duel
	index := map[string]int{}
	for _, d := range duels {
		g := d[DirectorA].group
		if g == nil || d[DirectorB].group == nil {
			list = append(list, []duel{d})
			continue
		}
		at, ok := index[g.Name]
		if !ok {
			at = len(list)
			index[g.Name] = at
			list = append(list, nil)
		}
		list[at] = append(list[at], d)
	}
	return list
}

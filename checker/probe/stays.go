package probe

import (
	"slices"

	"keepgo/checker"
)

// stays says which checks of a list are those of the list before: most of a plan
// is as it was, and what answers for those need not be looked for.
type stays struct {
	now         []checker.Check
	first, last int // how many at the beginning, and how many at the end
	was         int // the length of the list before
}

// staysOf finds what stays of a list. Lists in which a check's ID is not its place
// have nothing in common, and neither have those in which private checks come or
// go: which of several equal ones a probe answers only the whole list tells.
func staysOf(was, now []checker.Check) stays {
	s := stays{now: now, was: len(was)}
	if !placed(was) || !placed(now) {
		return s
	}
	both := min(len(was), len(now))
	for s.first < both && same(&was[s.first], &now[s.first]) {
		s.first++
	}
	for s.last < both-s.first && same(&was[len(was)-1-s.last], &now[len(now)-1-s.last]) {
		s.last++
	}
	if private(was[s.first:len(was)-s.last]) || private(s.fresh()) {
		return stays{now: now}
	}
	return s
}

func private(list []checker.Check) bool {
	return slices.ContainsFunc(list, func(c checker.Check) bool { return c.Private })
}

func placed(list []checker.Check) bool {
	for i := range list {
		if list[i].ID != checker.ID(i) {
			return false
		}
	}
	return true
}

// same tells whether two checks ask the same in the same rhythm, of the same service.
func same(a, b *checker.Check) bool {
	x := *a
	x.ID, x.Known, x.Down, x.Rising = b.ID, b.Known, b.Down, b.Rising
	return x == *b
}

// fresh are the checks that were not there, or elsewhere.
func (s *stays) fresh() []checker.Check { return s.now[s.first : len(s.now)-s.last] }

// of leaves of the checks of a task those that stay, as they are now.
func (s *stays) of(group []*checker.Check) []*checker.Check {
	kept := make([]*checker.Check, 0, len(group))
	for _, c := range group {
		switch i := int(c.ID); {
		case i < s.first:
			kept = append(kept, &s.now[i])
		case s.last > 0 && i >= s.was-s.last:
			kept = append(kept, &s.now[i+len(s.now)-s.was])
		}
	}
	return kept
}

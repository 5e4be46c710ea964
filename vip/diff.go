package vip

import "slices"

// OpKind says what an Op does.
type OpKind uint8

// The kinds of Op.
const (
	Add OpKind = iota
	Remove
)

// String is the kind as a verb.
func (k OpKind) String() string {
	if k == Remove {
		return "remove"
	}
	return "add"
}

// Op is one step from one Set to another.
type Op struct {
	Kind    OpKind
	Address Address
}

// Diff is what turns have into want: first the removals, last of have first,
// then the additions in the order of want. An address whose attributes differ
// is removed and added, since the kernel can change neither label, scope nor
// broadcast of one that stands. Removals come first because IPv6 knows an
// address on an interface only once, whatever its prefix length; they run
// backwards so that an IPv4 subnet's primary address, which takes the
// secondary ones with it, goes last. The cost is linear.
func Diff(have, want Set) []Op {
	ops := make([]Op, 0, max(len(have), len(want)))
	wanted := want.byKey(len(have))
	for i := len(have) - 1; i >= 0; i-- {
		if a, ok := wanted[have[i].Key()]; !ok || !a.same(have[i]) {
			ops = append(ops, Op{Remove, have[i]})
		}
	}
	held := have.byKey(len(want))
	for _, a := range want {
		if h, ok := held[a.Key()]; !ok || !h.same(a) {
			ops = append(ops, Op{Add, a})
		}
	}
	return ops
}

// byKey indexes the set for the given number of questions: none need no index.
func (s Set) byKey(questions int) map[Key]Address {
	if questions == 0 || len(s) == 0 {
		return nil
	}
	m := make(map[Key]Address, len(s))
	for _, a := range s {
		m[a.Key()] = a
	}
	return m
}

// differ is what to remove of have, last first, and what to add of want, each
// in its own order and once. The cost is linear.
func differ[T any, K comparable](have, want []T, key func(T) K) (remove, add []T) {
	held, wanted := keys(have, key), keys(want, key)
	for _, v := range slices.Backward(have) {
		if k := key(v); held[k] && !wanted[k] {
			remove = append(remove, v)
			held[k] = false
		}
	}
	for _, v := range want {
		if k := key(v); !held[k] {
			add = append(add, v)
			held[k] = true
		}
	}
	return remove, add
}

func keys[T any, K comparable](list []T, key func(T) K) map[K]bool {
	m := make(map[K]bool, len(list))
	for _, v := range list {
		m[key(v)] = true
	}
	return m
}

// DiffRoutes is what turns the routes have into want: what to remove, last
// first, and then what to add. A route that differs in anything is another
// one, since the kernel tells them apart by everything.
func DiffRoutes(have, want []Route) (remove, add []Route) {
	return differ(have, want, Route.String)
}

// DiffRules does the same for rules.
func DiffRules(have, want []Rule) (remove, add []Rule) {
	return differ(have, want, func(r Rule) Rule { return r })
}

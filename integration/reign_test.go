package integration

import "time"

// bothSlack is what busy machines may add to the time in which two masters are
// seen: the one that gives way hears the other's next advert and has to act.
const bothSlack = 1500 * time.Millisecond

// oneMaster checks that there never were two masters for longer than the
// handover takes: neither two that speak, nor two that answer for the address.
func (w *world) oneMaster(r router, since time.Time) {
	w.t.Helper()
	limit := r.interval() + bothSlack + noise.since(since)
	if both := together(times(w.a.speaksFor(r, since)), times(w.b.speaksFor(r, since)), r.interval()*3/2); both > limit {
		w.t.Errorf("two masters of %s speak for %v", r.name, both)
	}
	if both := together(w.answers(w.a, r, since), w.answers(w.b, r, since), askEvery*3); both > limit {
		w.t.Errorf("two masters of %s answer for %v", r.name, both)
	}
}

// together is the longest time in which both of two series went on.
func together(a, b []time.Time, gap time.Duration) time.Duration {
	var longest time.Duration
	for _, x := range reigns(a, gap) {
		for _, y := range reigns(b, gap) {
			longest = max(longest, x.with(y))
		}
	}
	return longest
}

// reign is a time in which a series went on without a break.
type reign struct{ from, to time.Time }

// with is how long two reigns lasted side by side; negative means apart.
func (r reign) with(o reign) time.Duration {
	from, to := r.from, r.to
	if o.from.After(from) {
		from = o.from
	}
	if o.to.Before(to) {
		to = o.to
	}
	return to.Sub(from)
}

func reigns(series []time.Time, gap time.Duration) []reign {
	var out []reign
	for _, at := range series {
		if n := len(out); n > 0 && at.Sub(out[n-1].to) < gap {
			out[n-1].to = at
		} else {
			out = append(out, reign{at, at})
		}
	}
	return out
}

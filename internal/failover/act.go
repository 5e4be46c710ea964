package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"keepgo/internal/control"
	"keepgo/internal/lab/drill"
	"keepgo/internal/preflight"
	"keepgo/internal/status"
)

// The order ends by itself after a lease, unless it is prolonged before.
const (
	lease      = 15 * time.Second
	renewEvery = 4 * time.Second
)

// Other times of a drill.
const (
	lookEvery  = 250 * time.Millisecond // at this director, and at the limits
	slack      = 10 * time.Second       // beyond what VRRP takes
	lettingGo  = time.Second            // within which a master that heard a better one has let go
	askPeer    = 5 * time.Second        // limit of a request that must not hold a drill up
	undoneWith = 30 * time.Second       // limit of the requests that end a drill
)

// scene is one part of a drill.
type scene struct {
	key, name string
	heir      int                         // who has the addresses in the end
	do        func(context.Context) error // nil for nothing
	done      func() bool
	want      string        // what is missing while it is not done
	limit     time.Duration // within which it is done
}

// act practises. Whatever happens, what was handed over is taken back, unless it
// is to stay.
func (d *run) act(ctx context.Context) (err error) {
	if d.views, err = openViews(ctx, d.Observers); err != nil {
		return err
	}
	defer d.views.close()
	if d.watch, err = newInstruments(d.facts.Here, d.order.Instances); err != nil {
		return err
	}
	defer d.watch.close()
	if err := d.Post(ctx, "/drill", control.DrillOrder{Name: d.Name, For: d.longest()}, nil); err != nil {
		return err
	}
	d.report.Began = time.Now()
	d.out.say("")
	d.scenes(ctx)
	d.conclude(ctx)
	return nil
}

// longest is when it is over at the latest, whatever happens.
func (d *run) longest() time.Duration {
	return d.Hold + 2*d.order.Patience + d.backWithin() + lease + undoneWith
}

// backWithin is how long it may take until what was handed over is here again.
func (d *run) backWithin() time.Duration {
	limit := d.order.Patience + slack
	for _, in := range d.facts.Here.Instances {
		if slices.Contains(d.order.Instances, in.Name) {
			limit = max(limit, d.order.Patience+slack+time.Duration(in.PreemptDelay*float64(time.Second)))
		}
	}
	return limit
}

// scenes are the parts of the drill. The way back is gone in any case, but for
// a drill that went well and stays.
func (d *run) scenes(ctx context.Context) {
	leasing, release := context.WithCancel(ctx)
	well := d.play(ctx, scene{key: drill.Switchover, heir: other, name: "the other director takes over", limit: 2*d.order.Patience + slack,
		do: func(ctx context.Context) error {
			o := control.SwitchoverOrder{Name: d.Name, For: 2*d.order.Patience + lease, Break: d.Break}
			if err := d.Post(ctx, "/switchover", o, nil); err != nil {
				return err
			}
			d.leases.Go(func() { d.prolong(leasing) })
			return nil
		},
		done: func() bool { return d.watch.held(other) && d.masters() == 0 },
		want: "it answers for every address that is watched, and this one for none"})
	if well {
		well = d.play(ctx, scene{key: drill.Serving, heir: other, name: fmt.Sprintf("it serves for %s", d.Hold), limit: d.Hold + slack,
			do: d.serves, done: func() bool { return true }})
	}
	release()
	d.leases.Wait() // no word of it may come in behind the last one
	if well && !d.Return {
		d.stay(ctx)
		return
	}
	d.back(context.WithoutCancel(ctx), well)
}

// stay leaves everything with the other director until somebody takes it back.
func (d *run) stay(ctx context.Context) {
	if err := d.Post(context.WithoutCancel(ctx), "/switchover", control.SwitchoverOrder{Name: d.Name, Keep: true}, nil); err != nil {
		s := &d.report.Scenes[len(d.report.Scenes)-1]
		s.OK, s.Why = false, fmt.Sprintf("it does not stay there: %v", err)
		return
	}
	d.note("%s stays with the other director: keepgo switchover --back %s takes it back", d.Name, d.Name)
}

// back takes back what was handed over.
func (d *run) back(ctx context.Context, well bool) {
	name := "it is taken back"
	if !well {
		name = "it is taken back before its time"
	}
	s := scene{key: drill.Return, heir: this, name: name, limit: d.backWithin(),
		do: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, undoneWith)
			defer cancel()
			err := d.Post(ctx, "/switchover", control.SwitchoverOrder{Name: d.Name, Back: true}, nil)
			if err != nil && !well {
				err = nil // nothing was in force any more
			}
			return err
		},
		done: func() bool { return !d.ordered(ctx) && d.settled() && d.watch.held(this) },
		want: "every address is here again, and the other director answers for none"}
	if stays := d.stays(); stays != "" {
		s.done, s.want = func() bool { return true }, ""
		d.note("%s", stays)
	}
	d.watch.pause(true)
	d.play(ctx, s)
}

// settled tells whether this director has been MASTER of all for long enough
// that the other one has let go, and has it asked then whether that is so.
func (d *run) settled() bool {
	for _, in := range d.now.Instances {
		if slices.Contains(d.order.Instances, in.Name) && (in.State != "MASTER" || d.now.Asked.Sub(in.Since) < lettingGo) {
			return false
		}
	}
	d.watch.pause(false)
	return true
}

// serves waits for as long as the other director is to serve, and asks it then
// whether it does, if it can be asked.
func (d *run) serves(ctx context.Context) error {
	timer := time.NewTimer(d.Hold)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !isURL(d.Peer) {
		return nil
	}
	there, err := readPeer(ctx, d.Peer, nil)
	if err != nil {
		return fmt.Errorf("the other director does not tell how it is: %w", err)
	}
	after := d.facts
	after.There = there
	if wrong := preflight.Serving(&after); len(wrong) > 0 {
		return fmt.Errorf("as the other director tells: %s", strings.Join(wrong, "; "))
	}
	return nil
}

// stays says why nothing comes back by itself, or "".
func (d *run) stays() string {
	for _, in := range d.facts.Here.Instances {
		if in.NoPreempt && slices.Contains(d.order.Instances, in.Name) {
			return in.Name + " has nopreempt here: it stays where it is until that director fails or hands it over"
		}
	}
	return ""
}

// prolong keeps the order in force until the context ends.
func (d *run) prolong(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), askPeer)
		err := d.Post(ask, "/switchover", control.SwitchoverOrder{Name: d.Name, Keep: true, For: lease}, nil)
		cancel()
		if err != nil {
			d.leased <- fmt.Errorf("the order does not hold: %w", err)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// masters counts the instances that this director was seen last to be MASTER of.
func (d *run) masters() (n int) {
	for _, in := range d.now.Instances {
		if slices.Contains(d.order.Instances, in.Name) && in.State == "MASTER" {
			n++
		}
	}
	return n
}

// ordered tells whether the order is in force still: it came in behind the word
// that took it back, which is said again then.
func (d *run) ordered(ctx context.Context) bool {
	if !d.inForce() {
		return false
	}
	_ = d.Post(ctx, "/switchover", control.SwitchoverOrder{Name: d.Name, Back: true}, nil)
	return true
}

// inForce tells whether the order was in force when this director was last seen.
func (d *run) inForce() bool {
	return slices.ContainsFunc(d.now.Orders, func(o status.Order) bool { return o.Verb == status.Switchover && o.Name == d.Name })
}

// play carries a scene out and puts it down. It returns whether it went well.
func (d *run) play(ctx context.Context, x scene) bool {
	d.watch.mark()
	begin := time.Now()
	did := make(chan error, 1)
	if x.do == nil {
		did <- nil
	} else {
		go func() { did <- x.do(ctx) }()
	}
	s := drill.Scene{Key: x.key, Name: x.name, OK: true, AtMS: begin.Sub(d.report.Began).Milliseconds()}
	if err := d.await(ctx, &x, begin, did); err != nil {
		s.OK, s.Why = false, err.Error()
	}
	d.measure(&s, begin, time.Now())
	if x.key != drill.Serving {
		s.Stages, s.Master = d.stages(&x, begin), d.master(&x)
	}
	d.report.Scenes = append(d.report.Scenes, s)
	d.tellScene(&s)
	return s.OK
}

// await looks until a scene is done, or says what keeps it from being so.
func (d *run) await(ctx context.Context, x *scene, begin time.Time, did <-chan error) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	acted, leased := false, d.leased
	if x.key == drill.Return {
		leased = nil // what it had to say is known
	}
	for {
		select {
		case err := <-did:
			if err != nil && ctx.Err() == nil {
				return err
			}
			acted = true
		case err := <-leased:
			return err
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-tick.C:
		}
		if err := d.refresh(ctx); err != nil && x.key != drill.Return {
			return err // on the way back there is nothing better than to wait
		}
		if err := d.rival(); err != nil {
			return err
		}
		if (acted || x.key == drill.Serving) && x.heir == other && !d.inForce() {
			return errors.New("somebody took the order back")
		}
		if err := d.passed(x, begin); err != nil {
			return err
		}
		if acted && x.done() {
			return nil
		}
		if time.Since(begin) > x.limit {
			return fmt.Errorf("not within %s: %s", x.limit, x.want)
		}
	}
}

// refresh asks this director how it is.
func (d *run) refresh(ctx context.Context) error {
	ask, cancel := context.WithTimeout(ctx, askPeer)
	defer cancel()
	s, err := d.Status(ask)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err == nil:
		d.now = s
	}
	return err
}

// rival says that another director is MASTER of what this one is MASTER of.
func (d *run) rival() error {
	for _, in := range d.now.Instances {
		if in.Rival != "" && slices.Contains(d.order.Instances, in.Name) {
			return fmt.Errorf("%s has two masters: %s", in.Name, in.Rival)
		}
	}
	return nil
}

// passed says which limit a scene has passed by now, by what is seen from here
// and by the observers that can be asked. It may take back what it began.
func (d *run) passed(x *scene, begin time.Time) error {
	if x.key == drill.Return {
		return nil // there is nothing to take back
	}
	now := time.Now()
	s := drill.Scene{Key: x.key, OK: true, AtMS: begin.Sub(d.report.Began).Milliseconds()}
	d.measure(&s, begin, now)
	r := drill.Report{Began: d.report.Began, Scenes: []drill.Scene{s}}
	r.Merge(d.views.latest())
	if drill.Judge(&r.Scenes[0], limitOf(d.Limits, x.key)); !r.Scenes[0].OK {
		return errors.New(r.Scenes[0].Why)
	}
	return nil
}

// limitOf is what a scene may cost. How long the other director serves is asked
// for, and no cost.
func limitOf(limits drill.Limits, key string) drill.Limit {
	l := limits.For(key)
	if key == drill.Serving {
		l.Took = nil
	}
	return l
}

// measure puts down what was seen from here between two instants.
func (d *run) measure(s *drill.Scene, begin, end time.Time) {
	s.TookMS = end.Sub(begin).Milliseconds()
	d.watch.measure(s, begin, end)
}

// stages are the moments at which the first address moved, nil if it did not.
func (d *run) stages(x *scene, begin time.Time) *drill.Stages {
	after := func(t time.Time) int64 {
		if t.Before(begin) {
			return -1
		}
		return t.Sub(begin).Milliseconds()
	}
	said := d.watch.said(x.heir)
	st := drill.Stages{DetectMS: -1, AnswerMS: -1, ElectedMS: after(said.advert), ARPMS: after(said.announced),
		AddressMS: d.watch.gained(x.heir, begin)}
	if st.ElectedMS < 0 && st.ARPMS < 0 && st.AddressMS < 0 {
		return nil
	}
	return &st
}

// master is who has the first instance, by name or address.
func (d *run) master(x *scene) string {
	for _, in := range d.now.Instances {
		if in.Name == d.order.Instances[0] && in.State == "BACKUP" {
			return in.Master
		}
	}
	return names[x.heir]
}

func (d *run) note(format string, args ...any) {
	d.report.Notes = append(d.report.Notes, fmt.Sprintf(format, args...))
}

// conclude takes in what observers saw, judges all of it, and has the daemon
// take down how it went.
func (d *run) conclude(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoneWith)
	defer cancel()
	seen, err := d.views.all(ctx, d.Observers)
	if err != nil {
		d.note("an observer is missing: %v", err)
	}
	r := &d.report
	r.Notes = append(r.Notes, d.watch.notes...)
	d.note("%s is this director, %s the other", names[this], names[other])
	r.TookMS = time.Since(r.Began).Milliseconds()
	r.Merge(seen)
	why := JudgeAll(r, d.Limits)
	if err := d.Post(ctx, "/drill/end", control.DrillEnd{Passed: r.OK, Why: why}, nil); err != nil {
		d.note("the daemon did not take down how it went: %v", err)
	}
}

// JudgeAll holds every scene against its limits and tells what was wrong first.
func JudgeAll(r *drill.Report, limits drill.Limits) (why string) {
	r.OK = true
	for i := range r.Scenes {
		s := &r.Scenes[i]
		known := s.Why
		if drill.Judge(s, limitOf(limits, s.Key)); known != "" {
			s.Why = known // what ended it, and once
		}
		if r.OK = r.OK && s.OK; !s.OK && why == "" {
			why = strings.TrimSpace(s.Name + ": " + s.Why)
		}
	}
	return why
}

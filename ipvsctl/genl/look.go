package genl

import (
	"math/bits"
	"slices"
	"time"

	"keepgo/ipvsctl"
)

const (
	// retryTime is how often what failed is tried again unasked. Some attempts
	// make the kernel load a module: every second would be too often.
	retryTime = 10 * time.Second
	// share bounds the part of the time that looks take to 1 in share.
	share = 20
	// rowTime is how long nobody may change anything for repairs not to count
	// as following each other.
	rowTime = time.Minute
)

// look is the state of looking whether what is ours still stands.
type look struct {
	timer *time.Timer // to the next one; nil without
	on    bool
	again bool // what failed is tried again too
	began time.Time
	retry time.Time // when again will be
	queue []ipvsctl.ServiceKey
	stand map[ipvsctl.ServiceKey]ipvsctl.Service // as the look began

	changed []ipvsctl.ServiceKey // found other than they were known
	undone  []ipvsctl.Op         // what puts them back

	repairs  map[Part]int // of each part, that follow each other
	repaired map[Part]time.Time
}

// due is when the next look begins.
func (l *look) due() <-chan time.Time {
	if l.timer == nil || l.on {
		return nil
	}
	return l.timer.C
}

// startLook begins to read everything of ours; without a want to repair only
// what failed. Asked is a look that somebody waits for.
func (d *Door) startLook(asked bool) {
	l := &d.look
	now := time.Now()
	l.began, l.on = now, true
	l.again = asked || !now.Before(l.retry)
	if l.again {
		l.retry = now.Add(retryTime)
	}
	l.queue, l.stand, l.changed, l.undone = nil, nil, nil, nil
	if d.conn == nil && !l.again {
		return
	}
	d.nudge() // what was left for later
	d.lookConfig()
	l.queue = slices.DeleteFunc(d.ours(), func(k ipvsctl.ServiceKey) bool { return !d.due(subject{service: k}) })
	if len(l.queue) == 0 {
		return
	}
	err := d.connect()
	if err == nil {
		l.stand, err = d.conn.services()
	}
	if err != nil {
		d.trouble(err)
		l.queue = nil
	}
}

// due tells whether this look cares for a subject: one that failed has a rhythm
// of its own, and of the others it depends on whether they are to be repaired.
func (d *Door) due(s subject) bool {
	if _, failing := d.failed[s]; failing {
		return d.look.again
	}
	return !d.leaves(s.service)
}

// leaves tells whether what others make of a service stays.
func (d *Door) leaves(k ipvsctl.ServiceKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, left := d.left[k]
	return d.idle || left
}

// lookNext reads the next service of the queue, or ends the look.
func (d *Door) lookNext() {
	l := &d.look
	if len(l.queue) == 0 {
		d.endLook()
		return
	}
	k := l.queue[0]
	l.queue = l.queue[1:]
	if _, ours := d.wanted([]ipvsctl.ServiceKey{k})[k]; !ours {
		return
	}
	was, known := d.have[k]
	err := d.connect()
	if err == nil {
		err = d.rereadSurely(k)
	}
	if err != nil {
		d.trouble(err)
		l.queue, l.changed, l.undone = nil, nil, nil
		return
	}
	undone := d.drift(k, was, known)
	_, failing := d.failed[subject{service: k}]
	if len(undone) > 0 || failing || !known {
		l.changed = append(l.changed, k)
		l.undone = append(l.undone, undone...)
	}
}

// rereadSurely reads a service that the list lacks once more by itself: a list
// is not taken at one instant.
func (d *Door) rereadSurely(k ipvsctl.ServiceKey) error {
	stand := d.look.stand
	if _, listed := stand[k]; !listed {
		stand = nil
	}
	return d.reread(k, stand)
}

// endLook puts back what another hand changed, in one go, and tells.
func (d *Door) endLook() {
	l := &d.look
	d.correctAll(l.changed)
	if len(l.undone) > 0 {
		d.told(Event{Kind: Repaired, Ops: l.undone})
	}
	l.on, l.stand, l.changed, l.undone = false, nil, nil, nil
	if l.timer != nil {
		l.timer.Reset(max(d.opt.Repair, (share-1)*time.Since(l.began)))
	}
}

// drift is what puts back the service as it was last known.
func (d *Door) drift(k ipvsctl.ServiceKey, was ipvsctl.Entry, known bool) []ipvsctl.Op {
	if !known {
		return nil
	}
	now := ipvsctl.Table{}
	if e, stands := d.have[k]; stands {
		now[k] = e
	}
	return ipvsctl.Diff(now, ipvsctl.Table{k: was})
}

// told reports a repair. Of those that follow each other, as when another
// program wants the table otherwise, ever fewer are told.
func (d *Door) told(e Event) {
	l := &d.look
	if l.repairs == nil {
		l.repairs, l.repaired = map[Part]int{}, map[Part]time.Time{}
	}
	now := time.Now()
	if now.Sub(l.repaired[e.Part]) > rowTime {
		l.repairs[e.Part] = 0
	}
	l.repaired[e.Part] = now
	l.repairs[e.Part]++
	if e.Times = l.repairs[e.Part]; bits.OnesCount(uint(e.Times)) == 1 {
		d.opt.Report(e)
	}
}

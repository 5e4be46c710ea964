package genl

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// config is what a Door holds besides services.
type config struct {
	timeouts ipvsctl.Timeouts // wanted
	replaced ipvsctl.Timeouts // what the kernel had where they were set
	sync     ipvsctl.SyncWant
	held     ipvsctl.SyncRole // roles that are ours to stop
	dirty    [PartSync + 1]bool
}

// clear wants nothing any more.
func (c *config) clear() {
	c.timeouts, c.sync = ipvsctl.Timeouts{}, ipvsctl.SyncWant{}
	c.dirty[PartTimeouts], c.dirty[PartSync] = true, true
}

// SetTimeouts gives the newest want of the timeouts. Those it leaves become what
// they were before they were set. It never blocks.
func (d *Door) SetTimeouts(t ipvsctl.Timeouts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.config.timeouts = t
	d.config.dirty[PartTimeouts] = true
	d.nudge()
}

// Replaced is the timeouts that the kernel had where they were set; 0 where they
// were not.
func (d *Door) Replaced() ipvsctl.Timeouts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.config.replaced
}

// Resume gives a Door what Replaced said in the process whose place it takes.
func (d *Door) Resume(replaced ipvsctl.Timeouts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.config.replaced = replaced
}

// SetSync gives the newest want of the sync daemons. One that runs already as it
// should is left alone; as long as any is wanted, those in other roles are
// stopped. It never blocks.
func (d *Door) SetSync(w ipvsctl.SyncWant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.config.sync = w
	d.config.dirty[PartSync] = true
	d.nudge()
}

// settleConfig brings timeouts and sync daemons to their newest want.
func (d *Door) settleConfig() {
	d.mu.Lock()
	c := d.config
	clear(d.config.dirty[:])
	d.mu.Unlock()
	if c.dirty[PartSync] {
		d.settleSync(c, false)
	}
	if c.dirty[PartTimeouts] {
		d.settleTimeouts(c, false)
	}
}

// lookConfig puts back what another hand changed of them.
func (d *Door) lookConfig() {
	d.mu.Lock()
	c := d.config
	d.mu.Unlock()
	if d.due(subject{part: PartSync}) && !c.dirty[PartSync] {
		d.settleSync(c, true)
	}
	if d.due(subject{part: PartTimeouts}) && !c.dirty[PartTimeouts] {
		d.settleTimeouts(c, true)
	}
}

// settleTimeouts sets those that are not as they should be. On a look a
// difference is somebody else's.
func (d *Door) settleTimeouts(c config, look bool) {
	goal := c.timeouts.Or(c.replaced)
	if goal == (ipvsctl.Timeouts{}) {
		return
	}
	have, err := read(d, (*conn).timeouts)
	if err != nil {
		return
	}
	missing := goal.Missing(have)
	drifted := look && missing != (ipvsctl.Timeouts{}) && d.sound(PartTimeouts)
	if missing != (ipvsctl.Timeouts{}) {
		err = d.conn.setTimeouts(missing)
	}
	if err != nil {
		d.tell(subject{part: PartTimeouts}, refusedTimeouts(err))
		return
	}
	d.tell(subject{part: PartTimeouts}, nil)
	d.mu.Lock()
	d.config.replaced = c.replaced.Or(have).In(c.timeouts)
	d.mu.Unlock()
	if drifted {
		d.told(Event{Kind: Repaired, Part: PartTimeouts, Was: timeoutText(have)})
	}
}

func timeoutText(t ipvsctl.Timeouts) string {
	return fmt.Sprintf("tcp %.0f tcpfin %.0f udp %.0f", t.TCP.Seconds(), t.TCPFin.Seconds(), t.UDP.Seconds())
}

// settleSync stops and starts daemons. On a look a difference is somebody
// else's.
func (d *Door) settleSync(c config, look bool) {
	if c.sync.Roles|c.held == 0 {
		return
	}
	have, err := read(d, (*conn).daemons)
	if err != nil {
		return
	}
	stop, start := c.sync.Diff(have)
	if c.sync.Roles == 0 {
		stop &= c.held
	}
	d.mu.Lock()
	d.config.held = c.sync.Roles
	d.mu.Unlock()
	look = look && stop|start != 0 && d.sound(PartSync)
	d.tell(subject{part: PartSync}, d.turnSync(c.sync.Sync, have, stop, start))
	if look {
		d.told(Event{Kind: Repaired, Part: PartSync, Was: daemonText(have)})
	}
}

// turnSync stops daemons and starts others. One that another hand stops or
// starts at the same time is seen at the next look.
func (d *Door) turnSync(s ipvsctl.Sync, have ipvsctl.Daemons, stop, start ipvsctl.SyncRole) error {
	var errs []error
	for _, role := range []ipvsctl.SyncRole{ipvsctl.SyncMaster, ipvsctl.SyncBackup} {
		if stop&role != 0 {
			err := d.conn.order(cmdDelDaemon, daemonRequest(role, nil))
			if err != nil && !errors.Is(err, unix.ESRCH) {
				errs = append(errs, &SyncError{Role: role, Link: have[role].Link, Err: err})
			}
		}
	}
	for _, role := range []ipvsctl.SyncRole{ipvsctl.SyncMaster, ipvsctl.SyncBackup} {
		if start&role != 0 {
			err := d.conn.order(cmdNewDaemon, daemonRequest(role, &s))
			if err != nil && !errors.Is(err, unix.EEXIST) {
				errs = append(errs, &SyncError{Role: role, Start: true, Link: s.Link, Err: err})
			}
		}
	}
	return joined(errs)
}

func daemonText(have ipvsctl.Daemons) string {
	var words []string
	for _, role := range []ipvsctl.SyncRole{ipvsctl.SyncMaster, ipvsctl.SyncBackup} {
		if s, runs := have[role]; runs {
			words = append(words, fmt.Sprintf("%s on %s with id %d", role, s.Link, s.ID))
		}
	}
	if words == nil {
		return "none running"
	}
	return strings.Join(words, ", ")
}

// sound tells whether a part did not fail the last time.
func (d *Door) sound(p Part) bool {
	_, failing := d.failed[subject{part: p}]
	return !failing
}

// read asks the kernel for something; trouble with it is told, and the newest
// want is settled again later.
func read[T any](d *Door, ask func(*conn) (T, error)) (T, error) {
	var t T
	err := d.connect()
	if err == nil {
		t, err = ask(d.conn)
	}
	if err != nil {
		d.trouble(err)
		d.mu.Lock()
		d.config.dirty[PartTimeouts], d.config.dirty[PartSync] = true, true
		d.mu.Unlock()
	}
	return t, err
}

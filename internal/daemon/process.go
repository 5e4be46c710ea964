package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// Restart delays of keepalived (semantics of its calc_restart_delay): none for
// a child that lived a minute or died for the first time, then doubling.
const (
	longLife = time.Minute
	maxDelay = time.Minute
)

// child is a process the parent keeps running while it is needed.
type child struct {
	parent *parent
	name   string
	pid    *pidFile
	log    *logger // under the name of the process

	needed   bool
	ready    bool
	leaving  bool        // it was told to stop
	detached bool        // it keeps what it has to say for another program
	before   predecessor // goes on until the new process waits for its plan
	resumes  bool        // the new process goes on where that one stands
	scripts  bool        // it may run programs
	sought   bool        // a process of an earlier parent was looked for
	cmd      *exec.Cmd
	link     *link[toChild, fromChild]
	told     told // of its plan
	handed   int  // plans that the process was handed, and of those the ones
	answered int  // that it has in force
	started  time.Time
	delay    time.Duration // before the next restart
	timer    *time.Timer   // a restart is due
	promise  *promise      // when it is to wake; nil if that cannot be seen
	watchdog watchdog      // what was seen of that
	stale    bool          // it was silent for so long that another may have been elected
	died     bool          // one that was not told to end left what stood, and none has come to terms with that since
	swept    bool          // at the daemon's end no process is started for that any more
}

func newChild(p *parent, name string, pid *pidFile) *child {
	c := &child{parent: p, name: name, pid: pid}
	ident, short := c.ident()
	c.log = p.log.sink.logger(ident, short, 0, p.scope)
	return c
}

// running tells whether a process stands.
func (c *child) running() bool { return c.cmd != nil }

// need starts, goes on with or stops the child.
func (c *child) need(needed bool) {
	c.needed = needed
	switch {
	case needed && c.leaving:
		c.ready = false // it is started anew once it has gone
	case needed && c.running() && !c.scripts && c.startsPrograms():
		c.replace()
	case needed && c.running() && c.before == nil: // else it is about to get one
		c.plan(false)
	case needed && c.running():
	case needed && c.timer == nil:
		c.start(c.parent.heir)
	case !needed:
		c.stop(false)
	}
}

// startsPrograms says whether the process is to run any.
func (c *child) startsPrograms() bool { return c.name == LVSProcess && startsPrograms(c.parent.cfg) }

// replace puts a new process in the place of one that has given away what the
// configuration takes now. What stands in the kernel goes on standing.
func (c *child) replace() {
	c.stop(true)
	c.needed, c.ready = true, false
}

// plan hands the configuration over; replaced says that it goes to a process
// that takes a dead one's place.
func (c *child) plan(replaced bool) { c.hand(c.parent.plan(c, replaced)) }

// hand hands a plan over.
func (c *child) hand(plan []toChild) {
	c.ready, c.scripts = false, c.startsPrograms()
	c.handed++
	m := mannerOf(&c.parent.cfg.Global, c.name)
	c.tell(toChild{Manner: &m})
	for _, m := range plan {
		c.told.shorten(&m)
		for _, part := range m.pieces() {
			c.tell(part)
		}
	}
}

// told are the fingerprints of the plan that a process has, nil before the first.
type told []uint64

// shorten tells a plan by what changed of the one that the process has.
func (t *told) shorten(m *toChild) {
	before := *t
	switch {
	case m.HA != nil:
		if *t = m.HA.Sums(); before != nil {
			m.HA, m.HAUpdate = nil, m.HA.Since(before, *t)
		}
	case m.LB != nil:
		if *t = m.LB.Sums(); before != nil {
			m.LB, m.LBUpdate = nil, m.LB.Since(before, *t)
		}
	}
}

// tell sends a message, if there is somebody to hear it.
func (c *child) tell(m toChild) {
	if c.link != nil {
		c.link.send(m)
	}
}

// start starts the process and gives it the configuration: at once, or when it
// is up, if there is another that goes on until then.
func (c *child) start(replaced bool) {
	c.timer = nil
	c.resumes = c.inherit() || replaced && !c.stale
	c.stale = false
	if err := c.spawn(); err != nil {
		c.parent.log.printf("starting %s: %v", c.name, err)
		c.restartLater()
		return
	}
	c.parent.log.printf("Starting %s child process, pid=%d", c.title(), c.cmd.Process.Pid)
	if err := c.pid.write(c.cmd.Process.Pid); err != nil {
		c.parent.log.printf("pid file of %s: %v", c.name, err)
	}
	if c.before == nil {
		c.plan(c.resumes)
	}
}

// ident is the name of the child in syslog, and in the names of log files.
func (c *child) ident() (name, short string) {
	switch c.name {
	case LVSProcess:
		return "Keepalived_healthcheckers", "check"
	case BFDProcess:
		return "Keepalived_bfd", "bfd"
	}
	return "Keepalived_vrrp", "vrrp"
}

// title is keepalived's name of the child in log lines.
func (c *child) title() string {
	switch c.name {
	case LVSProcess:
		return "Healthcheck"
	case BFDProcess:
		return "BFD"
	}
	return "VRRP"
}

// spawn executes this very binary under the child's name, with one end of a
// socket pair as descriptor 3.
func (c *child) spawn() error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), c.name), os.NewFile(uintptr(fds[1]), c.name)
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{c.name}
	cmd.ExtraFiles = []*os.File{theirs}
	shared := ""
	if c.promise != nil {
		c.promise.forget()
		cmd.ExtraFiles = append(cmd.ExtraFiles, c.promise.file)
		shared = "yes"
	}
	cmd.Env = append(os.Environ(), ipvsVar+"="+ipvsNamespace(c.parent.cfg.Global.NamespaceIPVS), willVar+"="+c.willFile(), promiseVar+"="+shared)
	cmd.Stderr = &lineWriter{log: c.log.printf}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return err
	}
	if c.link, err = newLink[toChild, fromChild](ours); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
	c.cmd, c.started, c.ready, c.told, c.handed, c.answered = cmd, time.Now(), false, nil, 0, 0
	c.log.pid = cmd.Process.Pid
	go c.watch(cmd, c.link)
	return nil
}

// watch brings the child's messages, and then its end, to the parent's loop.
func (c *child) watch(cmd *exec.Cmd, l *link[toChild, fromChild]) {
	events := c.parent.events
	for m := range l.in {
		events <- func() { c.parent.heard(c, m) }
	}
	err := cmd.Wait()
	l.close()
	events <- func() { c.exited(err) }
}

// exited takes note of the process's end and replaces it if it is needed.
func (c *child) exited(err error) {
	pid, lived := c.cmd.Process.Pid, time.Since(c.started)
	c.cmd, c.link = nil, nil
	c.pid.remove()
	c.parent.forget(c)
	left := c.leaving
	c.leaving = false
	c.died = c.died || err != nil
	switch {
	case c.parent.stopping:
		c.parent.sweep(c)
		c.parent.ended()
		return
	case c.parent.leaves:
		c.parent.ended()
		return
	case !c.needed && c.parent.remains(c):
		c.needed = true // for as long as it takes to take that away
	case !c.needed:
		c.parent.cameAway(c)
		return
	case left:
		c.start(false)
		return
	}
	if c.parent.fallBack(fmt.Sprintf("its %s process died: %s", c.title(), reason(err))) {
		return
	}
	if c.parent.opts.NoRespawn || c.hopeless(err) {
		c.parent.log.printf("%s child process(%d) died: %v; ending", c.title(), pid, reason(err))
		c.parent.code = max(exitStatus(err), exitFatal)
		c.swept = true // another would die the same way
		c.parent.stop()
		return
	}
	c.parent.log.printf("%s child process(%d) died: %v; respawning", c.title(), pid, reason(err))
	c.parent.noteDaemon("RESPAWN", "%s process %d died: %v", c.title(), pid, reason(err))
	if lived >= longLife {
		c.delay = 0
	}
	c.restartLater()
}

// hopeless tells whether a process that never came to work ended as keepalived's
// do when another would end the same way. What worked once is replaced.
func (c *child) hopeless(err error) bool {
	code := exitStatus(err)
	return !c.parent.complete && (code == exitFatal || code == exitConfig || code == exitPermission)
}

// exitStatus is the exit status of a process, 0 for one that a signal ended.
func exitStatus(err error) int {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 0)
	}
	return 0
}

func reason(err error) string {
	if err == nil {
		return "it exited by itself"
	}
	return err.Error()
}

// restartLater starts the process after the current delay, which grows. Only a
// process replaced at once may go on where the dead one stood.
func (c *child) restartLater() {
	delay := c.delay
	c.delay = min(max(2*c.delay, time.Second), maxDelay)
	if delay == 0 {
		c.start(true)
		return
	}
	c.timer = time.AfterFunc(delay, func() {
		c.parent.events <- func() {
			if c.needed && c.timer != nil {
				c.start(false)
			}
		}
	})
}

// stop asks the process to end, and makes it end when it does not.
func (c *child) stop(keep bool) {
	c.needed = false
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	if !c.running() {
		c.pid.remove()
		return
	}
	if c.leaving {
		return
	}
	c.succeed() // what stands becomes its own to take away
	c.leaving = true
	c.tell(toChild{Stop: true, Keep: keep})
	c.limit()
}

// limit kills the process if it has not ended when a child should have.
func (c *child) limit() {
	process := c.cmd.Process
	time.AfterFunc(c.parent.cfg.Global.ChildWait, func() { _ = process.Kill() })
}

// kill ends the process without a word.
func (c *child) kill() {
	if c.running() {
		_ = c.cmd.Process.Kill()
	}
}

// lineWriter logs what a child prints on standard error, which is nothing
// unless it crashes.
type lineWriter struct {
	log  func(format string, args ...any)
	rest []byte
}

// Write logs every whole line.
func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(b), nil
		}
		w.log("%s", line)
		w.rest = rest
	}
}

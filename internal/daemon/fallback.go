package daemon

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A program that took the place of another is on probation until its children
// have their plans in force. Where one of them dies before that, or the time is
// over, the last program takes its place again, by the same road. Its file may be
// gone from the disk; a descriptor keeps it.
const (
	// probation is how long the children may take: a busy machine with many
	// instances and services included.
	probation = 30 * time.Second
	// formerVar, in the environment, has the descriptor of the last program and the
	// path of its file; failedVar why the program that was tried was no good.
	formerVar = "KEEPGO_LEGACY_PROGRAM"
	failedVar = "KEEPGO_LEGACY_FAILED"
)

// wayBack is the program that was here before; nil where there is no way back.
type wayBack struct {
	fd    int
	path  string
	why   string // it is to take its place again, for this
	timer *time.Timer
}

// keepProgram keeps this program for the one that takes its place.
func keepProgram() *wayBack {
	fd, err := unix.Open("/proc/self/exe", unix.O_PATH, 0) // the next program inherits it
	if err != nil {
		return nil
	}
	return &wayBack{fd: fd, path: program}
}

func (w *wayBack) close() {
	if w != nil {
		unix.Close(w.fd)
	}
}

// inheritWayBack takes the way back out of the environment. For a program that has
// just come back there is none: why is what brought it.
func inheritWayBack() (w *wayBack, why string) {
	number, path, _ := strings.Cut(os.Getenv(formerVar), " ")
	fd, err := strconv.Atoi(number)
	w, why = &wayBack{fd: fd, path: path}, os.Getenv(failedVar)
	os.Unsetenv(formerVar)
	os.Unsetenv(failedVar)
	switch {
	case err != nil:
		return nil, why
	case why != "":
		program = w.path
		w.close()
		return nil, why
	}
	unix.CloseOnExec(w.fd)
	return w, ""
}

// probe gives the children their time.
func (p *parent) probe() {
	if p.back != nil && !p.complete {
		p.back.timer = time.AfterFunc(probation, func() {
			p.events <- func() { p.fallBack(fmt.Sprintf("its processes are not at work after %v", probation)) }
		})
	}
}

// proven ends the probation.
func (p *parent) proven() {
	if p.back == nil || p.leaves {
		return
	}
	if p.back.timer != nil {
		p.back.timer.Stop()
	}
	p.back.close()
	p.back = nil
}

// fallBack lets the last program take its place again, and says whether it will.
// Instances whose process was silent for so long that another may have been
// elected are to listen then.
func (p *parent) fallBack(why string) bool {
	if p.back == nil || p.stopping || p.leaves {
		return false
	}
	p.back.why = p.opts.Version + ": " + why
	p.log.printf("%s; the last program takes its place again", p.back.why)
	if v := p.vrrp; v.before == nil && !v.ready && time.Since(v.started)+replaceTime > 2*p.shortest() {
		clear(p.masters)
	}
	p.depart()
	return true
}

// giveUp executes the last program in place of one that could not even begin. It
// returns if there is none.
func (p *parent) giveUp(err error) {
	if p.back == nil {
		return
	}
	p.back.why = p.opts.Version + ": " + err.Error()
	if isHeir() { // the legacy was not touched
		err = execute(p.successor(p.back, os.Environ()))
	} else {
		err = p.succumb()
	}
	p.log.printf("the last program cannot take its place again: %v", err)
}

// successor is the program to execute, and its environment: the one that back is if
// that is to come back, and else a new one, which back goes with.
func (p *parent) successor(back *wayBack, env []string) (path string, _ []string) {
	env = append(env, p.manager.environ()...)
	if home := cmp.Or(p.home, os.Getenv(homeVar)); home != "" {
		env = append(env, insideVar+"="+p.scope.namespace, homeVar+"="+home)
	}
	if back == nil {
		return program, env
	}
	env = append(env, fmt.Sprintf("%s=%d %s", formerVar, back.fd, back.path))
	if back.why == "" {
		return program, env
	}
	_, _ = unix.FcntlInt(uintptr(back.fd), unix.F_SETFD, 0) // it closes it itself
	return fmt.Sprintf("/proc/self/fd/%d", back.fd), append(env, failedVar+"="+back.why)
}

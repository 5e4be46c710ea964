package daemon

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/lb"
	"keepgo/vip"
)

// A child whose parent has died goes on alone for orphanTime: it speaks, holds
// its addresses and keeps the IPVS table. A new parent, as a service manager
// starts it, lets it know (SIGHUP), which gives it heirTime more, starts another
// process and puts an end to it when that one is up, which goes on where the
// will says. Nobody notices. Without one the child hands over and ends.
const (
	orphanTime = 2 * time.Second
	// heirTime is how long a busy machine may take to start a process.
	heirTime = 15 * time.Second
	// willTime bounds a new parent's wait for a will, and then for the end of who
	// left it: the old one has only just died.
	willTime = 500 * time.Millisecond
	// willVar, in the environment, is where a child leaves its will.
	willVar = "KEEPGO_WILL"
)

// will is what a process has to hand down.
type will struct {
	Masters   []string          // as Ready tells them
	Sequences map[string]uint32 // as Sequence tells them
	Servers   *lb.State
	Left      vip.Want // what it placed, and does not take away
}

// bereaved passes messages on. When the parent is gone it says so, and closes
// only orphanTime later, or heirTime after there is news of an heir.
func bereaved(in chan toChild, heir <-chan os.Signal) chan toChild {
	out := make(chan toChild)
	go func() {
		defer close(out)
		stopped := false
		for m := range in {
			out <- m
			stopped = (stopped || m.Stop || m.Detach) && !m.Attach // the heir of one that is detached ends it itself
		}
		if stopped {
			return
		}
		out <- toChild{Orphan: true}
		select {
		case <-heir:
			<-time.After(heirTime)
		case <-time.After(orphanTime):
		}
	}()
	return out
}

// leave writes the will.
func (w will) leave(log func(format string, args ...any)) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&w); err != nil {
		log("will: %v", err)
		return
	}
	if err := writeSafe(os.Getenv(willVar), b.Bytes(), 0o600); err != nil {
		log("will: %v", err)
	}
}

// willFile is beside the pid file of the child.
func (c *child) willFile() string {
	dir, name := filepath.Split(c.pid.path)
	return dir + "keepgo_" + strings.TrimSuffix(name, ".pid") + "_will"
}

// predecessor is a process of an earlier parent, or of the program before, that
// goes on until there is one in its place.
type predecessor interface {
	// end ends it, and returns what it kept for its next parent.
	end() ([]fromChild, error)
}

// orphan is a process whose parent died, as a pidfd.
type orphan int

func (o orphan) end() ([]fromChild, error) {
	defer unix.Close(int(o))
	err := unix.PidfdSendSignal(int(o), unix.SIGKILL, nil, 0)
	awaitExit(int(o))
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	return nil, err
}

// inherit looks for the process that an earlier parent left, and takes its will.
// It says whether the new one is to go on where that stands.
func (c *child) inherit() bool {
	if c.sought {
		return false
	}
	c.sought = true
	defer os.Remove(c.willFile())
	fd, pid := c.orphan()
	if fd < 0 {
		return false
	}
	_ = unix.PidfdSendSignal(fd, unix.SIGHUP, nil, 0)
	w, err := readWill(c.willFile())
	if err != nil {
		_, _ = orphan(fd).end()
		c.parent.log.printf("process %d of a parent that died was ended: %v", pid, err)
		return false
	}
	c.parent.log.printf("Taking over from %s child process %d, whose parent died", c.title(), pid)
	for _, name := range w.Masters {
		c.parent.masters[name] = true
	}
	maps.Copy(c.parent.counted, w.Sequences)
	c.parent.bequest.Add(w.Left)
	if w.Servers != nil {
		c.parent.servers = w.Servers.Pack()
	}
	c.before = orphan(fd)
	return true
}

// succeed ends the predecessor, hears what it had to say, and lets the process
// in its place begin. All that takes time is done before.
func (c *child) succeed() {
	old := c.before
	if old == nil {
		return
	}
	plan := c.parent.plan(c, c.resumes)
	last, err := old.end()
	c.before = nil
	if err != nil {
		c.parent.log.printf("the last %s process: %v", c.title(), err)
	}
	for _, m := range last {
		c.parent.heard(c, m)
	}
	if c == c.parent.vrrp {
		c.parent.place(c, &plan[0], c.resumes)
	}
	c.hand(plan)
}

// orphan is the living process that the pid file names, if it is one of ours,
// as a pidfd; -1 for none. The lock on the file says that its parent is dead.
func (c *child) orphan() (fd, pid int) {
	text, err := os.ReadFile(c.pid.path)
	if err != nil {
		return -1, 0
	}
	if _, err := fmt.Sscan(string(text), &pid); err != nil || pid <= 1 {
		return -1, 0
	}
	if fd, err = unix.PidfdOpen(pid, 0); err != nil {
		return -1, 0
	}
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if !bytes.HasPrefix(line, []byte(c.name+"\x00")) {
		unix.Close(fd)
		return -1, 0
	}
	return fd, pid
}

// readWill waits for a will and reads it. It is believed if it is our own user's.
func readWill(path string) (w will, err error) {
	var f *os.File
	soon := time.NewTicker(time.Millisecond)
	defer soon.Stop()
	for end := time.Now().Add(willTime); ; <-soon.C {
		if f, err = os.OpenFile(path, os.O_RDONLY|oNoFollow|unix.O_NONBLOCK, 0); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		return w, fmt.Errorf("it left no will: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return w, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.Mode().IsRegular() || int(st.Uid) != os.Geteuid() {
		return w, fmt.Errorf("%s is not a file of ours and is not believed", path)
	}
	if err = gob.NewDecoder(f).Decode(&w); err != nil {
		return will{}, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

// awaitExit waits for the end of a killed process.
func awaitExit(pidfd int) {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for end := time.Now().Add(willTime); ; {
		left := time.Until(end)
		if n, err := unix.Poll(poll, int(max(left, 0)/time.Millisecond)); err != unix.EINTR || n > 0 || left <= 0 {
			return
		}
	}
}

package daemon

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/lb"
)

// A child whose parent has died goes on alone for orphanTime: it speaks, holds
// its addresses and keeps the IPVS table. A new parent, as a service manager
// starts it, puts an end to it and starts another in its place, which goes on
// where the will says. Nobody notices. Without one the child hands over and
// ends.
const (
	orphanTime = 2 * time.Second
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
}

// bereaved passes messages on. When the parent is gone it says so, and closes
// only orphanTime later.
func bereaved(in chan toChild) chan toChild {
	out := make(chan toChild)
	go func() {
		defer close(out)
		stopped := false
		for m := range in {
			out <- m
			stopped = stopped || m.Stop
		}
		if !stopped {
			out <- toChild{Orphan: true}
			<-time.After(orphanTime)
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

// inherit takes over from the process that an earlier parent left, if it lives.
// It says whether the new one is to go on where that stood.
func (c *child) inherit() bool {
	if c.sought {
		return false
	}
	c.sought = true
	defer os.Remove(c.willFile())
	orphan, pid := c.orphan()
	if orphan < 0 {
		return false
	}
	defer unix.Close(orphan)
	w, err := readWill(c.willFile())
	_ = unix.PidfdSendSignal(orphan, unix.SIGKILL, nil, 0)
	awaitExit(orphan)
	if err != nil {
		c.parent.log.printf("process %d of a parent that died was ended: %v", pid, err)
		return false
	}
	c.parent.log.printf("Taking over from %s child process %d, whose parent died", c.title(), pid)
	for _, name := range w.Masters {
		c.parent.masters[name] = true
	}
	maps.Copy(c.parent.counted, w.Sequences)
	if w.Servers != nil {
		c.parent.servers = w.Servers
	}
	return true
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

package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a program running inside a host.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error // of Wait, once done is closed
}

// Start runs a program inside the host, with its output in a file of the lab.
// The program heads a process group of its own and is killed when this process
// dies.
func (h *Host) Start(argv ...string) (*Process, error) {
	log, err := h.file(filepath.Base(argv[0]))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = h.lab.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := h.Do(cmd.Start); err != nil {
		return nil, fmt.Errorf("host %s: %w", h.Name, err)
	}
	p := &Process{cmd: cmd, log: log.Name(), done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process alone.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how an ended process ended; nil means status 0.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Log is what the process has written so far.
func (p *Process) Log() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// LogTail is the last n lines of the log.
func (p *Process) LogTail(n int) string {
	lines := strings.Split(strings.TrimRight(p.Log(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// killDeadline bounds KillAll: processes that still stand after it are stuck
// in the kernel.
const killDeadline = 20 * time.Second

// KillAll ends every process inside the host at one instant, as a power cut
// would: all are stopped before the first one dies, so none can say goodbye or
// restart another.
func (h *Host) KillAll() error {
	for end := time.Now().Add(killDeadline); ; {
		pids := h.PIDs()
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("host %s: processes %v do not die", h.Name, pids)
		}
		gone := ends(pids)
		for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
			for _, pid := range pids {
				unix.Kill(pid, sig) // one that has just gone is no harm
			}
		}
		gone(end)
	}
}

// ends returns what waits until the processes are gone with all they held, at
// most until a time: a process leaves its namespaces before it closes its files.
func ends(pids []int) (wait func(end time.Time)) {
	var fds []int
	for _, pid := range pids {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			fds = append(fds, fd)
		}
	}
	return func(end time.Time) {
		for _, fd := range fds {
			left := max(0, time.Until(end).Milliseconds())
			// What is interrupted or runs out of time is seen by the caller.
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left))
			unix.Close(fd)
		}
	}
}

// PIDs lists the processes inside the host. What the system does not let us look
// at was not started by us.
func (h *Host) PIDs() []int {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	var pids []int
	for _, dir := range entries {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		ns, _ := os.Readlink(dir + "/ns/net")
		if ns == h.space.inode && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// pause is the pace at which the lab looks again at what has no event.
func pause() {
	t := time.NewTimer(2 * time.Millisecond)
	<-t.C
}

// Until asks again and again until ok says yes, and reports whether it did so
// within the limit.
func Until(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); ; pause() {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

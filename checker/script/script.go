// Package script runs programs as a user with a time limit. It knows processes
// and nothing of what the programs are for.
package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/checker"
)

// grace is the time a program has to end after SIGTERM, and then after SIGKILL.
const grace = 2 * time.Second

// Outcome is how a program ended. Without Err, Signal and TimedOut it exited by
// itself with Status.
type Outcome struct {
	Status   int            // exit status
	Signal   syscall.Signal // that ended it, 0 none
	TimedOut bool           // it ran longer than its limit and was ended
	Limit    time.Duration  // the limit it had
	Err      error          // it could not be started, or was called off
}

// Exited says that the program ended by itself, so that Status counts.
func (o Outcome) Exited() bool { return o.Err == nil && o.Signal == 0 && !o.TimedOut }

// String is the outcome in words.
func (o Outcome) String() string {
	switch {
	case o.TimedOut:
		return fmt.Sprintf("%s%v", checker.Late, o.Limit)
	case o.Err != nil:
		return o.Err.Error()
	case o.Signal != 0:
		return fmt.Sprintf("killed by signal %d (%v)", int(o.Signal), o.Signal)
	}
	return fmt.Sprintf("exited with status %d", o.Status)
}

// Run starts c and waits for its end. The program leads a process group of its
// own, has /dev/null for its standard descriptors, this process's working
// directory and umask, and gets SIGTERM when this process dies. After limit (0:
// none), or when ctx ends, the group gets SIGTERM and two seconds later SIGKILL.
// A program that cannot be started is an Err and never a success.
func Run(ctx context.Context, c checker.Command, limit time.Duration) Outcome {
	out := Outcome{Limit: limit}
	// PR_SET_PDEATHSIG fires when the thread that forked ends, so that thread
	// is ours alone until the program is done.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := start(c)
	if err == nil {
		ordinary(cmd.Process.Pid)
	}
	if err != nil {
		out.Err = fmt.Errorf("cannot run %s: %w", strings.Join(c.Args, " "), plain(err))
		return out
	}
	out.TimedOut, out.Err = supervise(ctx, cmd, limit)
	if state := cmd.ProcessState; state != nil {
		out.Status = state.ExitCode()
		if ws := state.Sys().(syscall.WaitStatus); ws.Signaled() {
			out.Signal, out.Status = ws.Signal(), 0
		}
	}
	return out
}

// ordinary takes a program out of the real-time class, and out of a nice value
// above others: what this process needs for itself is not for programs.
func ordinary(pid int) {
	own, err := unix.SchedGetAttr(0, 0)
	if err != nil || own.Policy == unix.SCHED_NORMAL && own.Nice >= 0 {
		return
	}
	_ = unix.SchedSetAttr(pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
}

// plain strips os/exec's "fork/exec PATH:", the path stands in our sentence.
func plain(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	if look, ok := errors.AsType[*exec.Error](err); ok {
		return look.Err
	}
	return err
}

// start starts c. A text without a #! line goes to the shell, as execvp(3) has it.
func start(c checker.Command) (*exec.Cmd, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("no command given")
	}
	if Redirection(c.Args) {
		cmd := command(c, shell, "sh", "-c", strings.Join(c.Args, " "))
		return cmd, cmd.Start()
	}
	path := c.Path
	if path == "" {
		path = c.Args[0]
	}
	cmd := command(c, path, c.Args...)
	err := cmd.Start()
	if errors.Is(err, unix.ENOEXEC) {
		cmd = command(c, shell, append([]string{"sh", cmd.Path}, c.Args[1:]...)...)
		err = cmd.Start()
	}
	return cmd, err
}

const shell = "/bin/sh"

// command prepares the process: group, identity, environment.
func command(c checker.Command, path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path)
	cmd.Args = args
	cmd.Env = environment(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	// Only root may change identity, and only root has groups worth dropping.
	if os.Geteuid() == 0 || c.UID != uint32(os.Geteuid()) || c.GID != uint32(os.Getegid()) {
		groups := c.Groups
		if len(groups) == 0 {
			groups = []uint32{c.GID} // as keepalived leaves it
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.UID, Gid: c.GID, Groups: groups, NoSetGroups: groupsFixed()}
	}
	return cmd
}

// groupsFixed says whether nobody here may change groups: so it is for root of a
// user namespace that an ordinary user made, user_namespaces(7).
var groupsFixed = sync.OnceValue(func() bool {
	b, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.TrimSpace(string(b)) == "deny"
})

// environment is env without what would let it steer a program of another user.
func environment(env []string) []string {
	kept := env[:0:0]
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if name != "LD_PRELOAD" && name != "LD_LIBRARY_PATH" && name != "IFS" {
			kept = append(kept, e)
		}
	}
	return kept
}

// supervise waits for cmd, ends its group when its time is over, and reaps it.
func supervise(ctx context.Context, cmd *exec.Cmd, limit time.Duration) (timedOut bool, err error) {
	ended := make(chan struct{})
	go func() { awaitEnd(cmd.Process.Pid); close(ended) }()

	var over <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-ended:
		cmd.Wait() // its exit status is in ProcessState
		return false, nil
	case <-over:
		timedOut = true
	case <-ctx.Done():
		err = ctx.Err()
	}
	end(cmd, ended)
	return timedOut, err
}

// end terminates the group, then kills what is left of it. The leader is not
// reaped before that: as a zombie it keeps the group's number from being reused.
func end(cmd *exec.Cmd, ended <-chan struct{}) {
	group := -cmd.Process.Pid
	syscall.Kill(group, syscall.SIGTERM)
	waitFor(ended, grace)
	syscall.Kill(group, syscall.SIGKILL)
	if waitFor(ended, grace) {
		cmd.Wait()
		return
	}
	go func() { <-ended; cmd.Wait() }() // stuck in the kernel: reaped whenever it dies
}

func waitFor(c <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return false
	}
}

// awaitEnd returns when the process has ended and leaves it to be reaped.
func awaitEnd(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

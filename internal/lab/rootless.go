package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Rootless runs this program again with the same arguments, as root of a user
// namespace of its own with a network of its own, user_namespaces(7): there a
// lab needs no rights on the machine. It returns the exit status, or an error
// where the kernel allows no user namespaces. The end of ctx ends it.
func Rootless(ctx context.Context, args []string, out, errs io.Writer) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, errs
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = cleanUp
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
		// A key that interrupts comes to us, and is passed on once; only who is in
		// front may read the keyboard.
		Setpgid: !IsTerminal(os.Stdin) || !IsTerminal(out),
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("the lab makes network namespaces: this kernel lets only root do so (%w), try sudo", err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// cleanUp is how long a lab may take to let go of everything.
const cleanUp = 15 * time.Second

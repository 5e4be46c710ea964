package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Init is the main function of keepgo as the first process of a container: it
// runs the daemon in the foreground as its only child, hands it every signal,
// and collects the processes that others left behind. It returns the daemon's
// exit status.
func Init(args []string) int {
	signals := make(chan os.Signal, 32)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGHUP, unix.SIGTERM, unix.SIGINT)
	signal.Notify(signals, dumpSignals...)
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args = append([]string{parentName, "-n"}, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "keepgo: starting the daemon: %v\n", err)
		return exitFatal
	}
	setName(parentName)
	for s := range signals {
		if s != unix.SIGCHLD {
			_ = unix.Kill(cmd.Process.Pid, s.(unix.Signal))
			continue
		}
		if code, ended := reap(cmd.Process.Pid); ended {
			return code
		}
	}
	return exitFatal
}

// reap collects every process that has ended, and tells the exit status of one
// of them as a shell does.
func reap(pid int) (code int, ended bool) {
	var ws unix.WaitStatus
	for {
		switch got, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil); {
		case err == unix.EINTR:
		case err != nil || got == 0:
			return code, ended
		case got == pid && ws.Signaled():
			code, ended = 128+int(ws.Signal()), true
		case got == pid && ws.Exited():
			code, ended = ws.ExitStatus(), true
		}
	}
}

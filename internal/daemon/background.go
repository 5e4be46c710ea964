package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// startedFD, in the environment, names the descriptor that a background daemon
// closes once its pid file is written.
const startedFD = "KEEPGO_STARTED_FD"

// Background runs this program again as a daemon: in a session of its own, with
// its working directory at / and nothing on its standard descriptors. It
// returns the exit status for the process in the foreground, once the daemon's
// pid file stands or the daemon has ended.
func Background(o Options) int {
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Fprintf(os.Stderr, "keepgo: %v\n", err)
		return exitFatal
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), startedFD+"=3", "KEEPGO_DIR="+workDir())
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "keepgo: starting the daemon: %v\n", err)
		return exitFatal
	}
	w.Close()
	var word [1]byte
	if n, _ := r.Read(word[:]); n == 1 {
		return 0
	}
	if err := cmd.Wait(); err != nil {
		return cmd.ProcessState.ExitCode()
	}
	return 0
}

func workDir() string {
	dir, err := os.Getwd()
	if err != nil {
		return "/"
	}
	return dir
}

// IsBackground tells whether this process is the daemon that Background
// started. A relative -f means what it meant to the caller: keepalived resolves
// it against / instead.
func IsBackground(o *Options) bool {
	if isHeir() {
		o.File = os.Getenv(legacyFileVar)
		return true
	}
	if os.Getenv(startedFD) == "" {
		return false
	}
	if !filepath.IsAbs(o.File) {
		o.File = filepath.Join(os.Getenv("KEEPGO_DIR"), o.File)
	}
	return true
}

// tellStarted lets the process in the foreground go.
func tellStarted() {
	if os.Getenv(startedFD) == "" {
		return
	}
	os.Unsetenv(startedFD)
	os.Unsetenv("KEEPGO_DIR")
	f := os.NewFile(3, "started")
	_, _ = f.Write([]byte{1})
	f.Close()
}

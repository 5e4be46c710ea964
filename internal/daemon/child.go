package daemon

import (
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// The names by which the binary is executed as a child; they are what ps shows.
const (
	parentName  = "keepalived"
	VRRPProcess = "keepalived_vrrp"
	LVSProcess  = "keepalived_ipvs"
	BFDProcess  = "keepalived_bfd"
)

// childFD is where a child finds its end of the link to its parent.
const childFD = 3

// RunChild is the main function of a child process. It returns the exit status.
func RunChild(name string) int {
	ignoreSignals()
	setName(name)
	up, err := newLink[fromChild, toChild](os.NewFile(childFD, "parent"))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s is started by keepgo run, not by hand: %v\n", name, err)
		return exitConfig
	}
	defer up.close()
	heir := make(chan os.Signal, 1)
	signal.Notify(heir, unix.SIGHUP)
	up.in = bereaved(up.in, heir)
	passSignals(up)
	run := map[string]func(*link[fromChild, toChild]) error{VRRPProcess: runVRRP, LVSProcess: runLVS, BFDProcess: runBFD}[name]
	defer os.Remove(os.Getenv(willVar)) // it is for who takes over from the living
	if err := run(up); err != nil {
		up.send(fromChild{Log: fmt.Sprintf("%s: %v", name, err)})
		return exitFatal
	}
	return 0
}

// ignoreSignals leaves the decision to stop to the parent: a terminal's ^C goes
// to the whole group, and mastership must be handed over in order.
func ignoreSignals() {
	disregard(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE)
}

// passSignals hands the signals for dumps to the parent: keepalived's children
// answer them too.
func passSignals(up *link[fromChild, toChild]) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, dumpSignals...)
	go func() {
		for s := range signals {
			up.send(fromChild{Signal: s.(unix.Signal)})
		}
	}()
}

// disregard takes signals and does nothing about them. What signal.Ignore
// ignores is ignored by every script that this process starts, too.
func disregard(signals ...os.Signal) { signal.Notify(make(chan os.Signal, 1), signals...) }

// setName sets the kernel's name of the process; its first 15 bytes count.
func setName(name string) {
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0)
}

// logTo makes a log function of a link.
func logTo(up *link[fromChild, toChild]) func(format string, args ...any) {
	return func(format string, args ...any) {
		up.send(fromChild{Log: fmt.Sprintf(format, args...)})
	}
}

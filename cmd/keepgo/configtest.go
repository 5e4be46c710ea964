package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"golang.org/x/sys/unix"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/daemon"
)

// Exit statuses of keepalived's configuration test, and of a daemon that
// refuses its configuration (keepalived, lib/scheduler.h).
const (
	exitRefused      = 2
	exitTestUnread   = 4 // there is no readable configuration
	exitTestFaulty   = 5 // errors or warnings
	exitTestSecurity = 6 // scripts that others can change, or that run as root unasked
)

// noLog is the value of -t without a file.
const noLog = "-"

// faultless says that the configuration has no errors, and prints those it has.
// What cannot be read is left to the daemon to tell.
func faultless(o daemon.Options, errs io.Writer) bool {
	_, list, err := daemon.Read(o)
	if err != nil {
		return true
	}
	list = slices.DeleteFunc(list, func(e *syntax.Error) bool { return e.Severity < syntax.Failure })
	if len(list) == 0 {
		return true
	}
	if err := list.Write(errs, os.ReadFile); err != nil {
		return false
	}
	fmt.Fprintf(errs, "keepgo run: not started: %d errors in %s\n", len(list), o.File)
	return false
}

// testGC is how much the heap may grow between two collections, in percent: what
// is read stays until the end, and looking for what does not takes a fifth of the
// time.
const testGC = 400

// configTest is keepalived's -t: a line for each message, and an exit status
// that tells the worst kind of them. Nothing is written when all is well.
func configTest(o daemon.Options, errs io.Writer) int {
	if o.TestLog != noLog {
		log, err := openLog(o.TestLog)
		if err != nil {
			fmt.Fprintf(errs, "Unable to open config-test log file: %v\n", err)
			return exitFaulty
		}
		defer log.Close()
		errs = log
	}
	debug.SetGCPercent(testGC)
	code, lines := verdict(o, host{})
	for _, l := range lines {
		fmt.Fprintln(errs, l)
	}
	return code
}

// verdict reads the configuration for a machine. Notes are no messages of
// keepalived's; security stands above everything else.
func verdict(o daemon.Options, h confparse.Host) (code int, lines []string) {
	cfg, list, err := daemon.Read(o)
	if err == nil {
		err = readable(o.File)
	}
	if err != nil {
		return exitTestUnread, []string{err.Error()}
	}
	list = append(list, testHost(cfg, h)...)
	for _, e := range list {
		if e.Severity > syntax.Note {
			code = exitTestFaulty
			lines = append(lines, testLine(o, e))
		}
	}
	if unsafe := securityFaults(o, cfg, h); len(unsafe) > 0 {
		return exitTestSecurity, append(lines, unsafe...)
	}
	return code, lines
}

// openLog opens the file that messages are appended to. A symbolic link is
// refused: whoever runs the test is root as a rule.
func openLog(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
}

func readable(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	return f.Close()
}

// testLine is a finding as keepalived writes it.
func testLine(o daemon.Options, e *syntax.Error) string {
	s := e.Err.Error()
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	name := e.Pos.File
	if name == absolute(o.File) {
		name = o.File
	}
	if e.Pos.Line == 0 {
		return s
	}
	return fmt.Sprintf("(%s: Line %d) %s", name, e.Pos.Line, s)
}

// testHost finds the names that the machine does not know. With
// dynamic_interfaces an interface may be missing.
func testHost(cfg *confparse.Config, h confparse.Host) syntax.ErrorList {
	if cfg.Global.DynamicInterfaces {
		tested := *cfg
		tested.Mentions = slices.DeleteFunc(slices.Clone(cfg.Mentions), func(m confparse.Mention) bool { return m.Kind == confparse.MentionLink })
		cfg = &tested
	}
	return confparse.CheckHost(cfg, h)
}

// securityFaults are scripts that others can change, and scripts without
// enable_script_security.
func securityFaults(o daemon.Options, cfg *confparse.Config, h confparse.Host) (lines []string) {
	for _, e := range unsafeScripts(cfg) {
		lines = append(lines, testLine(o, e))
	}
	for _, m := range cfg.Mentions {
		if m.Kind == confparse.MentionProgram && !cfg.Global.ScriptSecurity && h.Executable(m.Name) == nil {
			return append(lines, "SECURITY VIOLATION - scripts are being executed but script_security not enabled.")
		}
	}
	return lines
}

// Keepgo keeps a virtual IP alive on a pair of Linux directors and balances
// what arrives on it over real servers. It reads keepalived.conf.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"keepgo/internal/daemon"
)

// version is what keepgo calls itself.
const version = "0.1.0"

// Exit statuses of the verbs.
const (
	exitOK     = 0
	exitFaulty = 1 // the configuration is wrong, or the rehearsal failed
	exitUsage  = 2
)

const usage = `keepgo keeps virtual IPs alive (VRRP) and balances load (IPVS) from a keepalived.conf.

usage:
  keepgo run [-f FILE] [-n] [-l] [-D] ...   run the daemon; keepalived's options
  keepgo check [FILE...]                    say what is wrong with a configuration
  keepgo lab FILE [--json]                  rehearse it: two directors on this machine (root)
  keepgo version

keepgo VERB --help has the options of a verb.
`

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run is main with its world as arguments. It returns the exit status.
func run(args []string, out, errs io.Writer) int {
	switch name := filepath.Base(args[0]); name {
	case daemon.VRRPProcess, daemon.LVSProcess:
		return daemon.RunChild(name)
	case "keepalived":
		return runDaemon(args[1:], errs)
	}
	if len(args) < 2 {
		fmt.Fprint(errs, usage)
		return exitUsage
	}
	switch verb, rest := args[1], args[2:]; verb {
	case "run":
		return runDaemon(rest, errs)
	case "check":
		return runCheck(rest, out, errs)
	case "lab":
		return runLab(rest, out, errs)
	case "version", "--version", "-v":
		fmt.Fprintf(out, "keepgo %s\n", version)
		return exitOK
	case "help", "--help", "-h":
		fmt.Fprint(out, usage)
		return exitOK
	default:
		fmt.Fprintf(errs, "keepgo: there is no verb %q\n\n%s", verb, usage)
		return exitUsage
	}
}

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

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run is main with its world as arguments. It returns the exit status.
func run(args []string, out, errs io.Writer) int {
	switch name := filepath.Base(args[0]); name {
	case daemon.VRRPProcess, daemon.LVSProcess, daemon.BFDProcess:
		return daemon.RunChild(name)
	case "keepalived":
		return runDaemon(args[1:], out, errs)
	case "genhash":
		return runGenhash(args[1:], out, errs)
	case "ipvsadm":
		return ipvsadmNamed(args[0], args[1:], out, errs)
	}
	if len(args) < 2 {
		fmt.Fprint(errs, usage())
		return exitUsage
	}
	v := find(args[1])
	if v == nil {
		fmt.Fprintf(errs, "keepgo: there is no verb %q\n\n%s", args[1], usage())
		return exitUsage
	}
	return v.run(args[2:], out, errs)
}

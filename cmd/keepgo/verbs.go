package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"keepgo/confparse/syntax"
	"keepgo/internal/daemon"
	"keepgo/internal/lab"
)

// verb is one thing that keepgo does. The usage and the shell completions are
// made of the table of them.
type verb struct {
	name     string
	args     string // as the usage prints them
	sentence string
	flags    func() *pflag.FlagSet // its options; nil for none
	run      func(args []string, out, errs io.Writer) int
}

// verbs is the table.
func verbs() []verb {
	return []verb{
		{"run", "[-f FILE] [-n] [-l] [-D] ...", "run the daemon; keepalived's options",
			func() *pflag.FlagSet { return daemonFlags(&daemon.Options{}) }, runDaemon},
		{"check", "[FILE...]", "say what is wrong with a configuration",
			func() *pflag.FlagSet { return checkFlags(&checkOptions{}) }, runCheck},
		{"lab", "FILE [FILE2] [--drills]", "rehearse it: two directors on this machine (root)",
			func() *pflag.FlagSet { return labFlags(&lab.Options{}) }, runLab},
		{"fmt", "[-d|-w] FILE...", "put the text of files in order",
			func() *pflag.FlagSet { return fmtFlags(&fmtOptions{}) }, runFmt},
		{"dump", "[--secrets] FILE", "show what it comes to: all includes, loops, conditions",
			func() *pflag.FlagSet { return dumpFlags(&dumpOptions{}) }, runDump},
		{"lsp", "[-i ID]", "a language server for editors",
			func() *pflag.FlagSet { return lspFlags(&syntax.Env{}) }, runLSP},
		{"manual", "[KEYWORD|BLOCK]", "tell all about a keyword; --man writes keepgo.conf(5)",
			func() *pflag.FlagSet { return manualFlags(new(bool)) }, runManual},
		{"status", "[--json] [--watch]", "how the running daemon is: masters and why, addresses, servers",
			func() *pflag.FlagSet { return statusFlags(&steerOptions{}) }, runStatus},
		{"events", "[--json] [--follow]", "what happened to it, with reasons",
			func() *pflag.FlagSet { return eventsFlags(&steerOptions{}) }, runEvents},
		{"explain", "NAME", "all about one instance or virtual server",
			func() *pflag.FlagSet { return controlFlags("explain", &steerOptions{}) }, runExplain},
		{"plan", "FILE", "what a reload with this file would change, and do to traffic",
			func() *pflag.FlagSet { return controlFlags("plan", &steerOptions{}) }, runPlan},
		{"switchover", "NAME [--for TIME]", "let the other director have an instance or group",
			func() *pflag.FlagSet { return switchoverFlags(&orderOptions{}) }, runSwitchover},
		{"drill", "NAME [--yes], or observe|traffic|report", "practise a failover on the running pair, and see what clients see",
			allDrillFlags, runDrill},
		{"maintenance", "on|off [--for TIME]", "let the other director have everything",
			func() *pflag.FlagSet { return orderFlags("maintenance", &orderOptions{}) }, runMaintenance},
		{"rs", "drain|down|up|weight|auto SERVER [N]", "say how a real server is to be; on one: up|down|status|verify|watch",
			func() *pflag.FlagSet { return rsFlags(&orderOptions{}) }, runRS},
		{"doctor", "[FILE]", "find what is wrong with this director, and what to do",
			func() *pflag.FlagSet { return doctorFlags(&doctorOptions{}) }, runDoctor},
		{"probe", "[VS|RS]", "make its health checks once, and show what they see",
			func() *pflag.FlagSet { return probeFlags(&probeOptions{}) }, runProbe},
		{"genhash", "-s ADDRESS -p PORT -u PATH", "the digest of a page for HTTP_GET and SSL_GET",
			func() *pflag.FlagSet { return genhashFlags(&pageOptions{}) }, runGenhash},
		{"capture", "IF | --read FILE", "VRRP, ARP and neighbour discovery on a link, and what is wrong with them",
			func() *pflag.FlagSet { return captureFlags(&captureOptions{}) }, runCapture},
		{"upgrade", "", "make the running daemon the program that is installed now",
			func() *pflag.FlagSet { return controlFlags("upgrade", &steerOptions{}) }, runUpgrade},
		{"import", "[FILE|-] | --running", "write a configuration from ipvsadm's table or a script",
			func() *pflag.FlagSet { return importFlags(new(bool)) }, runImport},
		{"ipvs", "[ipvsadm's command line]", "look at the IPVS table and change it, as ipvsadm does", nil, runIPVS},
		{"completion", "bash|zsh|fish", "what a shell needs to complete these", nil, runCompletion},
		{"version", "", "say which keepgo this is", nil, runVersion},
		{"help", "", "say this", nil, runHelp},
	}
}

// synonyms are other spellings of verbs.
var synonyms = map[string]string{"--version": "version", "-v": "version", "--help": "help", "-h": "help"}

// find is the verb of a name, or nil.
func find(name string) *verb {
	if known := synonyms[name]; known != "" {
		name = known
	}
	for _, v := range verbs() {
		if v.name == name {
			return &v
		}
	}
	return nil
}

// usage is what keepgo says of itself.
func usage() string {
	var b strings.Builder
	b.WriteString("keepgo keeps virtual IPs alive (VRRP) and balances load (IPVS) from a keepalived.conf.\n\nusage:\n")
	for _, v := range verbs() {
		fmt.Fprintf(&b, "  %-41s %s\n", strings.TrimSpace("keepgo "+v.name+" "+v.args), v.sentence)
	}
	b.WriteString("\nkeepgo VERB --help has the options of a verb.\n")
	return b.String()
}

func runVersion(_ []string, out, _ io.Writer) int {
	fmt.Fprintf(out, "keepgo %s\n", version)
	return exitOK
}

func runHelp(_ []string, out, _ io.Writer) int {
	fmt.Fprint(out, usage())
	return exitOK
}

// newFlags is the empty set of options of a verb.
func newFlags(verb string) *pflag.FlagSet {
	return pflag.NewFlagSet("keepgo "+verb, pflag.ContinueOnError)
}

// parse reads the options of a verb. If the verb is done with that, done is
// true and code is its exit status.
func parse(f *pflag.FlagSet, args []string, errs io.Writer) (code int, done bool) {
	f.SetOutput(errs)
	switch err := f.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return exitOK, true
	case err != nil:
		fmt.Fprintf(errs, "%s: %v\n", f.Name(), err)
		return exitUsage, true
	}
	return exitOK, false
}

package main

import (
	"fmt"
	"io"
	"log/syslog"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"keepgo/confparse"
	"keepgo/internal/daemon"
)

// runDaemon is the verb run, and all of keepgo when it is called keepalived.
func runDaemon(args []string, out, errs io.Writer) int {
	if os.Getpid() == 1 {
		return daemon.Init(args)
	}
	if len(args) > 0 && (args[0] == "-T" || args[0] == "--genhash") {
		return runGenhash(args[1:], out, errs)
	}
	o := daemon.Defaults()
	o.Version = "v" + speaks + " (keepgo-" + version + ")"
	flags := daemonFlags(&o)
	flags.BoolP("help", "h", false, "show this")
	if code, done := obey(flags, args, out, errs); done {
		return code
	}
	if flags.Changed("config-test") {
		return configTest(o, errs)
	}
	background := daemon.IsBackground(&o)
	if o.Strict && !background && !faultless(o, errs) {
		return exitRefused
	}
	if !o.DontFork && !background {
		return daemon.Background(o)
	}
	return daemon.Run(o)
}

// obey reads the command line as keepalived does: a question is answered where
// it stands, and whatever is wrong is told before the program ends. If that is
// all there is to do, done is true and code is the exit status.
func obey(flags *pflag.FlagSet, args []string, out, errs io.Writer) (code int, done bool) {
	words, rest := scan(flags, args)
	for _, w := range words {
		switch {
		case w.fault != "":
			code, done = exitFaulty, true
			fmt.Fprintln(errs, w.fault)
		case w.flag.Name == "version":
			fmt.Fprint(errs, keepalivedVersion())
			return exitOK, true
		case w.flag.Name == "help":
			fmt.Fprintf(errs, "Usage: keepalived [OPTION...]\n%s", flags.FlagUsages())
			return exitOK, true
		case w.flag.Name == "signum":
			return signum(w.value, out, errs), true
		default:
			// keepalived goes on with what it had before a bad value, too.
			if err := w.flag.Value.Set(w.value); err != nil {
				fmt.Fprintf(errs, "%v\n", err)
			}
			w.flag.Changed = true
		}
	}
	if len(rest) > 0 && !done {
		fmt.Fprintf(out, "Unexpected argument(s): %s \n", strings.Join(rest, " "))
	}
	return code, done
}

// daemonFlags are the options of keepalived(8).
func daemonFlags(o *daemon.Options) *pflag.FlagSet {
	f := newFlags("run")
	f.SortFlags = false
	f.StringVarP(&o.File, "use-file", "f", o.File, "configuration `file`")
	f.BoolVarP(&o.NoLVS, "vrrp", "P", false, "run VRRP only")
	f.BoolVarP(&o.NoVRRP, "check", "C", false, "run the health checks and IPVS only")
	f.BoolVarP(&o.NoBFD, "no_bfd", "B", false, "do not run BFD")
	f.BoolVar(&o.All, "all", false, "run all processes, even without configuration for them")
	logFlags(f, o)
	f.VarP(set(func(text string) error { return readUmask(o, text) }), "umask", "u", "creation `mask` of files, in octal or by names such as IRWXG|IRWXO")
	f.BoolP("release-vips", "X", false, "addresses of ours are always removed; accepted for keepalived's sake")
	f.BoolVarP(&o.KeepVIPs, "dont-release-vrrp", "V", false, "leave addresses in place at exit")
	f.BoolVarP(&o.KeepIPVS, "dont-release-ipvs", "I", false, "leave IPVS services in place at exit")
	f.Var(set(func(text string) error { return readPlane(o, text) }), "data-plane", "`what` balances connections: auto, ipvs or nftables (default: lvs_data_plane of the configuration)")
	f.BoolVarP(&o.NoRespawn, "dont-respawn", "R", false, "end when a child process does")
	f.BoolVarP(&o.DontFork, "dont-fork", "n", false, "stay in the foreground")
	f.BoolVarP(&o.DumpConf, "dump-conf", "d", false, "log the configuration at start")
	f.StringVarP(&o.PIDFile, "pid", "p", o.PIDFile, "pid `file` of the parent process")
	f.StringVarP(&o.VRRPPIDFile, "vrrp_pid", "r", o.VRRPPIDFile, "pid `file` of the VRRP process")
	f.StringVarP(&o.CheckersPIDFile, "checkers_pid", "c", o.CheckersPIDFile, "pid `file` of the health check process")
	f.StringVarP(&o.BFDPIDFile, "bfd_pid", "b", o.BFDPIDFile, "pid `file` of the BFD process")
	f.BoolVarP(&o.LogAddresses, "address-monitoring", "a", false, "log every change of an address on the interfaces")
	f.BoolVarP(&o.SNMP, "snmp", "x", false, "enable SNMP")
	f.StringVarP(&o.SNMPSocket, "snmp-agent-socket", "A", "", "`socket` of the AgentX master")
	f.StringVarP(&o.Namespace, "namespace", "s", "", "run in network namespace `name`")
	f.BoolVarP(&o.CoreDump, "core-dump", "m", false, "leave a core after a crash")
	f.StringVarP(&o.CorePattern, "core-dump-pattern", "M", "", "set the kernel's core_pattern to `pattern` while running (default core)")
	f.Lookup("core-dump-pattern").NoOptDefVal = "core"
	f.BoolP("all-config", "e", false, "a missing include is always told; accepted for keepalived's sake")
	f.StringVarP(&o.ConfigID, "config-id", "i", "", "`id` for @id lines (default: the host's name)")
	f.String("signum", "", "tell the number of a `signal`: STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON")
	f.StringVarP(&o.TestLog, "config-test", "t", "", "test the configuration and end; messages go to standard error, or are appended to `file`")
	f.Lookup("config-test").NoOptDefVal = noLog
	f.BoolP("version", "v", false, "tell the version")
	f.BoolVar(&o.IgnoreINT, "ignore-sigint", false, "do not stop on SIGINT")
	f.BoolVar(&o.Strict, "strict", false, "do not start with a configuration that has errors")
	f.StringVar(&o.Control, "control", o.Control, "`path` of the control socket")
	return f
}

// logFlags are the options of the log.
func logFlags(f *pflag.FlagSet, o *daemon.Options) {
	f.BoolVarP(&o.LogConsole, "log-console", "l", false, "with -n, log to standard error too")
	f.CountVarP(&o.LogDetail, "log-detail", "D", "detailed log; twice for more")
	f.VarP(set(func(text string) (err error) {
		o.Facility, err = facility(text, o.Facility)
		return err
	}), "log-facility", "S", "syslog `facility`: 0-7, local0-local7, user, daemon")
	f.StringVarP(&o.LogFile, "log-file", "g", "", "log to `file` too (default keepalived.log in TMPDIR)")
	f.Lookup("log-file").NoOptDefVal = daemon.TempFile("keepalived.log")
	f.Bool("flush-log-file", false, "every line is written at once; accepted for keepalived's sake")
	f.BoolVarP(&o.NoSyslog, "no-syslog", "G", false, "do not log to syslog")
	f.Var(set(func(text string) error {
		if o.LogJSON = text == "json"; text != "json" && text != "text" {
			return fmt.Errorf("invalid log format '%s': text or json", text)
		}
		return nil
	}), "log-format", "`format` of lines on the console and in files: text or json")
}

// set is an option that a function reads.
type set func(text string) error

func (s set) Set(text string) error { return s(text) }
func (s set) String() string        { return "" }
func (s set) Type() string          { return "value" }

func readPlane(o *daemon.Options, text string) error {
	plane, known := map[string]confparse.DataPlane{
		"auto": confparse.PlaneAuto, "ipvs": confparse.PlaneIPVS, "nftables": confparse.PlaneNFTables,
	}[text]
	if !known {
		return fmt.Errorf("invalid data plane '%s': auto, ipvs or nftables", text)
	}
	o.DataPlane = &plane
	return nil
}

func readUmask(o *daemon.Options, text string) error {
	mask, err := confparse.ParseUmask(text)
	if err != nil {
		return fmt.Errorf("Invalid --umask option %s", text) //nolint:staticcheck // keepalived's own words
	}
	o.Umask = &mask
	return nil
}

// facilities are those of syslog(3) that have a name.
var facilities = map[string]syslog.Priority{
	"auth": syslog.LOG_AUTH, "authpriv": syslog.LOG_AUTHPRIV, "cron": syslog.LOG_CRON, "daemon": syslog.LOG_DAEMON, "ftp": syslog.LOG_FTP,
	"lpr": syslog.LOG_LPR, "mail": syslog.LOG_MAIL, "news": syslog.LOG_NEWS, "syslog": syslog.LOG_SYSLOG, "user": syslog.LOG_USER, "uucp": syslog.LOG_UUCP,
}

// facility reads the value of -S: 0 to 7 are local0 to local7.
func facility(text string, before int) (int, error) {
	if known, ok := facilities[text]; ok {
		return int(known), nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "local"), 10, 8)
	if err != nil || n > 7 {
		return before, fmt.Errorf("Invalid log facility '%s'", text) //nolint:staticcheck // keepalived's own words
	}
	return int(syslog.LOG_LOCAL0) + int(n)<<3, nil
}

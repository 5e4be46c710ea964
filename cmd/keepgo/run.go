package main

import (
	"io"

	"github.com/spf13/pflag"

	"keepgo/internal/daemon"
)

// runDaemon is the verb run, and all of keepgo when it is called keepalived.
func runDaemon(args []string, _, errs io.Writer) int {
	o := daemon.Defaults()
	flags := daemonFlags(&o)
	if code, done := parse(flags, args, errs); done {
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

// daemonFlags are the options of keepalived(8) that have an effect.
func daemonFlags(o *daemon.Options) *pflag.FlagSet {
	f := newFlags("run")
	f.SortFlags = false
	f.StringVarP(&o.File, "use-file", "f", o.File, "configuration `file`")
	f.StringVarP(&o.ConfigID, "config-id", "i", "", "`id` for @id lines (default: the host's name)")
	f.BoolVarP(&o.DontFork, "dont-fork", "n", false, "stay in the foreground")
	f.BoolVarP(&o.LogConsole, "log-console", "l", false, "with -n, log to standard error too")
	f.BoolVarP(&o.LogDetail, "log-detail", "D", false, "detailed log")
	f.BoolVarP(&o.NoSyslog, "no-syslog", "G", false, "do not log to syslog")
	f.BoolVarP(&o.NoLVS, "vrrp", "P", false, "run VRRP only")
	f.BoolVarP(&o.NoVRRP, "check", "C", false, "run the health checks and IPVS only")
	f.BoolVarP(&o.KeepVIPs, "dont-release-vrrp", "V", false, "leave addresses in place at exit")
	f.BoolVarP(&o.KeepIPVS, "dont-release-ipvs", "I", false, "leave IPVS services in place at exit")
	f.StringVarP(&o.PIDFile, "pid", "p", o.PIDFile, "pid `file` of the parent process")
	f.StringVarP(&o.VRRPPIDFile, "vrrp_pid", "r", o.VRRPPIDFile, "pid `file` of the VRRP process")
	f.StringVarP(&o.CheckersPIDFile, "checkers_pid", "c", o.CheckersPIDFile, "pid `file` of the health check process")
	f.StringVarP(&o.TestLog, "config-test", "t", "", "test the configuration and end; messages go to standard error, or are appended to `file`")
	f.Lookup("config-test").NoOptDefVal = noLog
	f.BoolVar(&o.Strict, "strict", false, "do not start with a configuration that has errors")
	f.StringVar(&o.Control, "control", o.Control, "`path` of the control socket")
	return f
}

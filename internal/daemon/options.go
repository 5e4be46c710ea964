// Package daemon is what runs: the parent process, the VRRP process and the
// LVS process, their loops, and what passes between them.
package daemon

import (
	"log/syslog"
	"os"

	"keepgo/confparse"
)

// Options are the command line of keepalived(8) as far as it decides how the
// processes run.
type Options struct {
	File     string // -f: configuration file
	ConfigID string // -i
	Version  string // for the first and the last line of the log

	DontFork bool // -n

	LogConsole bool   // -l
	LogDetail  int    // -D: how often it was given
	NoSyslog   bool   // -G
	Facility   int    // -S: one of syslog(3)
	LogFile    string // -g; "" for none
	LogJSON    bool   // --log-format json: lines of JSON on the console and in the file
	DumpConf   bool   // -d: log the configuration at start

	TestLog string // -t: where the messages of the configuration test go
	Strict  bool   // --strict: a configuration with errors is none

	NoVRRP    bool // -C: run only the checkers
	NoLVS     bool // -P: run only VRRP
	NoBFD     bool // -B
	All       bool // --all: run the children even with nothing to do
	NoRespawn bool // -R: end when a child does

	PIDFile         string // -p; "" for the one that the configuration asks for
	VRRPPIDFile     string // -r
	CheckersPIDFile string // -c
	BFDPIDFile      string // -b

	DataPlane *confparse.DataPlane // --data-plane; nil for that of the configuration

	KeepVIPs bool // -V: leave addresses at exit
	KeepIPVS bool // -I: leave IPVS services at exit

	Namespace    string  // -s: network namespace, before that of the configuration
	Umask        *uint32 // -u; nil for that of the configuration
	CoreDump     bool    // -m: a crash leaves a core
	CorePattern  string  // -M: the kernel's core_pattern while running
	LogAddresses bool    // -a: log every change of an address
	IgnoreINT    bool    // --ignore-sigint

	SNMP       bool   // -x
	SNMPSocket string // -A

	Control string // path of the control socket
}

const defaultControl = "/run/keepgo/control.sock"

// files are where the configuration is looked for without -f.
var files = []string{"/etc/keepalived/keepalived.conf", "/usr/local/etc/keepalived/keepalived.conf"}

// Defaults are the paths keepalived uses.
func Defaults() Options {
	o := Options{File: files[0], Facility: int(syslog.LOG_DAEMON), Control: defaultControl}
	if _, err := os.Stat(files[1]); err == nil {
		if _, err := os.Stat(files[0]); err != nil {
			o.File = files[1]
		}
	}
	return o
}

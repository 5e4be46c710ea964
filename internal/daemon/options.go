// Package daemon is what runs: the parent process, the VRRP process and the
// LVS process, their loops, and what passes between them.
package daemon

// Options are the command line of keepalived(8) as far as it decides how the
// processes run.
type Options struct {
	File     string // -f: configuration file
	ConfigID string // -i

	DontFork   bool // -n
	LogConsole bool // -l
	LogDetail  bool // -D
	NoSyslog   bool // -G

	TestLog string // -t: where the messages of the configuration test go
	Strict  bool   // --strict: a configuration with errors is none

	NoVRRP bool // -C: run only the checkers
	NoLVS  bool // -P: run only VRRP

	PIDFile         string // -p
	VRRPPIDFile     string // -r
	CheckersPIDFile string // -c

	KeepVIPs bool // -V: leave addresses at exit
	KeepIPVS bool // -I: leave IPVS services at exit

	Control string // path of the control socket
}

// Defaults are the paths keepalived uses.
func Defaults() Options {
	return Options{
		File:            "/etc/keepalived/keepalived.conf",
		PIDFile:         "/run/keepalived.pid",
		VRRPPIDFile:     "/run/vrrp.pid",
		CheckersPIDFile: "/run/checkers.pid",
		Control:         "/run/keepgo.sock",
	}
}

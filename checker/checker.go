// Package checker is a health check as data, and the rule by which probe
// results become a verdict (Damper). It knows neither IPVS nor VRRP.
package checker

import (
	"net/netip"
	"time"
)

// ID names a check within a plan: the index the minds gave it.
type ID int

// Time is a monotonic instant, counted from an origin of the caller's choice.
type Time = time.Duration

// Kind is the sort of probe.
type Kind uint8

// The probes.
const (
	TCP Kind = iota
	HTTP
	Script
)

// Probe is what to ask and what to expect of the answer.
type Probe struct {
	Kind     Kind
	Target   netip.AddrPort
	Bind     netip.AddrPort // zero: the kernel chooses
	BindLink string         // interface name, "" none
	Mark     uint32         // SO_MARK, 0 none

	// HTTP
	TLS          bool
	SNI          string // server name, "" sends none
	Protocol     string // "1.0", "1.0C", "1.1"
	URLs         []URL
	FastRecovery bool

	// Script
	Command Command
	Dynamic bool // exit 2..255 sets the weight to status - 2
}

// URL is one request of an HTTP probe and what its answer must satisfy.
type URL struct {
	Path   string
	Host   string  // Host header
	Status []Range // none: 200..299
	Digest string  // MD5 of the body in hexadecimal, "" not compared
}

// Range is an inclusive range of HTTP status codes.
type Range struct{ First, Last int }

// Command is a program, its arguments and the identity it runs under.
type Command struct {
	Args     []string
	UID, GID uint32
}

// Check is a probe and its rhythm.
type Check struct {
	ID         ID
	Probe      Probe
	Timeout    time.Duration
	Interval   time.Duration // delay_loop
	Retry      int           // further failures tolerated while up
	RetryDelay time.Duration // delay_before_retry
	Warmup     time.Duration // the first probe comes after 1 s plus a random part of this
	Alpha      bool          // down until the first success
	LogAll     bool
	Name       string // how log lines call the target: "[10.0.0.1]:tcp:80"
}

// Result is a verdict on a check after damping.
type Result struct {
	ID     ID
	Up     bool
	Weight int // change of the server's weight a dynamic script asks for
	Why    string
}

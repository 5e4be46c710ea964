// Package checker is a health check as data, and the rule by which probe
// results become a verdict (Damper). It knows neither IPVS nor VRRP.
package checker

import (
	"encoding/json"
	"fmt"
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
	Protocol     string // "1.0", "1.0C" (with Connection: close) or "1.1"
	URLs         []URL
	FastRecovery bool // no pause between the urls while the verdict is open

	// Script
	Command Command
	Dynamic bool // exit status 2..255 means up with weight status - 2
}

// URL is one request of an HTTP probe and what its answer must satisfy.
type URL struct {
	Path   string
	Host   string  // Host header
	SNI    string  // server name sent in the TLS handshake, "" sends none
	Status []Range // none: 200..299
	Digest string  // MD5 of the body in hexadecimal, "" not compared

	Regex   string // RE2 syntax, searched in the body; "" not compared
	NoMatch bool   // the body must not match Regex
}

// Range is an inclusive range of HTTP status codes.
type Range struct{ First, Last int }

// Command is a program, its arguments and the identity it runs under. User and
// Group are names, or numbers in digits; whoever runs the command resolves them
// to UID, GID and Groups first.
type Command struct {
	Args        []string
	Path        string // of the file to execute; "" looks Args[0] up
	User, Group string
	UID, GID    uint32
	Groups      []uint32 // supplementary
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
	Service    string // how log lines call the service the target belongs to
}

// Identity tells which checks of two plans are the same one: equal target,
// service and probe. IDs and timers do not count.
func (c *Check) Identity() string {
	b, err := json.Marshal(struct {
		Name, Service string
		Probe         *Probe
	}{c.Name, c.Service, &c.Probe})
	if err != nil { // no field can fail to encode
		return fmt.Sprintf("%s %s %+v", c.Name, c.Service, c.Probe)
	}
	return string(b)
}

// steps is how many requests one full pass of the check asks.
func (c *Check) steps() int {
	if c.Probe.Kind == HTTP {
		return max(1, len(c.Probe.URLs))
	}
	return 1
}

// Result is a verdict on a check after damping.
type Result struct {
	ID      ID
	Up      bool
	Dynamic bool // the script named a weight
	Weight  int  // the weight a dynamic script wants its server to have, 0..253
	Why     string
}

// Package checker is a health check as data, and the rule by which probe
// results become a verdict (Damper). It knows neither IPVS nor VRRP.
package checker

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"keepgo/checker/pcre"
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
	SMTP
	DNS
	UDP
	Ping
)

// String is the keyword of the configuration; SSL_GET is an HTTP of its Web.
func (k Kind) String() string {
	return [...]string{"TCP_CHECK", "HTTP_GET", "MISC_CHECK", "SMTP_CHECK", "DNS_CHECK", "UDP_CHECK", "PING_CHECK"}[k]
}

// Keyword is what the configuration calls the probe.
func (p *Probe) Keyword() string {
	if p.Kind == HTTP && p.Web != nil && p.Web.TLS != nil {
		return "SSL_GET"
	}
	return p.Kind.String()
}

// Probe is what to ask and what to expect of the answer. What a kind needs
// beyond the connection stands behind a pointer that is nil for other kinds.
type Probe struct {
	Kind     Kind
	Mark     uint32 // SO_MARK, 0 none
	Target   netip.AddrPort
	Bind     netip.AddrPort // zero: the kernel chooses
	BindLink string         // interface name, "" none
	// Via is the server that a probe of a virtual address must come to: the kernel
	// leads the packets with Mark there, unchanged. The zero value: Target's own.
	Via netip.Addr

	Web      *Web      // HTTP
	Program  *Program  // Script
	Question *Question // DNS
	Datagram *Datagram // UDP
	Helo     string    // SMTP: how the probe names itself
}

// Web is what an HTTP probe asks.
type Web struct {
	TLS          *TLS   // nil speaks plain HTTP
	Protocol     string // "1.0", "1.0C" (with Connection: close) or "1.1"
	URLs         []URL
	FastRecovery bool // no pause between the urls while the verdict is open
}

// TLS names the files a probe shows itself with to servers that want to know,
// all in PEM; "" none.
type TLS struct{ Password, CA, Certificate, Key string }

// URL is one request of an HTTP probe and what its answer must satisfy.
type URL struct {
	Path    string
	Host    string        // Host header
	SNI     string        // server name sent in the TLS handshake, "" sends none
	Polite  bool          // ends TLS with close_notify and waits for the server's
	Status  []Range       // none: 200..299
	Digest  string        // MD5 of the body in hexadecimal, "" not compared
	Regex   *pcre.Pattern // searched in the body, nil not compared
	NoMatch bool          // the body must not match Regex
}

// Program is what a script probe runs.
type Program struct {
	Command Command
	Dynamic bool // exit status 2..255 means up with weight status - 2
}

// Question is what a DNS probe asks: a name, and a type by its number in RFC
// 1035 section 3.2.2 and its successors.
type Question struct {
	Name string // "." is the root
	Type uint16
}

// Datagram is what a UDP probe sends and expects.
type Datagram struct {
	Payload  []byte // nil sends keepalived's 32 bytes of text
	Required bool   // silence is a failure
	Reply    []byte // how an answer begins, in the bits of Mask; nil takes any
	Mask     []byte // as long as Reply
	Min, Max int    // bytes of an answer that Reply is compared with
}

// Late begins the reason of a program that was ended because it took too long.
const Late = "ended after its limit of "

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

// Name is how log lines call the program.
func (c *Command) Name() string {
	if len(c.Args) == 0 {
		return ""
	}
	return c.Args[0]
}

// Check is a probe and its rhythm.
type Check struct {
	ID         ID
	Probe      Probe
	Timeout    time.Duration
	Interval   time.Duration // delay_loop
	Retry      int           // further failures tolerated while up
	RetryDelay time.Duration // delay_before_retry
	Rise       int           // successes in a row that bring it up again; 0 and 1 mean one
	Warmup     time.Duration // the first probe comes after 1 s plus a random part of this
	Alpha      bool          // down until the first success
	LogAll     bool
	Private    bool // its probe answers for no other check
	Known      bool // it was made before, and was Down or not, with Rising successes in a row
	Down       bool
	Rising     int
	Name       string // how log lines call the target: "[10.0.0.1]:tcp:80"
	Service    string // how log lines call the service the target belongs to
}

// Identity tells which checks of two plans are the same one: equal target,
// service and probe. IDs and timers do not count. It is a digest of 16 bytes.
func (c *Check) Identity() string {
	var room [keyRoom]byte
	k := digest(c.Probe.appendKey(appendText(appendText(room[:0], c.Name), c.Service)))
	return string(k[:])
}

// Key is a fingerprint.
type Key [16]byte

// Sharing tells which checks one probe answers: they ask the same in the same
// rhythm, of whatever service. A private check shares with none.
func (c *Check) Sharing() Key {
	var room [keyRoom]byte
	b := c.Probe.appendKey(appendText(room[:0], c.Name))
	for _, n := range []int64{int64(c.Timeout), int64(c.Interval), int64(c.Retry), int64(c.RetryDelay), int64(c.Rise), int64(c.Warmup)} {
		b = binary.AppendVarint(b, n)
	}
	b = append(b, bit(c.Alpha)|bit(c.Private)<<1)
	if c.Private {
		b = appendText(b, c.Service)
	}
	return digest(b)
}

// keyRoom is room for the key of most checks.
const keyRoom = 256

// appendKey appends what tells a probe from all others, each text behind its
// length. What few kinds need goes in as JSON: it is rare, and of many parts.
func (p *Probe) appendKey(b []byte) []byte {
	var room [64]byte
	b = append(b, byte(p.Kind))
	b = appendText(b, p.Target.AppendTo(room[:0]))
	b = appendText(b, p.Bind.AppendTo(room[:0]))
	b = appendText(b, p.Via.AppendTo(room[:0]))
	b = appendText(b, p.BindLink)
	b = appendText(b, p.Helo)
	b = binary.AppendUvarint(b, uint64(p.Mark))
	if p.Web == nil && p.Program == nil && p.Question == nil && p.Datagram == nil {
		return appendText(b, "")
	}
	rest, err := json.Marshal([]any{p.Web, p.Program, p.Question, p.Datagram})
	if err != nil { // no field can fail to encode
		rest = fmt.Appendf(nil, "%+v", p)
	}
	return appendText(b, rest)
}

func appendText[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func bit(on bool) byte {
	if on {
		return 1
	}
	return 0
}

func digest(key []byte) Key {
	sum := sha256.Sum256(key)
	return Key(sum[:16])
}

// Steps is how many requests one full pass of the check asks.
func (c *Check) Steps() int {
	if w := c.Probe.Web; w != nil {
		return max(1, len(w.URLs))
	}
	return 1
}

// Result is a verdict on a check after damping.
type Result struct {
	ID      ID
	Up      bool
	Dynamic bool // the script named a weight
	Weight  int  // the weight a dynamic script wants its server to have, 0..253
	Rising  int  // successes in a row of one that is down
	Why     string
}

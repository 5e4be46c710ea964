package confparse

import (
	"net/netip"
	"time"

	"keepgo/confparse/syntax"
)

// CheckKind names a checker block.
type CheckKind uint8

// The checkers of keepalived.conf.
const (
	TCPCheck CheckKind = iota
	HTTPCheck
	SSLCheck
	SMTPCheck
	DNSCheck
	MiscCheck
	UDPCheck
	PingCheck
	FileCheck
	BFDCheck
)

// String is the keyword that opens the block.
func (k CheckKind) String() string {
	return [...]string{"TCP_CHECK", "HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK",
		"MISC_CHECK", "UDP_CHECK", "PING_CHECK", "FILE_CHECK", "BFD_CHECK"}[k]
}

// Checker is one checker block of a real_server, with the whole chain of
// inheritance applied (checker, real_server, virtual_server, built in).
type Checker struct {
	Pos syntax.Pos

	Addr     netip.Addr // connect_ip, or the real server
	BindAddr netip.Addr
	BindIf   string
	FWMark   uint32
	Port     uint16 // connect_port, or the real server's
	BindPort uint16
	Kind     CheckKind
	Alpha    bool
	LogAll   bool // log_all_failures
	Private  bool // not share_probe: its probe answers for no other check
	Through  bool // through_vip: Addr is connect_ip or none, and Port 0 that of the service

	Timeout          time.Duration // connect_timeout, misc_timeout
	DelayLoop        time.Duration
	DelayBeforeRetry time.Duration
	Warmup           time.Duration
	Retry            int
	Rise             int // successes in a row that bring a server back, from 1

	// What the kind needs beyond that; nil for the other kinds.
	HTTP *HTTP
	Misc *Misc
	SMTP *Dialogue
	DNS  *Question
	UDP  *Datagram
	// Watch is what FILE_CHECK or BFD_CHECK follows.
	Watch *Watch
}

// HTTP is what HTTP_GET and SSL_GET ask and expect.
type HTTP struct {
	Protocol     string // "1.0", "1.0C" or "1.1"
	VirtualHost  string // Host header when a url has none of its own; "" means address and port
	SNI          bool
	SNIName      string
	SNIHost      string // server name when neither SNIName nor a url has one
	FastRecovery bool
	TLSCompliant bool
	URLs         []URL
}

// URL is one url block.
type URL struct {
	Pos         syntax.Pos
	Path        string
	Digest      string // 32 hexadecimal digits, or ""
	Status      []StatusRange
	VirtualHost string
	Regex       string
	RegexNegate bool
	// RegexOptions are names of pcre2api(3) in small letters: caseless, dotall.
	RegexOptions []string
	RegexMin     int // where a match begins at the earliest, in bytes
	RegexMax     int // where it begins at the latest; 0 means anywhere
	TLSCompliant bool
}

// StatusRange is an inclusive range of HTTP status codes.
type StatusRange struct{ First, Last int }

// Misc is what MISC_CHECK runs.
type Misc struct {
	Command Command
	Dynamic bool
}

// Dialogue is what SMTP_CHECK says to a mail server.
type Dialogue struct {
	Helo string // helo_name
}

// Question is what DNS_CHECK asks.
type Question struct {
	Type string // A, NS, CNAME, SOA, MX, TXT, AAAA, RRSIG or DNSKEY
	Name string
}

// Datagram is what UDP_CHECK sends and expects.
type Datagram struct {
	Payload      []byte // nil means the 32 bytes keepalived sends
	RequireReply bool
	Reply        []byte // how the answer begins, where Mask has bits; nil means any
	Mask         []byte
	MinReply     int // bytes
	MaxReply     int
}

// Watch names a track_file with what its number does to the weight of the
// server, or a bfd_instance.
type Watch struct {
	Name    string
	Weight  int // what the number is multiplied with; 0 means down unless it is 0
	Reverse bool
}

package confparse

import (
	"strconv"
	"strings"
)

// releases names the keepalived release that brought each keyword of a block.
type releases map[string]string

// released says when keywords that several blocks share came to one of them:
// not before the block itself, and at the releases named here.
func released[T any](rows []row[T], first string, named releases) []row[T] {
	out := make([]row[T], len(rows))
	for i, rw := range rows {
		if newer(first, rw.Since) {
			rw.Since = first
		}
		if v := named[rw.Name]; v != "" {
			rw.Since = v
		}
		out[i] = rw
	}
	return out
}

// newer says that release a came after release b.
func newer(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x > y
		}
	}
	return len(as) > len(bs)
}

// checkReleases are the releases of the checkers and of what they share where
// it came to them at another time than to TCP_CHECK.
var checkReleases = [...]struct {
	first string
	named releases
}{
	TCPCheck:  {"1.1.0", nil},
	HTTPCheck: {"1.1.0", releases{"retry": "1.3.7", "delay_before_retry": "1.1.0"}},
	SSLCheck:  {"1.1.0", releases{"retry": "1.3.7", "delay_before_retry": "1.1.0"}},
	SMTPCheck: {"1.1.8", releases{"retry": "1.1.8", "delay_before_retry": "1.1.8", "connect_ip": "1.2.17", "connect_port": "1.2.17",
		"bindto": "1.2.17", "bind_port": "1.2.17", "fwmark": "1.2.17"}},
	DNSCheck:  {"1.3.0", releases{"delay_before_retry": "1.3.7", "warmup": "1.3.7"}},
	MiscCheck: {"1.1.0", releases{"retry": "1.3.7", "delay_before_retry": "1.3.7"}},
	UDPCheck:  {"2.1.0", nil},
	PingCheck: {"2.1.0", nil},
	FileCheck: {"2.1.0", nil},
	BFDCheck:  {"2.0.0", nil},
}

// hostReleases are those of the host block of SMTP_CHECK.
var hostReleases = releases{"connect_ip": "1.1.8", "retry": "1.3.7", "delay_before_retry": "1.3.7", "warmup": "1.3.7", "connect_timeout": "1.2.13"}

// serviceReleases and serverReleases are those of what virtual_server and
// real_server hand down to their checkers.
var (
	serviceReleases = releases{"retry": "1.3.7", "delay_before_retry": "1.3.7", "warmup": "1.3.7", "connect_timeout": "2.0.13",
		"delay_loop": "1.1.0", "alpha": "1.1.16"}
	serverReleases = releases{"retry": "1.3.7", "delay_before_retry": "1.3.7", "warmup": "1.3.7", "connect_timeout": "2.0.13"}
)

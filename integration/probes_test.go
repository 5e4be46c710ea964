package integration

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"keepgo/internal/netlab"
)

// probed is a host that answers every sort of health check, notes who asks
// what, and turns bad on demand.
type probed struct {
	*world
	host *netlab.Host
	bad  atomic.Bool
	mu   sync.Mutex
	said map[string]map[string]int // how often, by asker and "probe: words"
	open []io.Closer               // what listens while the host is good only
}

// checks asks for one probe of each sort. FILE stands for a file whose absence
// is a failure, DIGEST for that of the page.
const checks = `
virtual_server 10.0.0.100 80 {
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    delay_loop 1
    warmup 0
    retry 1
    delay_before_retry 1
    connect_timeout 4
    real_server 10.0.0.31 81 {
        TCP_CHECK {
        }
    }
    real_server 10.0.0.31 82 {
        HTTP_GET {
            http_protocol 1.1
            url {
                path /a?b=c
                virtualhost www.example
                status_code 200
            }
            url {
                path /b
                digest DIGEST
                regex "h(e|a)(?=llo)"
            }
        }
    }
    real_server 10.0.0.31 83 {
        HTTP_GET {
            url {
                path /
            }
        }
    }
    real_server 10.0.0.31 84 {
        SSL_GET {
            http_protocol 1.0C
            enable_sni
            virtualhost tls.example
            url {
                path /
                status_code 200
            }
        }
    }
    real_server 10.0.0.31 85 {
        SMTP_CHECK {
            helo_name me.example
        }
    }
    real_server 10.0.0.31 86 {
        DNS_CHECK {
            type AAAA
            name www.example
        }
    }
    real_server 10.0.0.31 87 {
        UDP_CHECK {
        }
    }
    real_server 10.0.0.31 88 {
        UDP_CHECK {
            payload "0102ff"
            require_reply "01x2"
        }
    }
    real_server 10.0.0.31 89 {
        PING_CHECK {
        }
    }
    real_server 10.0.0.31 90 {
        MISC_CHECK {
            misc_path "/usr/bin/test -e FILE"
            user root
        }
    }
}
`

// probes is how many there are, and differentWords how many ask in words of
// their own.
const (
	probes         = 10
	differentWords = 10 // nobody hears the script, and one server has two pages
)

const page = "hello"

// hear notes what an asker said.
func (p *probed) hear(probe string, from net.Addr, words string) {
	host := from.String()
	if a, err := netip.ParseAddrPort(host); err == nil {
		host = a.Addr().String()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said[host] == nil {
		p.said[host] = map[string]int{}
	}
	p.said[host][probe+": "+words]++
}

// heard is what an asker said so far, if all of it twice.
func (p *probed) heard(from netip.Addr) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for words, n := range p.said[from.String()] {
		if n > 1 {
			all = append(all, words)
		}
	}
	slices.Sort(all)
	return all
}

// stream serves TCP connections on a port.
func (p *probed) stream(port int, serve func(net.Conn)) io.Closer {
	ln := must(p.host.Listen("tcp", fmt.Sprintf("10.0.0.31:%d", port)))(p.t)
	p.t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); serve(conn) }()
		}
	}()
	return ln
}

// packets answers datagrams.
func (p *probed) packets(network, address string, reply func(from net.Addr, b []byte) []byte) io.Closer {
	var conn net.PacketConn
	p.do(p.host.Do(func() (err error) { conn, err = net.ListenPacket(network, address); return err }))
	p.t.Cleanup(func() { conn.Close() })
	go func() {
		for buf := make([]byte, 1<<16); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if b := reply(from, bytes.Clone(buf[:n])); b != nil {
				conn.WriteTo(b, from)
			}
		}
	}()
	return conn
}

// web answers a request for a page.
func (p *probed) web(probe, note string, conn net.Conn, from net.Addr) {
	var request strings.Builder
	for r := bufio.NewReader(conn); !strings.HasSuffix(request.String(), "\r\n\r\n"); {
		line, err := r.ReadString('\n')
		request.WriteString(line)
		if err != nil {
			break
		}
	}
	p.hear(probe, from, note+fmt.Sprintf("%q", request.String()))
	status := "200 OK"
	if p.bad.Load() {
		status = "500 No"
	}
	fmt.Fprintf(conn, "HTTP/1.0 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(page), page)
}

// secure is web behind TLS.
func (p *probed) secure(conn net.Conn, identity *tls.Config) {
	s := tls.Server(conn, identity)
	if s.Handshake() == nil {
		p.web("SSL", s.ConnectionState().ServerName+" ", s, conn.RemoteAddr())
	}
}

// mail answers like a mail server.
func (p *probed) mail(conn net.Conn) {
	if p.bad.Load() {
		io.WriteString(conn, "421 busy\r\n")
		return
	}
	io.WriteString(conn, "220 hi\r\n")
	r, said := bufio.NewReader(conn), ""
	for _, answer := range []string{"250 ok\r\n", "221 bye\r\n"} {
		line, err := r.ReadString('\n')
		if said += line; err != nil {
			break
		}
		io.WriteString(conn, answer)
	}
	p.hear("SMTP", conn.RemoteAddr(), fmt.Sprintf("%q", said))
}

// always begins what answers in good times and bad.
func (p *probed) always() {
	identity := httptest.NewUnstartedServer(nil)
	identity.StartTLS()
	p.t.Cleanup(identity.Close)
	p.stream(82, func(c net.Conn) { p.web("HTTP", "", c, c.RemoteAddr()) })
	p.stream(83, func(c net.Conn) { p.web("HTTP", "", c, c.RemoteAddr()) })
	p.stream(84, func(c net.Conn) { p.secure(c, identity.TLS) })
	p.stream(85, p.mail)
	p.packets("udp", "10.0.0.31:86", func(from net.Addr, b []byte) []byte {
		p.hear("DNS", from, hex.EncodeToString(b[2:])) // the first two bytes are random
		b[2] |= 0x80
		if p.bad.Load() {
			b[3] |= 2
		}
		return b
	})
	p.packets("udp", "10.0.0.31:88", func(from net.Addr, b []byte) []byte {
		p.hear("UDP with payload", from, "comes") // keepalived 2.2.7 reads payload and sends its filler all the same
		if p.bad.Load() {
			return []byte{2, 2}
		}
		return []byte{1, 2}
	})
	p.packets("ip4:icmp", "0.0.0.0", func(from net.Addr, b []byte) []byte {
		if len(b) >= 8 && b[0] == 8 { // checksum, identifier and sequence differ
			p.hear("ping", from, fmt.Sprintf("%d bytes, code %d, %q", len(b), b[1], b[8:]))
		}
		return nil
	})
}

// turn makes the host good or bad, and with it FILE.
func (p *probed) turn(good bool, file string) {
	p.bad.Store(!good)
	echo := map[bool]string{true: "0", false: "1"}[good]
	p.do(p.host.Sysctl("net/ipv4/icmp_echo_ignore_all", echo))
	if !good {
		for _, c := range p.open {
			c.Close()
		}
		p.open = nil
		p.do(os.Remove(file))
		return
	}
	p.do(os.WriteFile(file, nil, 0o644))
	p.open = append(p.open,
		p.stream(81, func(c net.Conn) {
			n, _ := c.Read(make([]byte, 10))
			p.hear("TCP", c.RemoteAddr(), fmt.Sprintf("%d bytes", n))
		}),
		p.packets("udp", "10.0.0.31:87", func(from net.Addr, b []byte) []byte {
			p.hear("UDP", from, fmt.Sprintf("%q", b))
			return nil
		}))
}

// decisions are the moves of servers that a daemon logged, by server.
func decisions(log string) map[string][]string {
	moves := map[string][]string{}
	for _, m := range regexp.MustCompile(`(Removing|Adding) service (\S+) (?:from|to) VS (\S+)`).FindAllStringSubmatch(log, -1) {
		moves[m[2]] = append(moves[m[2]], m[1])
	}
	return moves
}

// decided waits until a daemon moved every server n times.
func (p *probed) decided(d *director, n int) {
	p.t.Helper()
	p.eventually(fmt.Sprintf("%s moves %d servers for the %dth time", d.daemon, probes, n), func() bool {
		moves := decisions(d.proc.Log())
		for _, m := range moves {
			if len(m) < n {
				return false
			}
		}
		return len(moves) == probes
	})
}

// stamp begins every line of a log.
var stamp = regexp.MustCompile(`(?m)^.*? \d{4}: `)

// phrasesOf are the lines about checks in a log, without what ours add: the
// reason behind a failure.
func phrasesOf(log string) []string {
	var lines []string
	for line := range strings.Lines(stamp.ReplaceAllString(log, "")) {
		if about.MatchString(line) {
			lines = append(lines, strings.TrimSuffix(strings.TrimSpace(line), "."))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

var about = regexp.MustCompile(`_CHECK (on|\(|Bad)|ICMP|Misc check|success|succeed`)

// TestIPVSProbesAreKeepaliveds: both daemons check the same servers at the same
// time. What they say on the wire is the same, and so is what they decide.
func TestIPVSProbesAreKeepaliveds(t *testing.T) {
	needsIPVS(t)
	w := newWorld(t, ours, theirs)
	p := &probed{world: w, host: w.host("servers", 31), said: map[string]map[string]int{}}
	file := filepath.Join(w.lab.Dir, "good")
	digest := md5.Sum([]byte(page))
	text := strings.NewReplacer("FILE", file, "DIGEST", hex.EncodeToString(digest[:])).Replace(checks)
	p.always()
	p.turn(true, file)
	for _, d := range []*director{w.a, w.b} {
		d.configure(text)
		d.start()
	}
	for _, d := range []*director{w.a, w.b} {
		from := netip.MustParseAddr(map[*director]string{w.a: "10.0.0.1", w.b: "10.0.0.2"}[d])
		p.eventually(string(d.daemon)+" asks everything twice", func() bool { return len(p.heard(from)) == differentWords })
	}
	ourWords := p.heard(netip.MustParseAddr("10.0.0.1"))
	if theirWords := p.heard(netip.MustParseAddr("10.0.0.2")); !slices.Equal(ourWords, theirWords) {
		t.Errorf("on the wire\n keepgo says\n%s\n keepalived says\n%s", strings.Join(ourWords, "\n"), strings.Join(theirWords, "\n"))
	}
	for i, good := range []bool{false, true} {
		p.turn(good, file)
		p.decided(w.a, i+1)
		p.decided(w.b, i+1)
	}
	ourMoves, theirMoves := fmt.Sprint(decisions(w.a.proc.Log())), fmt.Sprint(decisions(w.b.proc.Log()))
	if ourMoves != theirMoves {
		t.Errorf("keepgo decides\n%s\nkeepalived decides\n%s", ourMoves, theirMoves)
	}
	for _, phrase := range phrasesOf(w.b.proc.Log()) {
		phrase = strings.Replace(phrase, "HTTP_CHECK on service [10.0.0.31]:tcp:84", "SSL_CHECK on service [10.0.0.31]:tcp:84", 1) // as since 2.2.8
		if !netlab.Until(patience/6, func() bool { return strings.Contains(w.a.proc.Log(), phrase) }) {
			t.Errorf("keepalived logs %q, keepgo does not", phrase)
		}
	}
	if t.Failed() {
		t.Logf("keepgo logs\n%s", strings.Join(phrasesOf(w.a.proc.Log()), "\n"))
	}
}

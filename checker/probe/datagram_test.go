package probe

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"keepgo/checker"
)

// answering is a UDP server that answers each datagram with what reply makes of
// it, and its address.
func answering(t *testing.T, reply func(request []byte) [][]byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for buf := make([]byte, 1<<16); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, b := range reply(buf[:n]) {
				conn.WriteTo(b, from)
			}
		}
	}()
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

// closed is a UDP port where nobody listens.
func closed(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

// patient is a check that waits for an answer however busy the machine is, and
// quick one whose silence is short.
func patient(p checker.Probe) *checker.Check {
	return &checker.Check{Name: "[10.0.0.1]:udp:80", Timeout: 30 * time.Second, Interval: time.Minute, Probe: p}
}

func quick(p checker.Probe) *checker.Check {
	c := patient(p)
	c.Timeout = time.Second
	return c
}

// outcome is "passed", "failed" or "local", and why.
func outcome(t *testing.T, c *checker.Check) string {
	t.Helper()
	o := Once(t.Context(), c, 0)
	if o.Answer != checker.Passed && o.Phrase == "" {
		t.Error("no log line for a probe that did not pass")
	}
	return [...]string{"failed: ", "passed: ", "local: "}[o.Answer] + o.Why
}

func TestUDP(t *testing.T) {
	got := make(chan string, 32)
	echo := answering(t, func(b []byte) [][]byte { got <- string(b); return [][]byte{b} })
	mute := answering(t, func([]byte) [][]byte { return nil })
	giant := answering(t, func([]byte) [][]byte { return [][]byte{bytes.Repeat([]byte("a"), 60000)} })
	empty := answering(t, func([]byte) [][]byte { return [][]byte{{}} })
	need := func(reply, mask string, lowest, highest int) checker.Datagram {
		return checker.Datagram{Payload: []byte("ab"), Required: true, Reply: []byte(reply), Mask: []byte(mask), Min: lowest, Max: highest}
	}
	tests := []struct {
		name   string
		target netip.AddrPort
		ask    checker.Datagram
		want   string
	}{
		{"answers", echo, checker.Datagram{}, "passed: answered with 32 bytes"},
		{"is silent", mute, checker.Datagram{}, "passed: no complaint"},
		{"is silent and must not be", mute, checker.Datagram{Required: true}, "failed: no answer within 1s"},
		{"answers as it must", echo, checker.Datagram{Required: true}, "passed: answered with 32 bytes"},
		{"answers nothing", empty, checker.Datagram{Required: true}, "passed: answered with 0 bytes"},
		{"is not there", closed(t), checker.Datagram{}, "failed: connection refused"},
		{"begins right", echo, need("a", "\xff", 0, 255), "passed: answered with 2 bytes"},
		{"begins right in the bits that count", echo, need("cx", "\xf0\x00", 0, 255), "passed: answered with 2 bytes"},
		{"begins wrong", echo, need("ax", "\xff\xff", 0, 255), "failed: reply data mismatch at byte 2: 0x62, wanted 0x78"},
		{"shorter than the pattern", echo, need("abc", "\xff\xff\xff", 0, 255), "passed: answered with 2 bytes"},
		{"too short", echo, need("a", "\xff", 3, 255), "failed: answer has 2 bytes, wanted 3 at least"},
		{"too long", echo, need("a", "\xff", 0, 1), "failed: answer has 2 bytes or more, wanted 1 at most"},
		{"long, and may be", giant, need("a", "\xff", 0, 65535), "passed: answered with 60000 bytes"},
		{"long, and may not be", giant, need("a", "\xff", 0, 600), "failed: answer has 601 bytes or more, wanted 600 at most"},
		{"lengths count with a pattern only", echo, checker.Datagram{Required: true, Min: 99}, "passed: answered with 32 bytes"},
	}
	for _, tt := range tests {
		c := patient(checker.Probe{Kind: checker.UDP, Target: tt.target, Datagram: &tt.ask})
		if tt.target == mute {
			c = quick(c.Probe)
		}
		if o := outcome(t, c); o != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, o, tt.want)
		}
	}
	if got, want := <-got, "keepalived check - keepalived ch"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// dnsReply is an answer to a question with a header that edit spoils.
func dnsReply(request []byte, edit func(h *dnsmessage.Header)) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(request)
	if err != nil {
		return nil
	}
	h.Response = true
	edit(&h)
	b, _ := (&dnsmessage.Message{Header: h}).Pack()
	return b
}

func TestDNS(t *testing.T) {
	with := func(edit func(h *dnsmessage.Header)) netip.AddrPort {
		return answering(t, func(b []byte) [][]byte { return [][]byte{dnsReply(b, edit)} })
	}
	good := func(h *dnsmessage.Header) {}
	stray := answering(t, func(b []byte) [][]byte {
		return [][]byte{b, b[:11], {}, dnsReply(b, func(h *dnsmessage.Header) { h.ID++ })}
	})
	late := answering(t, func(b []byte) [][]byte {
		return [][]byte{b, b[:5], dnsReply(b, func(h *dnsmessage.Header) { h.ID-- }), dnsReply(b, good)}
	})
	flood := answering(t, func(b []byte) [][]byte { return slicesOf(b, 3*maxStrays) })
	for name, tt := range map[string]struct {
		target netip.AddrPort
		want   string
	}{
		"answers":                    {with(good), "passed: answered"},
		"knows no such name":         {with(func(h *dnsmessage.Header) { h.RCode = dnsmessage.RCodeNameError }), "failed: read error occurred. (rcode = 3) NXDOMAIN"},
		"fails":                      {with(func(h *dnsmessage.Header) { h.RCode = 9 }), "failed: read error occurred. (rcode = 9)"},
		"truncates":                  {with(func(h *dnsmessage.Header) { h.Truncated = true }), "passed: answered"},
		"answers other questions":    {stray, "failed: no answer within 1s; 4 messages were no answer to our question"},
		"answers after other things": {late, "passed: answered"},
		"is not there":               {closed(t), "failed: connection refused"},
		"floods":                     {flood, "failed: "},
	} {
		c := patient(checker.Probe{Kind: checker.DNS, Target: tt.target, Question: &checker.Question{Name: ".", Type: 6}})
		if tt.target == stray {
			c = quick(c.Probe)
		}
		if o := outcome(t, c); o != tt.want && !(tt.target == flood && strings.HasPrefix(o, tt.want)) {
			t.Errorf("%s: %s, want %s", name, o, tt.want)
		}
	}
}

func slicesOf(b []byte, n int) (all [][]byte) {
	for range n {
		all = append(all, b)
	}
	return all
}

// TestDNSQuestion: what is sent is a question by the book.
func TestDNSQuestion(t *testing.T) {
	for name, want := range map[string]string{".": ".", "example.org": "example.org.", "a.b.": "a.b."} {
		b, err := query(0x1234, &checker.Question{Name: name, Type: 28})
		if err != nil {
			t.Fatal(err)
		}
		var m dnsmessage.Message
		if err := m.Unpack(b); err != nil {
			t.Fatal(err)
		}
		if m.ID != 0x1234 || !m.RecursionDesired || m.Response || len(m.Questions) != 1 ||
			m.Questions[0].Name.String() != want || m.Questions[0].Type != dnsmessage.TypeAAAA || m.Questions[0].Class != dnsmessage.ClassINET {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if _, err := query(1, &checker.Question{Name: "a..b"}); err == nil {
		t.Error("an empty label passed")
	}
}

func FuzzDNSReply(f *testing.F) {
	b, _ := query(7, &checker.Question{Name: "a"})
	f.Add(b, uint16(7))
	f.Fuzz(func(t *testing.T, b []byte, id uint16) {
		code, ours := response(b, id)
		if ours && (len(b) < dnsHeader || b[2]&0x80 == 0 || code > 15 || code < 0) {
			t.Fatalf("%x counts as an answer to %d: %d", b, id, code)
		}
	})
}

func TestPing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: ping_group_range")
	}
	defer pingers.restore()
	old, err := os.ReadFile(pingRange)
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"127.0.0.1": "passed: echoed", "::1": "passed: echoed", "255.255.255.255": "failed: ",
	} {
		c := patient(checker.Probe{Kind: checker.Ping, Target: netip.AddrPortFrom(netip.MustParseAddr(target), 0)})
		if target == "255.255.255.255" { // not reachable without SO_BROADCAST, whatever the routes
			want = "failed: permission denied"
		}
		if o := outcome(t, c); o != want && !strings.HasPrefix(o, "failed: network is unreachable") {
			t.Errorf("%s: %s, want %s", target, o, want)
		}
	}
	pingers.restore()
	if now, _ := os.ReadFile(pingRange); !bytes.Equal(now, old) {
		t.Errorf("%s is %q, was %q", pingRange, now, old)
	}
}

package probe

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keepgo/checker"
	"keepgo/checker/pcre"
)

// webCheck asks urls of a target with timeouts no healthy answer reaches.
func webCheck(target string, urls ...checker.URL) *checker.Check {
	c := &checker.Check{Name: "[10.0.0.1]:tcp:80", Timeout: 5 * time.Second, Interval: 10 * time.Second,
		Probe: checker.Probe{Kind: checker.HTTP, Web: &checker.Web{URLs: urls}}}
	if target != "" {
		c.Probe.Target = netip.MustParseAddrPort(target)
	}
	return c
}

// talk lets a server written as a function answer one request within a bubble
// of fake time, and returns the outcome and how long it took.
func talk(t *testing.T, c *checker.Check, server func(net.Conn)) (o checker.Outcome, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); defer theirs.Close(); server(theirs) }()
		start := time.Now()
		end := start.Add(4*c.Timeout + c.Interval)
		o = exchange(&pacedConn{Conn: ours, step: c.Timeout, end: end}, c, &c.Probe.Web.URLs[0])
		took = time.Since(start)
		ours.Close()
		<-done
	})
	return o, took
}

// reply reads a request and writes text, as far as it is wanted.
func reply(text string) func(net.Conn) {
	return func(conn net.Conn) {
		swallow(conn)
		io.WriteString(conn, text)
	}
}

// swallow reads a request to its end.
func swallow(conn net.Conn) string {
	var got []byte
	for buf := make([]byte, 512); !bytes.HasSuffix(got, []byte("\r\n\r\n")); {
		n, err := conn.Read(buf)
		if got = append(got, buf[:n]...); err != nil {
			break
		}
	}
	return string(got)
}

func pattern(text string) *pcre.Pattern { return &pcre.Pattern{Text: text} }

func sum(s string) string {
	h := md5.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}

// bomb is a megabyte of zeros, compressed.
var bomb = func() string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(make([]byte, 1<<20))
	z.Close()
	return b.String()
}()

func TestHTTPJudges(t *testing.T) {
	ok := "HTTP/1.0 200 OK\r\n\r\n"
	tests := []struct {
		name, reply string
		url         checker.URL
		want        string // "" passes
	}{
		{"plain", ok + "hello", checker.URL{}, ""},
		{"empty body", ok, checker.URL{}, ""},
		{"no reason phrase", "HTTP/1.1 204\r\n\r\n", checker.URL{}, ""},
		{"bare line feeds", "HTTP/1.0 200 OK\nA: b\n\nhello", checker.URL{Digest: sum("hello")}, ""},
		{"503", "HTTP/1.0 503 No\r\n\r\n", checker.URL{}, "status 503, wanted 200-299 (/x)"},
		{"redirect is not followed", "HTTP/1.0 302 Found\r\nLocation: /y\r\n\r\n", checker.URL{}, "status 302, wanted 200-299 (/x)"},
		{"own codes", "HTTP/1.0 404 No\r\n\r\n", checker.URL{Status: []checker.Range{{First: 200, Last: 200}, {First: 400, Last: 404}}}, ""},
		{"own codes replace the default", ok, checker.URL{Status: []checker.Range{{First: 301, Last: 301}, {First: 400, Last: 404}}}, "status 200, wanted 301, 400-404 (/x)"},
		{"digest", ok + "hello", checker.URL{Digest: strings.ToUpper(sum("hello"))}, ""},
		{"digest up to Content-Length", "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello world", checker.URL{Digest: sum("hello")}, ""},
		{"wrong digest", ok + "hello", checker.URL{Digest: sum("bye")}, "digest of 5 bytes is " + sum("hello") + ", wanted " + sum("bye") + " (/x)"},
		{"short body", "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello", checker.URL{Digest: sum("hello!!!!")}, "digest of 5 bytes is " + sum("hello") + ", wanted " + sum("hello!!!!") + " (Content-Length is 9, 5 bytes came) (/x)"},
		{"short body without digest", "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello", checker.URL{}, ""},
		{"absurd length", "HTTP/1.0 200 OK\r\nContent-Length: -3\r\n\r\nhello", checker.URL{Digest: sum("hello")}, ""},
		{"huge length", "HTTP/1.0 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello", checker.URL{Digest: sum("hello")}, ""},
		{"chunks are not decoded", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", checker.URL{Digest: sum("5\r\nhello\r\n0\r\n\r\n")}, ""},
		{"nothing is unpacked", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + bomb, checker.URL{Digest: sum(bomb)}, ""},
		{"regex", ok + strings.Repeat("x", 9000) + "alive", checker.URL{Regex: pattern("a(li|ll)ve$")}, ""},
		{"regex and digest", ok + "alive and well", checker.URL{Regex: pattern("^alive"), Digest: sum("alive and well")}, ""},
		{"no regex match", ok + "dead", checker.URL{Regex: pattern("alive")}, "body does not match the regex (/x)"},
		{"forbidden match", ok + "error 5", checker.URL{Regex: pattern("error"), NoMatch: true}, "body matches the regex that it must not match (/x)"},
		{"forbidden and absent", ok + "fine", checker.URL{Regex: pattern("error"), NoMatch: true}, ""},
		{"regex over binary", ok + "\xff\xfe\x00ok\xc3", checker.URL{Regex: pattern("ok")}, ""},
		{"unusable regex", ok, checker.URL{Regex: pattern("(")}, "error parsing regexp: missing closing ) in `(` (/x)"},
		{"no answer", "", checker.URL{}, "closed the connection without an answer (/x)"},
		{"header cut", "HTTP/1.0 200 OK\r\nA:", checker.URL{}, "closed the connection within the header, after 19 bytes (/x)"},
		{"garbage", "\x00\x01SSH-2.0-x\r\n\r\n", checker.URL{}, `no HTTP status line but "\x00\x01SSH-2.0-x" (/x)`},
		{"garbled status", "HTTP/1.0 2x0 OK\r\n\r\n", checker.URL{}, `no HTTP status line but "HTTP/1.0 2x0 OK" (/x)`},
		{"four digits", "HTTP/1.0 2000 OK\r\n\r\n", checker.URL{}, `no HTTP status line but "HTTP/1.0 2000 OK" (/x)`},
		{"status below 100", "HTTP/1.0 099 OK\r\n\r\n", checker.URL{}, `no HTTP status line but "HTTP/1.0 099 OK" (/x)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.url.Path = "/x"
			o, took := talk(t, webCheck("", tt.url), reply(tt.reply))
			if tt.want == "" && o.Answer != checker.Passed || tt.want != "" && (o.Answer != checker.Failed || o.Why != tt.want) {
				t.Errorf("answer %d: %s\nwant %s", o.Answer, o.Why, tt.want)
			}
			if took != 0 {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestHTTPHeadInPieces: the header may arrive cut anywhere.
func TestHTTPHeadInPieces(t *testing.T) {
	text := "HTTP/1.0 200 OK\r\nA: b\r\n\r\nhello"
	for cut := 1; cut < len(text); cut++ {
		o, _ := talk(t, webCheck("", checker.URL{Path: "/x", Digest: sum("hello")}), func(conn net.Conn) {
			swallow(conn)
			io.WriteString(conn, text[:cut])
			io.WriteString(conn, text[cut:])
		})
		if o.Answer != checker.Passed {
			t.Errorf("cut after %d: %s", cut, o.Why)
		}
	}
}

// TestHTTPIsBounded meets servers that would keep or feed the probe for ever.
func TestHTTPIsBounded(t *testing.T) {
	ok := "HTTP/1.0 200 OK\r\n\r\n"
	endless := func(first, piece string, every time.Duration) func(net.Conn) {
		return func(conn net.Conn) {
			swallow(conn)
			_, err := io.WriteString(conn, first)
			for err == nil {
				<-time.After(every)
				_, err = io.WriteString(conn, piece)
			}
		}
	}
	tests := []struct {
		name   string
		server func(net.Conn)
		want   string
		within time.Duration
	}{
		{"never reads", func(c net.Conn) { <-time.After(time.Hour) }, "no answer within 5s (/x)", 5 * time.Second},
		{"never answers", func(c net.Conn) { swallow(c); <-time.After(time.Hour) }, "no answer within 5s (/x)", 5 * time.Second},
		{"header drips", endless("HTTP/1.0 200 OK\r\n", "x", time.Second), "answer not complete within 30s (/x)", 30 * time.Second},
		{"endless header", endless("HTTP/1.0 200 OK\r\n", strings.Repeat("A: b\r\n", 100), 0), "no complete header within 64 KiB (/x)", 0},
		{"body drips", endless(ok, "x", 4*time.Second), "answer not complete within 30s (/x)", 30 * time.Second},
		{"body stops", endless(ok+"x", "", time.Hour), "no answer within 5s (/x)", 5 * time.Second},
		{"endless body", endless(ok, strings.Repeat("x", 1<<20), 0), "body is longer than 64 MiB (/x)", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, took := talk(t, webCheck("", checker.URL{Path: "/x"}), tt.server)
			if o.Answer != checker.Failed || o.Why != tt.want || took > tt.within {
				t.Errorf("after %v: %s\nwant %s within %v", took, o.Why, tt.want, tt.within)
			}
		})
	}
}

func TestHTTPRequest(t *testing.T) {
	for protocol, want := range map[string]string{
		"1.0":  "GET /a?b HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: [::1]:80\r\n\r\n",
		"1.0C": "GET /a?b HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: [::1]:80\r\n\r\n",
		"1.1":  "GET /a?b HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: [::1]:80\r\n\r\n",
	} {
		c := webCheck("", checker.URL{Path: "/a?b", Host: "[::1]:80"})
		c.Probe.Web.Protocol = protocol
		var got string
		talk(t, c, func(conn net.Conn) { got = swallow(conn) })
		if got != want {
			t.Errorf("%s: asked %q, want %q", protocol, got, want)
		}
	}
}

func TestHTTPPhrases(t *testing.T) {
	url := checker.URL{Path: "/x"}
	for text, want := range map[string]string{
		"HTTP/1.0 200 OK\r\n\r\n": "HTTP status code success to [10.0.0.1]:tcp:80 url(/x)",
		"HTTP/1.0 500 No\r\n\r\n": "HTTP status code error to [10.0.0.1]:tcp:80 url(/x): status 500, wanted 200-299.",
		"":                        "Error in answer [10.0.0.1]:tcp:80 url(/x). (closed the connection without an answer)",
	} {
		if o, _ := talk(t, webCheck("", url), reply(text)); o.Phrase != want {
			t.Errorf("said %q, want %q", o.Phrase, want)
		}
	}
}

// TestHTTPTellsOfAShortBody: it passes, and the status says what is odd.
func TestHTTPTellsOfAShortBody(t *testing.T) {
	o, _ := talk(t, webCheck("", checker.URL{Path: "/x"}), reply("HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello"))
	if want := "status 200 from /x (Content-Length is 9, 5 bytes came)"; o.Answer != checker.Passed || o.Why != want {
		t.Errorf("%+v", o)
	}
}

// FuzzHTTPReply feeds replies to the reader: it must come to an end, and a pass
// needs a status line.
func FuzzHTTPReply(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.0 200\n\n\xff"))
	f.Add([]byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		head, rest, err := readHead(bytes.NewReader(data), make([]byte, 4096))
		if err != nil {
			return
		}
		body, err := io.ReadAll(bytes.NewReader(rest))
		if err != nil || !bytes.HasPrefix(data, head) || len(head)+len(body) > len(data) {
			t.Fatalf("head %q and rest %q of %q: %v", head, body, data, err)
		}
		status, err := parseStatus(head)
		if err == nil && (status < 100 || status > 999 || !bytes.HasPrefix(data, []byte("HTTP/"))) {
			t.Fatalf("status %d from %q", status, head)
		}
		if n := contentLength(head); n < -1 {
			t.Fatalf("length %d", n)
		}
	})
}

func TestSSL(t *testing.T) {
	var sni string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sni = r.TLS.ServerName
		fmt.Fprintf(w, "hello %s", r.Host)
	}))
	srv.StartTLS()
	defer srv.Close()
	target := srv.Listener.Addr().String()
	c := webCheck(target, checker.URL{Path: "/", Host: "www.example", SNI: "sni.example", Digest: sum("hello www.example")})
	c.Probe.Web.TLS = &checker.TLS{}
	if o := Once(t.Context(), c, 0); o.Answer != checker.Passed || sni != "sni.example" {
		t.Errorf("answer %d: %s; sent the server name %q", o.Answer, o.Why, sni)
	}
	c.Probe.Web.URLs[0].SNI = ""
	if o := Once(t.Context(), c, 0); o.Answer != checker.Passed || sni != "" {
		t.Errorf("answer %d: %s; sent the server name %q", o.Answer, o.Why, sni)
	}
}

func TestSSLToAPlainPort(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	c := webCheck(srv.Listener.Addr().String(), checker.URL{Path: "/"})
	c.Probe.Web.TLS = &checker.TLS{}
	o := Once(t.Context(), c, 0)
	if want := "TLS handshake: tls: first record does not look like a TLS handshake (/)"; o.Answer != checker.Failed || o.Why != want {
		t.Errorf("answer %d: %s\nwant %s", o.Answer, o.Why, want)
	}
}

func TestHTTPCalledOff(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if conn, err := l.Accept(); err == nil {
			defer conn.Close()
			swallow(conn)
			cancel()
			io.Copy(io.Discard, conn)
		}
	}()
	c := webCheck(l.Addr().String(), checker.URL{Path: "/"})
	c.Timeout = time.Hour
	if o := Once(ctx, c, 0); o.Answer == checker.Passed {
		t.Error("passed though called off")
	}
}

func TestHTTPWithoutURLs(t *testing.T) {
	if o := Once(t.Context(), webCheck("127.0.0.1:1"), 0); o.Answer != checker.Local {
		t.Errorf("answer %d: %s", o.Answer, o.Why)
	}
}

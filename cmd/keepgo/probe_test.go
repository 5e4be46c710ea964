package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// website answers as a real server in each of the ways that a check tells apart.
func website(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/right", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\x1b[2J\x00") })
	mux.HandleFunc("/wrong", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 5000)) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

// refused is an address that nobody listens at.
func refused(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// nonsense answers every connection with bytes that are no TLS.
func nonsense(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
			_, _ = conn.Read(make([]byte, 1024))
			conn.Close()
		}
	}()
	return ln.Addr().String()
}

// probed runs keepgo probe on one virtual server with the checks of a target.
func probed(t *testing.T, target, checks string, args ...string) (code int, list []question, errs string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(target)
	file := filepath.Join(t.TempDir(), "k.conf")
	text := fmt.Sprintf("virtual_server 192.0.2.1 80 {\n protocol TCP\n lvs_method NAT\n real_server %s %s {\n%s\n}\n}\n", host, port, checks)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, err bytes.Buffer
	code = runProbe(append([]string{"-f", file, "--json", "--control", filepath.Join(t.TempDir(), "none")}, args...), &out, &err)
	var doc struct{ Probes []question }
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
	}
	return code, doc.Probes, err.String()
}

func get(kind, path, rules string) string {
	return fmt.Sprintf("%s {\n connect_timeout 1\n url {\n path %s\n %s\n}\n}", kind, path, rules)
}

func TestProbeShowsWhatChecksSee(t *testing.T) {
	site := website(t).Listener.Addr().String()
	safe := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inside") }))
	safe.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	safe.Config.ErrorLog = log.New(io.Discard, "", 0)
	safe.StartTLS()
	t.Cleanup(safe.Close)
	const zero = "digest 00000000000000000000000000000000"
	for _, tt := range []struct {
		name, target, check string
		passed              bool
		why, broke, reply   string // parts of each; no reply if ""
	}{
		{"right", site, get("HTTP_GET", "/right", ""), true, "status 200 from /right", "", `hello\x1b[2J\x00`},
		{"wrong status", site, get("HTTP_GET", "/wrong", ""), false, "status 503, wanted 200-299", "status_code 200-299", "503 Service Unavailable"},
		{"wrong digest", site, get("HTTP_GET", "/large", zero), false, "digest of 5000 bytes is ", zero, "xxxxxxxx"},
		{"regex", site, get("HTTP_GET", "/right", `regex "good ?bye"`), false, "body does not match", `regex "good ?bye"`, "hello"},
		{"slow", site, get("HTTP_GET", "/slow", ""), false, "no answer within 1s", "connect_timeout 1s", ""},
		{"closed", refused(t), "TCP_CHECK {\n}", false, "connection refused", "", ""},
		{"open", site, "TCP_CHECK {\n}", true, "connected", "", ""},
		{"TLS", safe.Listener.Addr().String(), get("SSL_GET", "/", ""), true, "status 200", "", "inside"},
		{"TLS nonsense", nonsense(t), get("SSL_GET", "/", ""), false, "TLS handshake: ", "", ""},
		{"plain HTTP for TLS", site, get("SSL_GET", "/", ""), false, "TLS handshake: ", "", ""},
		{"no mail server", nonsense(t), "SMTP_CHECK {\n}", false, `it says "SSH-2.0-OpenSSH_9.2", wanted 220`, "", "SSH-2.0"},
		{"script", site, "MISC_CHECK {\n misc_path /bin/false\n}", false, "exited with status 1", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, list, errs := probed(t, tt.target, tt.check)
			if len(list) != 1 {
				t.Fatalf("%d probes: %s", len(list), errs)
			}
			q := list[0]
			if q.Passed != tt.passed || (code == exitOK) != tt.passed || !strings.Contains(q.Why, tt.why) {
				t.Errorf("passed %v, status %d: %s", q.Passed, code, q.Why)
			}
			if q.Broke != tt.broke || q.Must == "" || q.Then == "" {
				t.Errorf("broke %q, must %q, then %q", q.Broke, q.Must, q.Then)
			}
			if !strings.Contains(q.Reply.Head, tt.reply) || tt.reply == "" && q.Reply.Size > 0 || strings.Contains(q.Reply.Head, "\x1b") {
				t.Errorf("reply %+v", q.Reply)
			}
		})
	}
}

// TestProbeComesFromWhereItIsConfigured: the source address is that of bindto.
func TestProbeComesFromWhereItIsConfigured(t *testing.T) {
	from := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { from <- r.RemoteAddr }))
	t.Cleanup(srv.Close)
	check := strings.Replace(get("HTTP_GET", "/", ""), "{", "{\n bindto 127.0.0.9", 1)
	code, list, errs := probed(t, srv.Listener.Addr().String(), check)
	if code != exitOK || len(list) != 1 {
		t.Fatalf("status %d: %s", code, errs)
	}
	if addr := <-from; !strings.HasPrefix(addr, "127.0.0.9:") || !strings.HasSuffix(list[0].Target, " from 127.0.0.9") {
		t.Errorf("it came from %s, and says %s", addr, list[0].Target)
	}
}

// TestProbeKeepsWithinBounds: a reply of any length is told of, and not shown.
func TestProbeKeepsWithinBounds(t *testing.T) {
	_, list, _ := probed(t, website(t).Listener.Addr().String(), get("HTTP_GET", "/large", ""))
	r := list[0].Reply
	if r.Size < 5000 || len(r.Head) > 2048 || !r.Cut || !strings.Contains(r.text(), fmt.Sprintf("... %d bytes in all", r.Size)) {
		t.Errorf("%d bytes, %d shown", r.Size, len(r.Head))
	}
}

func TestProbeFindsByName(t *testing.T) {
	site := website(t).Listener.Addr().String()
	for name, found := range map[string]bool{"192.0.2.1": true, "192.0.2.1:80": true, "[192.0.2.1]:tcp:80": true, site: true, "127.0.0.1": true, "192.0.2.9": false, "127.0.0.1:1": false} {
		code, list, errs := probed(t, site, "TCP_CHECK {\n}", name)
		if (len(list) == 1) != found || (code == exitOK) != found || (errs == "") != found {
			t.Errorf("%s: %d probes, status %d, %s", name, len(list), code, errs)
		}
	}
}

// TestProbeAsksSharedChecksOnce: as the daemon does, which answers for all
// services with one probe.
func TestProbeAsksSharedChecksOnce(t *testing.T) {
	site := website(t).Listener.Addr().String()
	host, port, _ := net.SplitHostPort(site)
	server := fmt.Sprintf(" real_server %s %s {\nTCP_CHECK {\n}\n}\n", host, port)
	file := filepath.Join(t.TempDir(), "k.conf")
	text := "virtual_server 192.0.2.1 80 {\nprotocol TCP\n" + server + "}\nvirtual_server 192.0.2.2 80 {\nprotocol TCP\n" + server + "}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := runProbe([]string{"-f", file, "--json"}, &out, &errs); code != exitOK {
		t.Fatalf("status %d: %s", code, errs.String())
	}
	var doc struct{ Probes []question }
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Probes) != 1 || !slices.Equal(doc.Probes[0].Services, []string{"[192.0.2.1]:tcp:80", "[192.0.2.2]:tcp:80"}) {
		t.Errorf("probes %+v", doc.Probes)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb\tc\n": "a\nb\tc\n", "\r": `\r`, "\x1b]0;x\a": `\x1b]0;x\a`, "ü\xff": `ü\xff`, "\u202e": `\u202e`, "": "",
	} {
		if got := printable([]byte(in)); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

package client

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"keepgo/internal/traffic"
)

// first is the first answer of a server that is asked over and over.
func first(t *testing.T, o Options) traffic.Answer {
	t.Helper()
	o.Rate = 50
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var got *traffic.Answer
	Run(ctx, o, func(a traffic.Answer) {
		if got == nil {
			got = &a
		}
		stop()
	})
	return *got
}

func listening(addr net.Addr) netip.AddrPort { return netip.MustParseAddrPort(addr.String()) }

func TestPages(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Served-By", "by "+r.Host)
		switch r.URL.Path {
		case "/":
			io.WriteString(w, "<html>\n<title>rs1</title>")
		case "/away":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/sick":
			http.Error(w, "sick", http.StatusServiceUnavailable)
		case "/huge":
			for range 1 << 12 {
				w.Write(make([]byte, 1<<10))
			}
		case "/never":
			<-r.Context().Done()
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	for _, c := range []struct {
		o    Options
		name string
		want string // the fault if there is no name
	}{
		{Options{Path: "/"}, "rs1", ""},
		{Options{Path: "/", Header: "X-Served-By", Host: "www.example"}, "by www.example", ""},
		{Options{Path: "/", Header: "X-Other"}, "(no X-Other)", ""},
		{Options{Path: "/empty"}, "(an empty page)", ""},
		{Options{Path: "/away"}, "Found.", ""},
		{Options{Path: "/huge", Header: "X-Served-By", Host: "h"}, "by h", ""},
		{Options{Path: "/sick"}, "", "HTTP status 503"},
		{Options{Path: "/never", Timeout: 50 * time.Millisecond}, "", "no answer in time"},
	} {
		for mode, addr := range map[Mode]net.Addr{HTTP: plain.Listener.Addr(), TLS: secure.Listener.Addr()} {
			c.o.Mode, c.o.Target = mode, listening(addr)
			if got := first(t, c.o); got.Server != c.name || got.Fault != c.want || got.Took <= 0 {
				t.Errorf("%s%s: %+v, want %q %q", mode, c.o.Path, got, c.name, c.want)
			}
		}
	}
}

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(net.Conn)
		send  string
		want  string
	}{
		"a banner":  {func(c net.Conn) { io.WriteString(c, "220 rs1 ready\r\nmore") }, "", "220 rs1 ready"},
		"nothing":   {func(c net.Conn) { io.Copy(io.Discard, c) }, "", "(says nothing)"},
		"an answer": {func(c net.Conn) { b := make([]byte, 5); io.ReadFull(c, b); fmt.Fprintf(c, "%s rs2\n", b) }, "hello", "hello rs2"},
		"the end":   {func(net.Conn) {}, "", ""},
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				go func() { defer conn.Close(); c.serve(conn) }()
			}
		}()
		o := Options{Mode: TCP, Target: listening(ln.Addr()), Send: c.send}
		got := first(t, o)
		ln.Close()
		if got.Server != c.want || (got.Fault != "") != (c.want == "") || name == "nothing" && got.Took > greeting {
			t.Errorf("%s: %+v, want %q", name, got, c.want)
		}
		if got = first(t, o); got.Fault != "connection refused" {
			t.Errorf("%s is gone: %+v", name, got)
		}
	}
}

func TestDatagrams(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if string(buf[:n]) == "who\n" {
				conn.WriteTo([]byte("rs1\nmore"), from)
			}
		}
	}()
	o := Options{Mode: UDP, Target: listening(conn.LocalAddr()), Send: "who\n"}
	if got := first(t, o); got.Server != "rs1" {
		t.Errorf("%+v", got)
	}
	o.Send, o.Timeout = "other\n", 50*time.Millisecond
	if got := first(t, o); got.Fault != "no answer in time" {
		t.Errorf("without an answer: %+v", got)
	}
	conn.Close()
	o.Timeout = 10 * time.Second
	if got := first(t, o); got.Fault != "connection refused" {
		t.Errorf("without a server: %+v", got)
	}
}

// TestRate: questions go out when they are due although none is answered, one
// answer is told at a time, and the end waits for those under way.
func TestRate(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	told, last := 0, time.Duration(0)
	Run(ctx, Options{Mode: HTTP, Target: listening(s.Listener.Addr()), Path: "/", Rate: 100, Timeout: 200 * time.Millisecond}, func(a traffic.Answer) {
		told++
		last = max(last, a.At)
		if told == 50 {
			stop()
		}
	})
	if told < 50 || int64(told) < asked.Load() || last != time.Duration(told-1)*10*time.Millisecond {
		t.Errorf("%d answers to %d questions, the last due at %v", told, asked.Load(), last)
	}
}

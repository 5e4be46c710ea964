package lab

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// What real servers say. Each answer has the server's address in it, by which
// the client knows who answered.

// serverHeader is the HTTP header with the server's address.
const serverHeader = "Server"

// serveHTTP answers HTTP on a socket until the machine closes it.
func (m *machine) serveHTTP(ln net.Listener, t *site, encrypted bool) error {
	if encrypted {
		cert, err := certificate()
		if err != nil {
			return err
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.answerHTTP(w, r, t) })
	m.open = append(m.open, srv)
	go srv.Serve(ln) // ends with the server's Close
	return nil
}

func (m *machine) answerHTTP(w http.ResponseWriter, r *http.Request, t *site) {
	p := t.page(r.Host, r.URL.RequestURI())
	code := p.status
	switch m.mood.Load() {
	case slow:
		<-r.Context().Done() // until the client goes, or the machine
		return
	case wrong:
		code = p.wrong()
	}
	w.Header().Set(serverHeader, m.addr.String())
	w.WriteHeader(code)
	io.WriteString(w, p.body)
}

// page is what a request is for.
func (t *site) page(host, path string) *page {
	for _, h := range []string{host, ""} {
		if p := t.pages[pageKey{h, path}]; p != nil {
			return p
		}
	}
	return &page{status: http.StatusOK, body: plainBody}
}

// certificate is a fresh self-signed one.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// talk is a listening socket with the conversations that came of it.
type talk struct {
	ln    net.Listener
	mu    sync.Mutex
	conns map[net.Conn]bool
}

// Close ends all of it.
func (t *talk) Close() error {
	err := t.ln.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		c.Close()
	}
	return err
}

func (t *talk) note(c net.Conn, on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if on {
		t.conns[c] = true
	} else {
		delete(t.conns, c)
	}
}

// serveSMTP answers as a mail server that takes no mail.
func (m *machine) serveSMTP(ln net.Listener) {
	t := &talk{ln: ln, conns: map[net.Conn]bool{}}
	m.open = append(m.open, t)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // closed
			}
			t.note(c, true)
			go func() {
				defer t.note(c, false)
				defer c.Close()
				m.talkSMTP(c)
			}()
		}
	}()
}

// talkTime bounds a conversation with a client that says nothing.
const talkTime = 5 * time.Minute

func (m *machine) talkSMTP(c net.Conn) {
	c.SetDeadline(time.Now().Add(talkTime))
	in := bufio.NewScanner(io.LimitReader(c, 1<<16))
	switch m.mood.Load() {
	case slow:
		in.Scan() // until the client goes
		return
	case wrong:
		fmt.Fprintf(c, "554 %s\r\n", m.addr)
		return
	}
	fmt.Fprintf(c, "220 %s rehearsal\r\n", m.addr)
	for in.Scan() {
		if strings.HasPrefix(strings.ToUpper(in.Text()), "QUIT") {
			fmt.Fprintf(c, "221 %s\r\n", m.addr)
			return
		}
		fmt.Fprintf(c, "250 %s\r\n", m.addr)
	}
}

// question is what the lab's client says where only the server's name is asked
// for.
const question = "keepgo lab: who are you?"

// talkUDP answers datagrams until the socket is closed.
func (m *machine) talkUDP(c net.PacketConn, answer func(m *machine, ask []byte, wrong bool) []byte) {
	b := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		mood := m.mood.Load()
		if mood == slow {
			continue
		}
		if reply := answer(m, b[:n], mood == wrong); reply != nil {
			c.WriteTo(reply, from) // a client that has gone is no matter
		}
	}
}

// datagram answers the client with the server's name, and a check as it expects.
func (t *site) datagram(m *machine, ask []byte, wrong bool) []byte {
	if t.reply == nil || string(ask) == question {
		return []byte(m.addr.String())
	}
	reply := append([]byte(nil), t.reply.Reply...)
	if len(reply) == 0 {
		reply = []byte(m.addr.String())
	}
	for len(reply) < t.reply.MinReply {
		reply = append(reply, 0)
	}
	if wrong {
		for i := range reply {
			reply[i] ^= 0xff
		}
	}
	return reply
}

// whoName is asked for as TXT by the lab's client.
const whoName = "who.rehearsal."

// answerDNS answers any question without an error: RFC 1035 section 4.
func answerDNS(m *machine, ask []byte, wrong bool) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(ask)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	head.Response, head.Authoritative, head.RecursionAvailable = true, true, true
	if wrong {
		head.RCode = dnsmessage.RCodeServerFailure
	}
	reply := dnsmessage.Message{Header: head, Questions: []dnsmessage.Question{q}}
	if body := m.record(q); body != nil && !wrong {
		reply.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: body}}
	}
	b, err := reply.Pack()
	if err != nil {
		return nil
	}
	return b
}

// record is an answer of the type that is asked for, nil for types that are made
// of more than a name.
func (m *machine) record(q dnsmessage.Question) dnsmessage.ResourceBody {
	switch q.Type {
	case dnsmessage.TypeA:
		if m.addr.Is4() {
			return &dnsmessage.AResource{A: m.addr.As4()}
		}
	case dnsmessage.TypeAAAA:
		if m.addr.Is6() {
			return &dnsmessage.AAAAResource{AAAA: m.addr.As16()}
		}
	case dnsmessage.TypeTXT:
		return &dnsmessage.TXTResource{TXT: []string{m.addr.String()}}
	case dnsmessage.TypeNS:
		return &dnsmessage.NSResource{NS: q.Name}
	case dnsmessage.TypeCNAME:
		return &dnsmessage.CNAMEResource{CNAME: q.Name}
	case dnsmessage.TypeMX:
		return &dnsmessage.MXResource{Pref: 10, MX: q.Name}
	case dnsmessage.TypeSOA:
		return &dnsmessage.SOAResource{NS: q.Name, MBox: q.Name, Serial: 1, Refresh: 60, Retry: 60, Expire: 60, MinTTL: 60}
	}
	return nil
}

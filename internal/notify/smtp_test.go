package notify

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a mail server.
type server struct {
	t        *testing.T
	listener net.Listener // nil: one on the loopback interface
	greeting string       // "" says nothing
	offer    []string
	cert     *tls.Certificate
	// reply answers a command; "" leaves it to the usual answer, "-" to none,
	// "!" closes the connection.
	reply func(line string) string

	mu    sync.Mutex
	said  []string // commands
	mails []string // with what follows DATA
	wg    sync.WaitGroup
	conns []net.Conn
}

func serve(t *testing.T, s *server) *server {
	t.Helper()
	if s.listener == nil {
		var err error
		if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	s.t = t
	s.wg.Go(func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.wg.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() {
		s.listener.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *server) options() MailOptions {
	addr := s.listener.Addr().(*net.TCPAddr)
	return MailOptions{
		Server: "127.0.0.1", Port: uint16(addr.Port), Helo: "helo.example", From: "Keep <k@example.com>",
		To: []string{`"Ops Team" <ops@example.com>`, "two@example.com"}, RouterID: "R1", Timeout: 5 * time.Second,
	}
}

func (s *server) talk(conn net.Conn) {
	defer func() { conn.Close() }()
	if s.greeting != "" {
		fmt.Fprintf(conn, "%s\r\n", s.greeting)
	}
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.mu.Lock()
		s.said = append(s.said, line)
		s.mu.Unlock()
		switch answer := s.answer(line); answer {
		case "-":
		case "!":
			return
		default:
			fmt.Fprintf(conn, "%s\r\n", answer)
			if line == "DATA" && answer[0] == '3' && !s.take(conn, in) {
				return
			}
			if line == "STARTTLS" && answer[0] == '2' {
				conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*s.cert}})
				in = bufio.NewReader(conn)
			}
		}
	}
}

func (s *server) answer(line string) string {
	if s.reply != nil {
		if a := s.reply(line); a != "" {
			return a
		}
	}
	switch word, _, _ := strings.Cut(line, " "); word {
	case "EHLO":
		return "250-mx\r\n" + dashed(s.offer) + "250 HELP"
	case "DATA":
		return "354 go on"
	case "QUIT":
		return "221 bye"
	case "STARTTLS":
		return "220 now"
	case "AUTH":
		return "235 welcome"
	}
	return "250 ok"
}

func dashed(words []string) (out string) {
	for _, w := range words {
		out += "250-" + w + "\r\n"
	}
	return out
}

// take reads a mail.
func (s *server) take(conn net.Conn, in *bufio.Reader) bool {
	var text strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(line)
	}
	answer := s.answer("END")
	if answer == "!" {
		return false
	}
	s.mu.Lock()
	s.mails = append(s.mails, text.String())
	s.mu.Unlock()
	fmt.Fprintf(conn, "%s\r\n", answer)
	return true
}

func (s *server) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.said, "\n")
}

func (s *server) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.mails...)
}

func someLetter(o MailOptions) *letter {
	return &letter{
		all: o.To, to: o.To, subject: "[R1] VRRP Instance VI_1 - Entering MASTER state",
		body: "=> VRRP Instance is now owning VRRP VIPs <=", id: "1@x",
		at: time.Date(2026, 11, 21, 4, 30, 18, 0, time.FixedZone("", 3600)),
	}
}

func send(t *testing.T, o MailOptions) result {
	t.Helper()
	return deliver(t.Context(), o, someLetter(o))
}

// A server of the old kind, which knows HELO alone, hears what keepalived says.
func TestMailOverHELO(t *testing.T) {
	s := serve(t, &server{greeting: "220 hello", reply: func(line string) string {
		if strings.HasPrefix(line, "EHLO") {
			return "502 what?"
		}
		return ""
	}})
	r := send(t, s.options())
	if r.later != nil || r.cause != nil || r.refused != nil {
		t.Fatalf("%+v", r)
	}
	want := "EHLO helo.example\nHELO helo.example\nMAIL FROM:<k@example.com>\nRCPT TO:<ops@example.com>\nRCPT TO:<two@example.com>\nDATA\nQUIT"
	if got := s.heard(); got != want {
		t.Errorf("heard\n%s\nwant\n%s", got, want)
	}
	head, body, _ := strings.Cut(s.got()[0], "\r\n\r\n")
	if body != "=> VRRP Instance is now owning VRRP VIPs <=\r\n\r\n" {
		t.Errorf("body %q", body)
	}
	for _, line := range []string{
		"Date: Sat, 21 Nov 2026 04:30:18 +0100",
		"From: \"Keep\" <k@example.com>",
		"Subject: [R1] VRRP Instance VI_1 - Entering MASTER state",
		"X-Mailer: Keepalived",
		"To: \"Ops Team\" <ops@example.com>,\r\n two@example.com",
		"Message-ID: <1@x>",
	} {
		if !strings.Contains("\r\n"+head+"\r\n", "\r\n"+line+"\r\n") {
			t.Errorf("no %q in\n%s", line, head)
		}
	}
}

func TestMailTroubles(t *testing.T) {
	at := func(command, answer string) func(string) string {
		return func(line string) string {
			if strings.HasPrefix(line, command) {
				return answer
			}
			return ""
		}
	}
	both := []string{`"Ops Team" <ops@example.com>`, "two@example.com"}
	for name, c := range map[string]struct {
		server  *server
		later   []string
		down    bool
		cause   string // part of the reason, "" none
		refused string
		mails   int
	}{
		"greeting refuses": {&server{greeting: "554 go away"}, both, true, "554 go away", "", 0},
		"says nothing":     {&server{}, both, true, "i/o timeout", "", 0},
		"talks for ever":   {&server{greeting: strings.Repeat("220-x\r\n", 20000)}, both, true, "more than 65536 bytes", "", 0},
		"long line":        {&server{greeting: strings.Repeat("x", 200000)}, both, true, "more than 65536 bytes", "", 0},
		"no mail server":   {&server{greeting: "HTTP/1.1 400 Bad Request"}, both, true, "HTTP/1.1 400", "", 0},
		"not EHLO":         {&server{greeting: "220 x", reply: at("", "421 busy")}, both, true, "421 busy", "", 0},
		"sender refused":   {&server{greeting: "220 x", reply: at("MAIL", "550 not you")}, nil, false, "", "sender k@example.com: 550 not you", 0},
		"sender later":     {&server{greeting: "220 x", reply: at("MAIL", "451 later")}, both, false, "451 later", "", 0},
		"one refused": {&server{greeting: "220 x", reply: at("RCPT TO:<ops", "550 unknown")}, nil, false, "",
			"recipient ops@example.com: 550 unknown", 1},
		"one later":     {&server{greeting: "220 x", reply: at("RCPT TO:<two", "450 grey")}, both[1:], false, "two@example.com: 450 grey", "", 1},
		"all refused":   {&server{greeting: "220 x", reply: at("RCPT", "550 unknown")}, nil, false, "", "550 unknown\nrecipient two@example.com: 550 unknown", 0},
		"data refused":  {&server{greeting: "220 x", reply: at("DATA", "554 no")}, nil, false, "", "554 no", 0},
		"data later":    {&server{greeting: "220 x", reply: at("DATA", "452 full")}, both, false, "452 full", "", 0},
		"mail refused":  {&server{greeting: "220 x", reply: at("END", "554 spam")}, nil, false, "", "554 spam", 1},
		"mail later":    {&server{greeting: "220 x", reply: at("END", "451 scan")}, both, false, "451 scan", "", 1},
		"closes":        {&server{greeting: "220 x", reply: at("RCPT", "!")}, both, false, "EOF", "", 0},
		"closes at end": {&server{greeting: "220 x", reply: at("END", "!")}, both, false, "EOF", "", 0},
		"hangs":         {&server{greeting: "220 x", reply: at("DATA", "-")}, both, false, "i/o timeout", "", 0},
		"quit hangs":    {&server{greeting: "220 x", reply: at("QUIT", "-")}, nil, false, "", "", 1},
		"quit refused":  {&server{greeting: "220 x", reply: at("QUIT", "500 stay")}, nil, false, "", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, &server{greeting: c.server.greeting, reply: c.server.reply})
			o := s.options()
			o.Timeout = 30 * time.Second
			if name == "says nothing" || strings.HasSuffix(name, "hangs") {
				o.Timeout = time.Second
			}
			r := send(t, o)
			if strings.Join(r.later, " ") != strings.Join(c.later, " ") || r.down != c.down {
				t.Errorf("later %q, down %v", r.later, r.down)
			}
			check(t, "cause", r.cause, c.cause)
			check(t, "refused", r.refused, c.refused)
			if got := s.got(); len(got) != c.mails {
				t.Errorf("%d mails", len(got))
			}
		})
	}
}

func check(t *testing.T, what string, err error, want string) {
	t.Helper()
	// How textproto quotes what the server says is its own affair.
	if got := strings.ReplaceAll(fmt.Sprint(err), `"`, ""); want == "" && err != nil || !strings.Contains(got, want) {
		t.Errorf("%s %q, want %q", what, got, want)
	}
}

func TestMailToNobody(t *testing.T) {
	s := serve(t, &server{greeting: "220 x"})
	o := s.options()
	s.listener.Close()
	if r := send(t, o); !r.down || len(r.later) != 2 {
		t.Errorf("%+v", r)
	}
}

// A hanging server does not outlive the caller's patience.
func TestMailIsCalledOff(t *testing.T) {
	for _, greeting := range []string{"", "220 x"} {
		s := serve(t, &server{greeting: greeting, reply: func(string) string { return "-" }})
		o := s.options()
		o.Timeout = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan result, 1)
		go func() { done <- deliver(ctx, o, someLetter(o)) }()
		if greeting != "" {
			until(t, "EHLO", func() bool { return s.heard() != "" })
		}
		cancel()
		if r := <-done; r.cause == nil {
			t.Errorf("%+v", r)
		}
	}
}

// certificate is one for 127.0.0.1, signed by itself, and its file.
func certificate(t *testing.T) (*tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

func TestMailTLS(t *testing.T) {
	cert, ca := certificate(t)
	tlsOffer := []string{"STARTTLS"}
	for name, c := range map[string]struct {
		mode  TLS
		ca    string
		offer []string
		cause string
		used  bool
	}{
		"none":               {TLSNone, "", tlsOffer, "", false},
		"offered":            {TLSOffered, "", tlsOffer, "", true},
		"offered, not there": {TLSOffered, "", nil, "", false},
		"required":           {TLSRequired, ca, tlsOffer, "", true},
		"required, unknown":  {TLSRequired, "", tlsOffer, "certificate", true},
		"required, no file":  {TLSRequired, ca + "x", tlsOffer, "no such file", false},
		"required, no cert":  {TLSRequired, os.DevNull, tlsOffer, "holds no certificate", false},
		"required, none":     {TLSRequired, ca, nil, "does not support STARTTLS", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &server{greeting: "220 x", offer: c.offer, cert: cert})
			o := s.options()
			o.TLS, o.CA = c.mode, c.ca
			r := send(t, o)
			check(t, "cause", r.cause, c.cause)
			if got := len(s.got()); (got == 1) != (c.cause == "") {
				t.Errorf("%d mails", got)
			}
			if strings.Contains(s.heard(), "STARTTLS") != c.used {
				t.Errorf("heard %s", s.heard())
			}
		})
	}
}

func TestMailTLSFromTheFirstByte(t *testing.T) {
	cert, ca := certificate(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, &server{greeting: "220 x", offer: []string{"STARTTLS"}, listener: tlsListener{inner, &tls.Config{Certificates: []tls.Certificate{*cert}}}})
	o := s.options()
	o.TLS, o.CA = TLSImplicit, ca
	if r := send(t, o); r.cause != nil || r.refused != nil {
		t.Errorf("%+v", r)
	}
	if len(s.got()) != 1 || strings.Contains(s.heard(), "STARTTLS") {
		t.Errorf("%d mails, heard %s", len(s.got()), s.heard())
	}
	o.CA = ""
	if r := send(t, o); r.cause == nil || !strings.Contains(r.cause.Error(), "certificate") {
		t.Errorf("with a certificate that nobody vouches for: %+v", r)
	}
}

// tlsListener is a listener of encrypted connections that keeps the address of
// the plain one.
type tlsListener struct {
	net.Listener
	config *tls.Config
}

func (l tlsListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(conn, l.config), nil
}

func TestMailPassword(t *testing.T) {
	cert, ca := certificate(t)
	s := serve(t, &server{greeting: "220 x", offer: []string{"AUTH PLAIN", "STARTTLS"}, cert: cert})
	o := s.options()
	o.User, o.PasswordFile = "keep", filepath.Join(t.TempDir(), "password")
	if r := send(t, o); r.cause == nil || !strings.Contains(r.cause.Error(), "password of keep") {
		t.Errorf("without a file: %v", r.cause)
	}
	if err := os.WriteFile(o.PasswordFile, []byte("secret\nof the mail server\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := send(t, o); r.cause == nil {
		t.Errorf("without encryption: heard %s", s.heard())
	}
	if strings.Contains(s.heard(), "AUTH") {
		t.Errorf("told the password in the clear: %s", s.heard())
	}
	o.TLS, o.CA = TLSRequired, ca
	r := send(t, o)
	want := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00keep\x00secret"))
	if r.cause != nil || !strings.Contains(s.heard(), want) {
		t.Errorf("%v; heard %s", r.cause, s.heard())
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct{ text, header, envelope string }{
		{"ops@example.com", "ops@example.com", "ops@example.com"},
		{"<ops@example.com>", "ops@example.com", "ops@example.com"},
		{`"Ops Team" <ops@example.com>`, `"Ops Team" <ops@example.com>`, "ops@example.com"},
		{"Ops Team <ops@example.com>", `"Ops Team" <ops@example.com>`, "ops@example.com"},
		{"Jörg <j@example.com>", "=?utf-8?q?J=C3=B6rg?= <j@example.com>", "j@example.com"},
		{"A. Ops [x] <ops@example.com>", `"A. Ops [x]" <ops@example.com>`, "ops@example.com"},
		{"root", "root", "root"},
	} {
		if h, e := address(c.text); h != c.header || e != c.envelope {
			t.Errorf("%s: %q, %q", c.text, h, e)
		}
	}
}

// A long subject stays on its line: there are programs that look for it.
func TestMailSubjectIsOneLine(t *testing.T) {
	s := serve(t, &server{greeting: "220 x"})
	o := s.options()
	l := someLetter(o)
	l.subject = "[R1] Realserver [10.0.0.21]:tcp:80 of virtual server [10.0.0.100]:tcp:80 - DOWN"
	if r := deliver(t.Context(), o, l); r.cause != nil || r.refused != nil {
		t.Fatalf("%+v", r)
	}
	if text := s.got()[0]; !strings.Contains(text, "\r\nSubject: "+l.subject+"\r\n") {
		t.Errorf("sent %s", text)
	}
	for _, odd := range []string{"a\r\nBcc: x", "a\nb", "größer", strings.Repeat("x", maxLine)} {
		if printable(odd) {
			t.Errorf("%q goes as it is", odd)
		}
	}
}

// Names with odd characters neither break the header nor the server's rules.
func TestMailOddText(t *testing.T) {
	s := serve(t, &server{greeting: "220 x"})
	o := s.options()
	l := someLetter(o)
	l.subject, l.body = "[Zürich] a\r\nBcc: x@example.com", "=> größer <=\n.\nend"
	if r := deliver(t.Context(), o, l); r.cause != nil || r.refused != nil {
		t.Fatalf("%+v", r)
	}
	text := s.got()[0]
	if strings.Contains(text, "\nBcc:") || !isASCII(text) {
		t.Errorf("sent %s", text)
	}
}

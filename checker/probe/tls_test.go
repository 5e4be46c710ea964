package probe

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keepgo/checker"
)

// secureServer serves "hello" over TLS, set up by edit.
func secureServer(t *testing.T, edit func(*tls.Config)) (*httptest.Server, <-chan tls.ConnectionState) {
	t.Helper()
	seen := make(chan tls.ConnectionState, 16)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- *r.TLS
		io.WriteString(w, "hello")
	}))
	srv.TLS = &tls.Config{}
	edit(srv.TLS)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv, seen
}

func secureCheck(srv *httptest.Server, t checker.TLS) *checker.Check {
	c := webCheck(srv.Listener.Addr().String(), checker.URL{Path: "/", Host: "x", Digest: sum("hello")})
	c.Probe.Web.TLS = &t
	return c
}

func TestSSLResumesSessions(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		srv, seen := secureServer(t, func(c *tls.Config) { c.MaxVersion = version })
		other, seenOther := secureServer(t, func(c *tls.Config) { c.MaxVersion = version })
		for range 2 {
			for _, s := range []*httptest.Server{srv, other} {
				if o := outcome(t, secureCheck(s, checker.TLS{})); o != "passed: status 200 from /" {
					t.Fatal(o)
				}
			}
		}
		for _, s := range []<-chan tls.ConnectionState{seen, seenOther} {
			if first, second := <-s, <-s; first.DidResume || !second.DidResume {
				t.Errorf("TLS %s: resumed %v then %v", name, first.DidResume, second.DidResume)
			}
		}
	}
}

// keyPair writes a self-signed certificate and its key, locked by password.
func keyPair(t *testing.T, password string) checker.TLS {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if password != "" {
		block, err = x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte(password), x509.PEMCipherAES256) //nolint:staticcheck // what users have
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	id := checker.TLS{Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), Password: password}
	id.CA = id.Certificate
	write(t, id.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, id.Key, pem.EncodeToMemory(block))
	return id
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSSLShowsItsCertificate(t *testing.T) {
	srv, seen := secureServer(t, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
	if o := outcome(t, secureCheck(srv, checker.TLS{})); !strings.HasPrefix(o, "failed: ") {
		t.Errorf("without a certificate: %s", o)
	}
	for _, password := range []string{"", "secret"} {
		if o := outcome(t, secureCheck(srv, keyPair(t, password))); o != "passed: status 200 from /" {
			t.Errorf("with password %q: %s", password, o)
		}
	}
	if n := len(seen); n != 2 || len((<-seen).PeerCertificates) != 1 {
		t.Errorf("%d requests came through", n)
	}
}

// TestSSLWithoutItsFiles: what is missing here says nothing about the server.
func TestSSLWithoutItsFiles(t *testing.T) {
	srv, _ := secureServer(t, func(*tls.Config) {})
	good := keyPair(t, "secret")
	with := func(edit func(*checker.TLS)) checker.TLS { id := good; edit(&id); return id }
	junk := filepath.Join(t.TempDir(), "junk")
	write(t, junk, []byte("junk"))
	locked := filepath.Join(t.TempDir(), "locked")
	write(t, locked, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}))
	for name, tt := range map[string]struct {
		id   checker.TLS
		want string
	}{
		"no CA":           {with(func(id *checker.TLS) { id.CA = "/no/such" }), "SSL ca: open /no/such: no such file or directory"},
		"junk CA":         {with(func(id *checker.TLS) { id.CA = junk }), "holds no certificate in PEM"},
		"no key":          {with(func(id *checker.TLS) { id.Key = "" }), "certificate and key need each other"},
		"junk key":        {with(func(id *checker.TLS) { id.Key = junk }), "is no PEM file"},
		"wrong password":  {with(func(id *checker.TLS) { id.Password = "x" }), "cannot be opened with the password"},
		"PKCS #8":         {with(func(id *checker.TLS) { id.Key = locked }), "is encrypted by PKCS #8"},
		"no certificate":  {with(func(id *checker.TLS) { id.Certificate = "/no/such" }), "SSL certificate: open /no/such"},
		"of another pair": {with(func(id *checker.TLS) { id.Certificate = keyPair(t, "").Certificate }), "private key does not match"},
	} {
		if o := outcome(t, secureCheck(srv, tt.id)); !strings.HasPrefix(o, "local: ") || !strings.Contains(o, tt.want) {
			t.Errorf("%s: %s, want %s", name, o, tt.want)
		}
	}
}

// rawTLS is a TLS server that serves conn as it likes.
func rawTLS(t *testing.T, serve func(*tls.Conn)) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS() // for its certificate
	srv.Close()
	l := listen(t)
	srv.Listener = l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s := tls.Server(conn, srv.TLS)
			swallow(s)
			serve(s)
			conn.Close()
		}
	}()
	return srv
}

func TestSSLEnds(t *testing.T) {
	said := make(chan bool, 1)
	rude := rawTLS(t, func(s *tls.Conn) {
		io.WriteString(s, "HTTP/1.0 200 OK\r\n\r\nhello")
		s.NetConn().Close() // without close_notify
	})
	if o := outcome(t, secureCheck(rude, checker.TLS{})); o != "passed: status 200 from /" {
		t.Errorf("a server that just closes: %s", o)
	}
	waiting := rawTLS(t, func(s *tls.Conn) {
		io.WriteString(s, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		n, _ := s.NetConn().Read(make([]byte, 100))
		said <- n > 0
	})
	for _, polite := range []bool{true, false} {
		c := secureCheck(waiting, checker.TLS{})
		c.Probe.Web.URLs[0].Polite = polite
		if o := outcome(t, c); o != "passed: status 200 from /" {
			t.Errorf("polite %v: %s", polite, o)
		}
		if notified := <-said; notified != polite {
			t.Errorf("polite %v: the server heard close_notify: %v", polite, notified)
		}
	}
}

// TestSSLIsBounded: the handshake as a whole has the time of one step.
func TestSSLIsBounded(t *testing.T) {
	for name, tt := range map[string]struct{ piece, want string }{
		"drips":        {"", "no answer within 5s"},
		"talks rot":    {"HTTP/1.0 200 OK\r\n\r\n", "first record does not look like a TLS handshake"},
		"floods":       {"\x16\x03\x03\x40\x00" + strings.Repeat("\x02\xff\xff\xff", 4096), "TLS handshake: "},
		"huge message": {"\x16\x03\x03\x00\x04\x02\xff\xff\xff", "TLS handshake: "},
	} {
		c := webCheck("", checker.URL{Path: "/"})
		c.Probe.Web.TLS = &checker.TLS{}
		o, took := talk(t, c, func(conn net.Conn) {
			go io.Copy(io.Discard, conn)
			drip := "\x16\x03\x03\x40\x00" + strings.Repeat("\x02\x00", 50)
			for i, err := 0, error(nil); err == nil; i++ {
				piece := tt.piece
				if piece == "" {
					piece = drip[i : i+1]
				}
				_, err = io.WriteString(conn, piece)
				<-time.After(time.Second)
			}
		})
		if o.Answer != checker.Failed || !strings.Contains(o.Why, tt.want) || took > c.Timeout {
			t.Errorf("%s: %s after %v, want %s", name, o.Why, took, tt.want)
		}
	}
}

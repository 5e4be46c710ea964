package probe

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"keepgo/checker"
)

const (
	// maxSessions bounds the TLS sessions kept to be resumed: each holds a few
	// kilobytes.
	maxSessions = 4096
	// maxIdentities bounds the client certificates in memory; there is one SSL
	// block in a configuration.
	maxIdentities = 16
)

// sessions are those of all servers, by target and name.
var sessions = tls.NewLRUClientSessionCache(maxSessions)

// slot is the place of one server among the sessions. crypto/tls would take
// the name alone for the server, which many servers share.
type slot string

// Get implements tls.ClientSessionCache.
func (s slot) Get(string) (*tls.ClientSessionState, bool) { return sessions.Get(string(s)) }

// Put implements tls.ClientSessionCache.
func (s slot) Put(_ string, state *tls.ClientSessionState) { sessions.Put(string(s), state) }

// curves are those of every server. What is said in a check need not be safe from
// the computers of the future; keys against them take a fifth of its time.
var curves = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// suites are all a server could want, old ones too.
var suites = sync.OnceValue(func() (ids []uint16) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids = append(ids, s.ID)
	}
	return ids
})

// secure makes the handshake over conn, within limit. It accepts every
// certificate, and old servers: a check asks whether a server serves, not who
// it is.
func secure(conn *pacedConn, c *checker.Check, url *checker.URL, limit time.Duration) (*tls.Conn, error) {
	id, err := identities.of(*c.Probe.Web.TLS)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{
		InsecureSkipVerify: true, ServerName: url.SNI, MinVersion: tls.VersionTLS10, CipherSuites: suites(), CurvePreferences: curves,
		ClientSessionCache: slot(c.Probe.Target.String() + " " + url.SNI), RootCAs: id.ca,
	}
	if id.certificate != nil {
		cfg.Certificates = []tls.Certificate{*id.certificate}
	}
	conn.until = time.Now().Add(limit) // however slowly it drips
	s := tls.Client(conn, cfg)
	if err := s.Handshake(); err != nil {
		return nil, err
	}
	conn.until = time.Time{}
	return s, nil
}

// handshake is what was agreed, for people.
func handshake(s *tls.Conn) string {
	state := s.ConnectionState()
	text := tls.VersionName(state.Version) + ", " + tls.CipherSuiteName(state.CipherSuite)
	if len(state.PeerCertificates) == 0 {
		return text + ", no certificate shown"
	}
	cert := state.PeerCertificates[0]
	return fmt.Sprintf("%s, certificate of %.200q by %.200q until %s (a check accepts any)", text, cert.Subject.String(), cert.Issuer.String(),
		cert.NotAfter.UTC().Format(time.DateOnly))
}

// identity is what the files of an SSL block hold.
type identity struct {
	certificate *tls.Certificate
	ca          *x509.CertPool
}

// identityError is a fault of this side.
type identityError struct{ error }

// identities keeps them until the configuration is read again.
var identities = wallet{known: map[checker.TLS]identity{}}

type wallet struct {
	mu    sync.Mutex
	known map[checker.TLS]identity
}

// of reads the files of t, once.
func (w *wallet) of(t checker.TLS) (identity, error) {
	if t == (checker.TLS{}) {
		return identity{}, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if id, known := w.known[t]; known {
		return id, nil
	}
	id, err := readIdentity(t)
	if err != nil {
		return id, identityError{err}
	}
	if len(w.known) >= maxIdentities {
		clear(w.known)
	}
	w.known[t] = id
	return id, nil
}

// forget lets files be read again.
func (w *wallet) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.known)
}

func readIdentity(t checker.TLS) (id identity, err error) {
	if t.CA != "" {
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return id, fmt.Errorf("SSL ca: %w", err)
		}
		id.ca = x509.NewCertPool()
		if !id.ca.AppendCertsFromPEM(text) {
			return id, fmt.Errorf("SSL ca: %s holds no certificate in PEM", t.CA)
		}
	}
	if t.Certificate == "" && t.Key == "" {
		return id, nil
	}
	if t.Certificate == "" || t.Key == "" {
		return id, errors.New("SSL: certificate and key need each other")
	}
	certificate, err := os.ReadFile(t.Certificate)
	if err != nil {
		return id, fmt.Errorf("SSL certificate: %w", err)
	}
	key, err := readKey(t.Key, t.Password)
	if err != nil {
		return id, fmt.Errorf("SSL key: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return id, fmt.Errorf("SSL certificate %s and key %s: %w", t.Certificate, t.Key, err)
	}
	id.certificate = &pair
	return id, nil
}

// readKey reads a private key, and opens it where it is locked in the way of
// RFC 1423, which is the one that crypto/x509 knows.
func readKey(path, password string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, fmt.Errorf("%s is no PEM file", path)
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("%s is encrypted by PKCS #8, which is not supported; write it with 'openssl rsa -traditional' or without a password", path)
	case !x509.IsEncryptedPEMBlock(block): //nolint:staticcheck // keys of old are still about
		return text, nil
	}
	der, err := x509.DecryptPEMBlock(block, []byte(password)) //nolint:staticcheck // the same
	if err != nil {
		return nil, fmt.Errorf("%s cannot be opened with the password: %w", path, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
}

// part ends TLS by the book: close_notify, and wait for the server's.
func part(conn *tls.Conn) error {
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	var rest [512]byte
	for read := 0; read < maxHead; {
		n, err := conn.Read(rest[:])
		if read += n; err != nil {
			return ignoreEnd(err)
		}
	}
	return errors.New("data goes on after the end of TLS")
}

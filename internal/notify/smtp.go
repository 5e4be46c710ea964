package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// replyLimit bounds what a server may say in one conversation, in bytes.
const replyLimit = 64 << 10

// maxLine is the longest line of a mail, in characters (RFC 5322, 2.1.1).
const maxLine = 998

// result is what became of an attempt to send a letter.
type result struct {
	later   []string // recipients to try again
	cause   error    // why
	down    bool     // the server cannot be talked to at all
	refused error    // by the server, for good; nil none
}

// deliver tries once to send a letter.
func deliver(ctx context.Context, o MailOptions, l *letter) result {
	ctx, cancel := context.WithTimeout(ctx, 4*o.Timeout)
	defer cancel() // closes the connection in any case
	client, err := o.connect(ctx)
	if err != nil {
		return result{later: l.to, cause: err, down: true}
	}
	s := session{client, o.Timeout}
	r := s.send(o, l)
	if s.step() == nil {
		_ = client.Quit() // whatever it answers, the letter is on its way or not
	}
	return r
}

// connect greets the server, with encryption and a password if they are set.
func (o MailOptions) connect(ctx context.Context) (*smtp.Client, error) {
	config, err := o.tlsConfig()
	if err != nil {
		return nil, err
	}
	options := []gomail.Option{
		gomail.WithPort(int(o.Port)), gomail.WithTimeout(o.Timeout), gomail.WithHELO(o.Helo),
		gomail.WithDialContextFunc(o.dialer(ctx, config)), gomail.WithTLSPolicy(policies[o.TLS]), gomail.WithTLSConfig(config),
	}
	if o.User != "" {
		password, err := o.password()
		if err != nil {
			return nil, err
		}
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(o.User), gomail.WithPassword(password))
	}
	if o.ascii() {
		options = append(options, gomail.WithoutSMTPUTF8()) // the next server may not know it
	}
	client, err := gomail.NewClient(o.Server, options...)
	if err != nil {
		return nil, err
	}
	return client.DialToSMTPClientWithContext(ctx)
}

// policies say what becomes of STARTTLS.
var policies = map[TLS]gomail.TLSPolicy{
	TLSNone: gomail.NoTLS, TLSOffered: gomail.TLSOpportunistic, TLSRequired: gomail.TLSMandatory, TLSImplicit: gomail.NoTLS,
}

// password is the first line of its file.
func (o MailOptions) password() (string, error) {
	text, err := os.ReadFile(o.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("password of %s: %w", o.User, err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimRight(line, "\r"), nil
}

// dialer connects, and cuts the connection when ctx ends: the library minds the
// context only until the connection stands, and leaves it open when the greeting
// goes wrong.
func (o MailOptions) dialer(ctx context.Context, config *tls.Config) gomail.DialContextFunc {
	return func(dialing context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(dialing, network, net.JoinHostPort(o.Server, strconv.Itoa(int(o.Port))))
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		conn = &bounded{Conn: conn, left: replyLimit}
		if o.TLS == TLSImplicit {
			conn = tls.Client(conn, config)
		}
		return conn, nil
	}
}

// bounded is a connection that does not read for ever.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the server says more than %d bytes; is it a mail server?", replyLimit)
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func (o MailOptions) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{ServerName: o.Server, MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.TLS == TLSOffered}
	if o.CA == "" || o.TLS == TLSNone || o.TLS == TLSOffered {
		return c, nil
	}
	text, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", o.CA)
	}
	return c, nil
}

// ascii says that no address needs SMTPUTF8 (RFC 6531).
func (o MailOptions) ascii() bool {
	return isASCII(o.From + strings.Join(o.To, ""))
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 126 }) < 0
}

// printable says that a header can have s as it is (RFC 5322, 2.2).
func printable(s string) bool {
	return len(s) < maxLine-len("Subject: ") && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// session is a conversation after the greeting.
type session struct {
	*smtp.Client
	timeout time.Duration
}

// step gives the next step its time.
func (s session) step() error { return s.UpdateDeadline(s.timeout) }

// send sends a letter to those of its recipients that the server takes.
func (s session) send(o MailOptions, l *letter) result {
	_, from := address(o.From)
	if err := errors.Join(s.step(), s.Mail("<"+from+">")); err != nil {
		return failed(l.to, fmt.Errorf("sender %s: %w", from, err))
	}
	var r result
	var taken []string
	for _, to := range l.to {
		_, rcpt := address(to)
		if err := errors.Join(s.step(), s.Rcpt("<"+rcpt+">")); err != nil {
			r = r.and(failed([]string{to}, fmt.Errorf("recipient %s: %w", rcpt, err)))
			continue
		}
		taken = append(taken, to)
	}
	if len(taken) == 0 {
		return r
	}
	if err := s.data(o.message(l)); err != nil {
		return r.and(failed(taken, err))
	}
	return r
}

func (s session) data(m *gomail.Msg) error {
	if err := s.step(); err != nil {
		return err
	}
	w, err := s.Data()
	if err != nil {
		return err
	}
	if _, err := m.WriteTo(w); err != nil {
		return err
	}
	return errors.Join(s.step(), w.Close())
}

// failed sorts an error: a reply of 5yz is for good (RFC 5321, 4.2.1).
func failed(to []string, err error) result {
	var reply *textproto.Error
	if errors.As(err, &reply) && reply.Code >= 500 {
		return result{refused: err}
	}
	return result{later: to, cause: err}
}

func (r result) and(s result) result {
	r.later = append(r.later, s.later...)
	r.refused = errors.Join(r.refused, s.refused)
	if s.cause != nil {
		r.cause = s.cause
	}
	return r
}

// message is the letter as keepalived writes it, with the MIME headers and the
// Message-ID that mail has today.
func (o MailOptions) message(l *letter) *gomail.Msg {
	// Plain text stays plain. (The library's 7bit writes quoted-printable.)
	encoding := gomail.NoEncoding
	if !isASCII(l.body) || len(l.body) > maxLine {
		encoding = gomail.EncodingQP
	}
	m := gomail.NewMsg(gomail.WithEncoding(encoding), gomail.WithNoDefaultUserAgent())
	m.SetDateWithValue(l.at)
	m.SetMessageIDWithValue(l.id)
	if printable(l.subject) {
		m.SetGenHeaderPreformatted("Subject", l.subject) // on one line, as keepalived's
	} else {
		m.Subject(l.subject)
	}
	m.SetGenHeader(gomail.HeaderXMailer, "Keepalived")
	from, _ := address(o.From)
	m.SetGenHeaderPreformatted("From", from)
	m.SetGenHeaderPreformatted("To", recipients(l.all))
	m.SetBodyWriter(gomail.TypeTextPlain, func(w io.Writer) (int64, error) {
		n, err := io.WriteString(w, l.body+"\r\n\r\n")
		return int64(n), err
	})
	return m
}

// recipients are folded one to a line, so that no line gets longer than maxLine.
func recipients(to []string) string {
	headers := make([]string, len(to))
	for i, text := range to {
		headers[i], _ = address(text)
	}
	return strings.Join(headers, ",\r\n ")
}

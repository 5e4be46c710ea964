package notify

import (
	"net/mail"
	"strings"
	"time"
)

// TLS says how a connection to the mail server is encrypted. keepalived's is not.
type TLS int

const (
	TLSNone     TLS = iota
	TLSOffered      // STARTTLS if the server offers it; its certificate is not checked
	TLSRequired     // STARTTLS with a valid certificate, or no mail
	TLSImplicit     // TLS from the first byte (RFC 8314, 3.3), with a valid certificate
)

// tlsOf are the words of smtp_tls; others are none.
var tlsOf = map[string]TLS{"offered": TLSOffered, "required": TLSRequired, "implicit": TLSImplicit}

// MailOptions say who is written to, and through which server.
type MailOptions struct {
	Server   string // host or address; "" sends no mail
	Port     uint16
	Helo     string
	From     string        // an address, or NAME <ADDRESS>
	To       []string      // likewise; none sends no mail
	RouterID string        // stands in [] before every subject
	Timeout  time.Duration // of connecting with the greeting, and of every later step
	NoFaults bool          // no_email_faults: FAULT is not mailed

	TLS  TLS
	CA   string // file of certificates where a valid one is asked for; "" means the system's
	User string // "" means none; without TLS only in ways that hide the password
	// PasswordFile has the password in its first line. It is read for every
	// connection.
	PasswordFile string

	// Patience is how long a mail is tried before it is dropped; 0 means ten
	// minutes. keepalived tries once.
	Patience time.Duration
}

func (o MailOptions) enabled() bool { return o.Server != "" && len(o.To) > 0 }

func (o MailOptions) patience() time.Duration {
	if o.Patience > 0 {
		return o.Patience
	}
	return defaultPatience
}

// mailText is the mail about an edge, if there is one: the subject without the
// router's name, and the body (vrrp_notify.c, vrrp_smtp_notifier and
// vrrp_sync_smtp_notifier).
func mailText(e Edge) (subject, body string, ok bool) {
	var what string
	switch e.State {
	case "MASTER", "BACKUP", "FAULT":
		what = "Entering " + e.State + " state"
	case "STOP":
		what = "Stopping"
	case "DELETED":
		what = "Deleted"
	default:
		return "", "", false
	}
	if e.Kind == "GROUP" {
		return "VRRP Group " + e.Name + " - " + what, groupBody(e.State), true
	}
	return "VRRP Instance " + e.Name + " - " + what, instanceBody(e.State), true
}

func instanceBody(state string) string {
	switch state {
	case "MASTER":
		return "=> VRRP Instance is now owning VRRP VIPs <="
	case "STOP":
		return "=> VRRP Instance stopping <="
	case "DELETED":
		return "=> VRRP Deleted at reload <="
	}
	return "=> VRRP Instance is no longer owning VRRP VIPs <="
}

func groupBody(state string) string {
	switch state {
	case "STOP":
		return "=> All VRRP group instances are now stopping <="
	case "DELETED":
		return "=> VRRP Deleted at reload <="
	}
	return "=> All VRRP group instances are now in " + state + " state <="
}

// address splits a configured address into what stands in the header and what
// is told to the server. A bare name (root) is taken as it is, as keepalived
// does: the server completes it.
func address(text string) (header, envelope string) {
	text = strings.TrimSpace(text)
	a, err := mail.ParseAddress(text)
	switch {
	case err == nil && a.Name == "":
		return a.Address, a.Address
	case err == nil:
		return a.String(), a.Address
	}
	open, end := strings.LastIndexByte(text, '<'), strings.LastIndexByte(text, '>')
	if open < 0 || end < open {
		return text, text
	}
	name, envelope := strings.Trim(text[:open], ` "`), text[open+1:end]
	if name == "" {
		return envelope, envelope
	}
	return (&mail.Address{Name: name, Address: envelope}).String(), envelope
}

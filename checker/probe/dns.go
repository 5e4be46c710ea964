package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"keepgo/checker"
)

// The header of a message, RFC 1035 section 4.1.1.
const (
	dnsHeader = 12
	dnsQR     = 1 << 15 // it is a response
	dnsRD     = 1 << 8  // recursion is desired
	dnsRCode  = 0xf
	dnsIN     = 1 // the class
)

// askDNS is DNS_CHECK: the target passes when it answers the question without
// an error, whatever it answers.
func askDNS(ctx context.Context, c *checker.Check, _ int) checker.Outcome {
	id := uint16(rand.Uint32())
	question, err := query(id, c.Probe.Question)
	if err != nil {
		return checker.Outcome{Answer: checker.Local, Why: err.Error(), Phrase: dnsSubject(c) + ": " + err.Error() + "."}
	}
	strays := 0
	err = converse(ctx, c, 0, question, func(b []byte) (bool, error) {
		code, ours := response(b, id)
		if !ours {
			strays++
			return false, nil
		}
		return true, dnsError(code)
	})
	if err == nil {
		return checker.Outcome{Answer: checker.Passed, Why: "answered"}
	}
	o := short(c, err, dnsSubject(c)+" could not be tried", dnsSubject(c)+" failure.")
	switch {
	case strays > 0:
		o.Why += fmt.Sprintf("; %d messages were no answer to our question", strays)
		o.Phrase = dnsSubject(c) + " failure. (" + o.Why + ")"
	case timedOut(err):
		o.Phrase = dnsSubject(c) + " read timeout from socket."
	}
	if code, answered := errors.AsType[rcode](err); answered {
		o.Phrase = dnsSubject(c) + " " + o.Why
		o.Why += code.name()
	}
	return o
}

// query is the question as a message: RFC 1035 section 4.1.2.
func query(id uint16, q *checker.Question) ([]byte, error) {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, dnsHeader+len(q.Name)+6), id)
	for _, field := range []uint16{dnsRD, 1, 0, 0, 0} {
		b = binary.BigEndian.AppendUint16(b, field)
	}
	if name := strings.TrimSuffix(q.Name, "."); name != "" {
		for label := range strings.SplitSeq(name, ".") {
			if len(label) == 0 || len(label) > 63 {
				return nil, fmt.Errorf("%q is no domain name", q.Name)
			}
			b = append(append(b, byte(len(label))), label...)
		}
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, q.Type)
	return binary.BigEndian.AppendUint16(b, dnsIN), nil
}

// response takes the code of a message that answers the question id. What
// comes behind the header is not looked at, so that nothing there can harm.
func response(b []byte, id uint16) (code int, ours bool) {
	if len(b) < dnsHeader || binary.BigEndian.Uint16(b) != id {
		return 0, false
	}
	flags := binary.BigEndian.Uint16(b[2:])
	return int(flags & dnsRCode), flags&dnsQR != 0
}

// rcode is a response code that is an error: RFC 1035 section 4.1.1.
type rcode int

// Error implements error, in keepalived's words.
func (c rcode) Error() string { return fmt.Sprintf("read error occurred. (rcode = %d)", int(c)) }

// name is what the code is called, with a blank before it, if anything.
func (c rcode) name() string {
	names := [...]string{1: " FORMERR", 2: " SERVFAIL", 3: " NXDOMAIN", 4: " NOTIMP", 5: " REFUSED"}
	if int(c) < len(names) {
		return names[c]
	}
	return ""
}

func dnsError(code int) error {
	if code == 0 {
		return nil
	}
	return rcode(code)
}

func dnsSubject(c *checker.Check) string { return "DNS_CHECK (" + c.Name + ")" }

func dnsUp(c *checker.Check) string { return dnsSubject(c) + " succeed." }

// dnsDown is what is wrong, and how often it was tried, as keepalived says it.
func dnsDown(c *checker.Check, o *checker.Outcome) string {
	if c.Retry > 0 {
		return fmt.Sprintf("%s after %d retries", o.Phrase, c.Retry)
	}
	return o.Phrase
}

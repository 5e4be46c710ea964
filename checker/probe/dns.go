package probe

import (
	"context"
	"encoding/binary"
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
	o := short(c, err, dnsSubject(c)+" could not be tried", dnsSubject(c)+" failed.")
	switch {
	case strays > 0:
		o.Why += fmt.Sprintf("; %d messages were no answer to our question", strays)
		o.Phrase = dnsSubject(c) + " failed. (" + o.Why + ")"
	case timedOut(err):
		o.Phrase = dnsSubject(c) + " read timeout from socket."
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

// dnsError is a response code in words: RFC 1035 section 4.1.1, RFC 2136
// section 2.2.
func dnsError(code int) error {
	names := [...]string{1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
	switch {
	case code == 0:
		return nil
	case code < len(names):
		return fmt.Errorf("read error occurred. (rcode = %d, %s)", code, names[code])
	}
	return fmt.Errorf("read error occurred. (rcode = %d)", code)
}

func dnsSubject(c *checker.Check) string { return "DNS_CHECK (" + c.Name + ")" }

func dnsUp(c *checker.Check) string { return dnsSubject(c) + " succeed." }

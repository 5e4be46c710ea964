// Package agentx is the Agent Extensibility Protocol, RFC 2741: its packets, and
// what a sub-agent answers to a master out of a View. It knows no object of its
// own. The sessions are in agentx/subagent.
package agentx

import (
	"slices"
	"strconv"
	"strings"
)

// maxOID is the largest number of sub-identifiers (RFC 2741 section 5.1).
const maxOID = 128

// OID is an object identifier.
type OID []uint32

// MustOID reads an identifier of the program's own, as "1.3.6.1". It panics on
// any other text.
func MustOID(s string) OID {
	var o OID
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			panic("agentx: no OID: " + s)
		}
		o = append(o, uint32(n))
	}
	return o
}

// Add is o with sub-identifiers behind it. o stays as it is.
func (o OID) Add(sub ...uint32) OID { return append(slices.Clip(o), sub...) }

// Compare orders identifiers as SNMP does: by their parts, then by length.
func (o OID) Compare(other OID) int { return slices.Compare(o, other) }

// Below says that o is root or something below it.
func (o OID) Below(root OID) bool { return len(o) >= len(root) && slices.Equal(o[:len(root)], root) }

// String is the identifier with dots, without one in front.
func (o OID) String() string {
	var b []byte
	for i, n := range o {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	return string(b)
}

package agentx

// Kind is the type of a value in a VarBind (RFC 2741 section 5.4).
type Kind uint16

// The kinds of values. Those from NoSuchObject on say why there is none.
const (
	None           Kind = 0 // of a View: no such instance
	Integer        Kind = 2
	OctetString    Kind = 4
	Null           Kind = 5
	ObjectID       Kind = 6
	IPAddress      Kind = 64
	Counter32      Kind = 65
	Gauge32        Kind = 66
	TimeTicks      Kind = 67
	Opaque         Kind = 68
	Counter64      Kind = 70
	NoSuchObject   Kind = 128
	NoSuchInstance Kind = 129
	EndOfMIBView   Kind = 130
)

// Value is the value of an object: Number, Text or OID, as Kind asks for.
type Value struct {
	Kind   Kind
	Number uint64 // of Integer: an int32, sign-extended
	Text   []byte
	OID    OID
}

// Int is an INTEGER.
func Int(n int32) Value { return Value{Kind: Integer, Number: uint64(int64(n))} }

// Gauge is a Gauge32, or Unsigned32: what does not fit is the largest.
func Gauge(n uint64) Value { return Value{Kind: Gauge32, Number: min(n, 1<<32-1)} }

// Count is a Counter32, which begins anew behind its largest number.
func Count(n uint64) Value { return Value{Kind: Counter32, Number: n & (1<<32 - 1)} }

// Count64 is a Counter64.
func Count64(n uint64) Value { return Value{Kind: Counter64, Number: n} }

// Ticks is a time in hundredths of a second.
func Ticks(n uint64) Value { return Value{Kind: TimeTicks, Number: n & (1<<32 - 1)} }

// Text is an octet string.
func Text(s string) Value { return Value{Kind: OctetString, Text: []byte(s)} }

// Octets is an octet string.
func Octets(b []byte) Value { return Value{Kind: OctetString, Text: b} }

// Bind is an object with its value.
type Bind struct {
	Name  OID
	Value Value
}

// Range is what a master searches: from Start, which counts only with Include,
// up to End, which does not count; without End there is no end.
type Range struct {
	Start   OID
	Include bool
	End     OID
}

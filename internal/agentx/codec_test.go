package agentx

import (
	"encoding/binary"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

var packets = []Packet{
	{Type: Open, Timeout: 5, OID: MustOID("1.3.6.1.4.1.9586.100.5"), Text: []byte("Keepalived")},
	{Type: Close, Session: 7, Reason: 5},
	{Type: Register, Session: 7, ID: 1, Timeout: 5, Priority: 127, OID: MustOID("1.3.6.1.2.1.68")},
	{Type: Register, Session: 7, ID: 2, RangeSub: 3, OID: MustOID("1.3.6"), Upper: 9},
	{Type: Get, Session: 7, Transaction: 3, ID: 4, Ranges: []Range{{Start: MustOID("1.3.6.1.2.1.68.1.1.0")}, {Start: MustOID("2.1")}}},
	{Type: GetNext, Context: []byte("other"), Ranges: []Range{{Start: MustOID("1.3.6.1.2"), Include: true, End: MustOID("1.3.6.1.3")}}},
	{Type: GetBulk, NonRepeaters: 1, MaxRepetitions: 10, Ranges: []Range{{Start: MustOID("1.3.6.1.2")}}},
	{Type: TestSet, Binds: []Bind{{MustOID("1.3.6.1.4.1.1"), Int(-5)}}},
	{Type: CommitSet}, {Type: UndoSet}, {Type: CleanupSet}, {Type: Ping, ID: 9},
	{Type: AddCaps, OID: MustOID("1.3.6.1.4.1.9586"), Text: []byte("x")},
	{Type: Notify, Binds: []Bind{{MustOID("1.3.6.1.6.3.1.1.4.1.0"), Value{Kind: ObjectID, OID: MustOID("1.3.6.1.4.1.9586.100.5.2.10.0.2")}}}},
	{Type: Response, UpTime: 12, Error: 17, Index: 1, Binds: []Bind{
		{MustOID("1.3.1"), Int(-1 << 31)}, {MustOID("1.3.2"), Gauge(1 << 40)}, {MustOID("1.3.3"), Count(1<<32 + 5)},
		{MustOID("1.3.4"), Count64(1<<63 + 1)}, {MustOID("1.3.5"), Ticks(77)}, {MustOID("1.3.6"), Text("")}, {MustOID("1.3.7"), Text("abcde")},
		{MustOID("1.3.8"), Value{Kind: IPAddress, Text: []byte{10, 0, 0, 1}}}, {MustOID("1.3.9"), Value{Kind: EndOfMIBView}}, {MustOID("1.3.10"), Value{Kind: Null}},
	}},
}

func TestPacketsSurviveTheWire(t *testing.T) {
	for _, p := range packets {
		got, err := Decode(p.Append(nil))
		if err != nil {
			t.Errorf("type %d: %v", p.Type, err)
			continue
		}
		got.Flags = 0
		if !reflect.DeepEqual(got, p) {
			t.Errorf("type %d came back as\n%+v, not\n%+v", p.Type, got, p)
		}
	}
}

func TestLittleEndian(t *testing.T) {
	// Get of 1.3.6.1.2.1 as a machine of the other order sends it: the beginning
	// 1.3.6.1.2 in the prefix, one sub-identifier, no end.
	raw, _ := hex.DecodeString("01050000" + "07000000" + "02000000" + "03000000" + "0c000000" + "01020000" + "01000000" + "00000000")
	p, err := Decode(raw)
	want := Packet{Type: Get, Session: 7, Transaction: 2, ID: 3, Ranges: []Range{{Start: MustOID("1.3.6.1.2.1")}}}
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("%+v, %v", p, err)
	}
	// And a Counter64 in a Response.
	raw, _ = hex.DecodeString("01120000" + "00000000" + "00000000" + "00000000" + "18000000" + "00000000" + "00000000" + "46000000" + "00020000" + "efbeadde" + "01000000")
	binary.LittleEndian.PutUint32(raw[16:], uint32(len(raw)-headerLen))
	p, err = Decode(raw)
	if err != nil || len(p.Binds) != 1 || !reflect.DeepEqual(p.Binds[0].Value, Count64(0x1deadbeef)) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestWrongPackets(t *testing.T) {
	good := (&Packet{Type: Get, Ranges: []Range{{Start: MustOID("1.3.6.1.2.1.68")}}}).Append(nil)
	change := func(at int, to byte) []byte {
		b := append([]byte{}, good...)
		b[at] = to
		return b
	}
	for _, c := range []struct {
		raw  []byte
		want string
	}{
		{good[:10], "too early"}, {good[:len(good)-4], "too early"}, {change(0, 2), "version 2"}, {change(1, 99), "unknown type 99"},
		{change(17, 200), "more than 65536"}, {change(19, good[19]+1), "no multiple of 4"}, {change(headerLen, 200), "200 parts"}, {change(headerLen, 40), "too early"},
	} {
		if _, err := Decode(c.raw); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%x: %v, want %q", c.raw, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, p := range packets {
		f.Add(p.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(p.Append(nil))
		if again.Flags, p.Flags = 0, 0; err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%+v comes back as %+v, %v", p, again, err)
		}
	})
}

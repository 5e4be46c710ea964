package whohas

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// TestFrame compares with what Linux (arping -D, ndisc) puts on the wire.
func TestFrame(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	for _, tt := range []struct{ own, ip, want string }{
		{"0.0.0.0", "10.0.0.100", "ffffffffffff 020000000001 0806 0001080006040001 020000000001 00000000 000000000000 0a000064"},
		{"fe80::1", "2001:db8::12:3456", "3333ff123456 020000000001 86dd 60000000 0020 3a ff fe800000000000000000000000000001 ff0200000000000000000001ff123456 " +
			"8700 SUM 00000000 20010db8000000000000000000123456 0101020000000001"},
		{"::", "2001:db8::12:3456", "3333ff123456 020000000001 86dd 60000000 0018 3a ff 00000000000000000000000000000000 ff0200000000000000000001ff123456 " +
			"8700 SUM 00000000 20010db8000000000000000000123456"},
	} {
		frame := Frame(mac, netip.MustParseAddr(tt.own), netip.MustParseAddr(tt.ip))
		want := strings.ReplaceAll(tt.want, " ", "")
		if i := strings.Index(want, "SUM"); i > 0 {
			sum := hex.EncodeToString(frame[i/2 : i/2+2])
			want = strings.Replace(want, "SUM", sum, 1)
			src, dst := [16]byte(frame[22:38]), [16]byte(frame[38:54])
			if checksum(src, dst, frame[54:]) != 0 {
				t.Errorf("%s from %s: wrong checksum %s", tt.ip, tt.own, sum)
			}
		}
		if got := hex.EncodeToString(frame); got != want {
			t.Errorf("%s from %s: %s, want %s", tt.ip, tt.own, got, want)
		}
	}
}

package vrrp

import "net/netip"

// DecodeSigned is Decode for who does not know whether adverts are signed: key
// is the number of the auth_hmac key of a trailer, 0 without one. Nothing is
// verified.
func DecodeSigned(b []byte, src, dst netip.Addr) (p Packet, key uint8, err error) {
	p, rest, err := decode(b, src, dst)
	switch {
	case err != nil:
		return p, 0, err
	case len(rest) == extLen && rest[0] == extType && rest[1] != 0:
		return p, rest[1], nil
	case !padding(len(rest), len(b)-len(rest), dst):
		return p, 0, ErrLength
	}
	return p, 0, nil
}

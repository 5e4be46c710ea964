package vrrp

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"hash"
	"net/netip"
)

// ProtocolAH is the number of the authentication header (RFC 4302 section 2),
// behind which auth_type AH hides VRRP over IPv4, version 2.
const ProtocolAH = 51

// The authentication header as VRRP uses it: RFC 2338 section 5.3.6.3 asks for
// HMAC-MD5-96 (RFC 2403).
const (
	icvLen   = 12
	icvStart = 12 // next header, length, reserved, SPI, sequence number
	ahLen    = icvStart + icvLen
	// ahWords is the length field: 32-bit words less two, RFC 4302 section 2.2.
	ahWords = ahLen/4 - 2
	// lastSequence is the highest number keepalived sends; after it comes 1.
	lastSequence = 0xfffffffd
)

// ah is the security association of one virtual router. Sender and receiver
// count together: who hears an advert goes on from its number, so a new master
// is never taken for a replay.
type ah struct {
	mac     hash.Hash
	unicast bool
	seq     uint32 // last sent or accepted
	floor   uint32 // what an earlier process may have sent
	header  [60]byte
	digest  [md5.Size]byte
}

// rekey sets the password, of which 8 bytes count.
func (a *ah) rekey(pass [8]byte, unicast bool) {
	a.mac, a.unicast = hmac.New(md5.New, pass[:]), unicast
}

// advance takes the next sequence number, beyond all that were sent from here.
// What is accepted does not depend on those: the master that is there need not
// have come so far.
func (a *ah) advance() {
	a.seq, a.floor = max(a.seq, a.floor), 0
	if a.seq >= lastSequence {
		a.seq = 0
	}
	a.seq++
}

// appendTo appends the IP packet of p from src to dst: IP header, authentication
// header, VRRP.
func (a *ah) appendTo(b []byte, p *Packet, id uint16, src, dst netip.Addr) []byte {
	start := len(b)
	b = append(b, make([]byte, ipv4Header+ahLen)...)
	b = p.AppendTo(b, src, dst)
	ip := b[start:]
	putHeader(ip, p.TTL, id, src, dst)
	auth := ip[ipv4Header:]
	auth[0], auth[1] = Protocol, ahWords
	copy(auth[4:8], ip[12:16]) // the SPI is the source address
	binary.BigEndian.PutUint32(auth[8:], a.seq)
	copy(auth[icvStart:], a.icv(ip[:ipv4Header], auth))
	return b
}

// putHeader writes an IPv4 header (RFC 791 section 3.1) for AH in front of ip.
func putHeader(ip []byte, ttl uint8, id uint16, src, dst netip.Addr) {
	if ttl == 0 {
		ttl = TTL
	}
	ip[0], ip[1] = 0x45, control
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[4:], id)
	ip[8], ip[9] = ttl, ProtocolAH
	from, to := src.As4(), dst.As4()
	copy(ip[12:], from[:])
	copy(ip[16:], to[:])
	binary.BigEndian.PutUint16(ip[10:], ^fold(sumBytes(0, ip[:ipv4Header])))
}

// icv is the integrity check value: over the IP header, with zeros for what
// routers change (RFC 4302 section 3.3.3.1.1; the TTL of multicast is not
// changed and counts), the authentication header and VRRP.
func (a *ah) icv(header, data []byte) []byte {
	h := a.header[:copy(a.header[:], header)]
	h[1], h[6], h[7], h[10], h[11] = 0, 0, 0, 0, 0
	if a.unicast {
		h[8] = 0
	}
	a.mac.Reset()
	a.mac.Write(h)
	a.mac.Write(data[:icvStart])
	clear(a.header[:icvLen])
	a.mac.Write(a.header[:icvLen])
	a.mac.Write(data[ahLen:])
	return a.mac.Sum(a.digest[:0])[:icvLen]
}

// open checks the authentication header in front of data. keepalived looks at
// the sequence number first; here a forger cannot move it.
func (a *ah) open(header, data []byte) error {
	if len(header) < ipv4Header || data[0] != Protocol || data[1] != ahWords || [4]byte(data[4:8]) != [4]byte(header[12:16]) {
		return ErrAH
	}
	if !hmac.Equal(data[icvStart:ahLen], a.icv(header, data)) {
		return ErrAHDigest
	}
	seq := binary.BigEndian.Uint32(data[8:])
	if seq <= a.seq && a.seq < lastSequence {
		return ErrAHReplay
	}
	a.seq = seq
	return nil
}

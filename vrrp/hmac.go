package vrrp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"time"
)

// HMACMode says what auth_hmac asks of adverts.
type HMACMode uint8

// The modes of auth_hmac. A trailer that is there is verified in all of them.
const (
	HMACEnforce     HMACMode = iota // sign, and drop what is not signed
	HMACPermissive                  // sign, and accept what is not signed
	HMACReceiveOnly                 // do not sign, and accept what is not signed
)

// Key is a shared key of auth_hmac.
type Key struct {
	ID     uint8  // 1..255
	Secret []byte // 32..64 bytes
}

// HMAC is keepalived's auth_hmac: a signature behind the packet, with a time
// against replays. Keys are changed without a pause in three reloads: the new
// one is added everywhere, made active everywhere, the old one removed.
type HMAC struct {
	Keys   []Key
	Active uint8 // ID of the key adverts are signed with
	Mode   HMACMode
	// Window is how far the clocks may be apart, in whole seconds; 0 is three
	// advert intervals within 5 to 300 seconds.
	Window time.Duration
	// Monotonic (anti_replay monotonic) compares no clocks: the sequence of a
	// sender must only grow.
	Monotonic bool
}

// window is Window, or its default for the interval.
func (h *HMAC) window(interval time.Duration) time.Duration {
	if h.Window > 0 {
		return h.Window.Truncate(time.Second)
	}
	return min(max(3*interval.Truncate(time.Second), 5*time.Second), 300*time.Second)
}

// The trailer of auth_hmac, all big endian.
const (
	extType     = 1  // HMAC-SHA-256 cut to 16 bytes
	extSeq      = 4  // behind type, key and two reserved bytes: seconds, fraction, counter
	extDigest   = 12 // behind the sequence
	extLen      = 28
	extPseudo   = 20 // the header that is signed and not sent
	extSenders  = 4  // whose sequences a multicast router remembers
	secondsBits = 32
)

// signer is auth_hmac at work.
type signer struct {
	cfg    HMAC
	window int64 // seconds
	macs   []hash.Hash
	active hash.Hash
	limit  int    // marks that are kept
	last   uint64 // sequence of the last own advert
	marks  []mark // most recently heard first
	age    time.Duration
	key    uint8

	// What goes through the hash lies here, so that nothing escapes.
	pseudo  [extPseudo]byte
	body    []byte
	digest  [sha256.Size]byte
	trailer [extLen]byte
}

// mark is the highest sequence that was accepted of a sender.
type mark struct {
	from netip.Addr
	seq  uint64
}

// configure sets keys and rules; what was heard and said is remembered.
func (s *signer) configure(x *Expect) {
	s.cfg = *x.HMAC
	s.window = int64(s.cfg.window(x.Interval) / time.Second)
	s.limit = extSenders
	if x.Unicast {
		s.limit = max(len(x.Peers), 1)
	}
	s.marks = s.marks[:min(len(s.marks), s.limit)]
	s.macs, s.active = s.macs[:0], nil
	for _, k := range s.cfg.Keys {
		mac := hmac.New(sha256.New, k.Secret)
		s.macs = append(s.macs, mac)
		if k.ID == s.cfg.Active {
			s.active = mac
		}
	}
}

// signs tells whether own adverts are signed.
func (s *signer) signs() bool {
	return s.cfg.Mode != HMACReceiveOnly && s.active != nil
}

// clock is now as a sequence whose counter is 0.
func clock(now time.Time) uint64 {
	fraction := uint64(now.Nanosecond()) << 16 / uint64(time.Second)
	return uint64(uint32(now.Unix()))<<secondsBits | fraction<<16
}

// after tells whether sequence a is behind b, RFC 1982.
func after(a, b uint64) bool { return int64(a-b) > 0 }

// apart is how many seconds sequence a is ahead of b.
func apart(a, b uint64) int64 {
	return int64(int32(uint32(a>>secondsBits) - uint32(b>>secondsBits)))
}

// within tells whether sequence a is inside the window around b.
func (s *signer) within(a, b uint64) bool {
	d := apart(a, b)
	return -s.window <= d && d <= s.window
}

// next is the sequence of the next own advert: the clock, or one more than the
// last. A clock that was set back by more than the window is followed, for
// nobody would believe the old time any more.
func (s *signer) next(now time.Time) uint64 {
	c := clock(now)
	if s.last != 0 && !after(c, s.last) && (s.cfg.Monotonic || apart(s.last, c) <= s.window) {
		c = s.last + 1
	}
	s.last = c
	return c
}

// sign makes the trailer of p from src: it stands there until the next packet is
// signed or verified.
func (s *signer) sign(now time.Time, p *Packet, src netip.Addr) {
	t := &s.trailer
	*t = [extLen]byte{extType, s.cfg.Active}
	binary.BigEndian.PutUint64(t[extSeq:], s.next(now))
	s.body = p.appendBody(s.body[:0], addressLen(src))
	copy(t[extDigest:], s.sum(s.active, src))
}

// sum is the digest of the body and the trailer that stand in s. The body's
// checksum is zero: it differs between the peers of one advert.
func (s *signer) sum(mac hash.Hash, src netip.Addr) []byte {
	s.pseudo = [extPseudo]byte{6, s.body[0] >> 4, s.body[1]}
	if src.Is4() {
		s.pseudo[0] = 4
		four := src.As4()
		copy(s.pseudo[4:], four[:])
	} else {
		sixteen := src.As16()
		copy(s.pseudo[4:], sixteen[:])
	}
	clear(s.trailer[extDigest:])
	mac.Reset()
	mac.Write(s.pseudo[:])
	mac.Write(s.body)
	mac.Write(s.trailer[:])
	return mac.Sum(s.digest[:0])[:extLen-extDigest]
}

// verify checks the trailer behind the body of an advert from src. What costs
// little is asked first, and only who knows a key moves a mark.
func (s *signer) verify(now time.Time, body, trailer []byte, src netip.Addr) error {
	if len(trailer) == 0 {
		if s.cfg.Mode == HMACEnforce {
			return ErrExtMissing
		}
		return nil
	}
	if trailer[0] != extType || trailer[2] != 0 || trailer[3] != 0 {
		return ErrExtMalformed
	}
	c, seq := clock(now), binary.BigEndian.Uint64(trailer[extSeq:])
	s.key, s.age = trailer[1], time.Duration(apart(c, seq))*time.Second
	if !s.cfg.Monotonic && !s.within(seq, c) {
		return ErrExtStale
	}
	if err := s.verifyDigest(body, trailer, src); err != nil {
		return err
	}
	if !s.fresh(c, seq, src) {
		return ErrExtReplay
	}
	if d := apart(seq, c); !s.cfg.Monotonic && 2*max(d, -d) > s.window {
		return ErrExtClock
	}
	return nil
}

// verifyDigest compares in constant time.
func (s *signer) verifyDigest(body, trailer []byte, src netip.Addr) error {
	var mac hash.Hash
	for i := range s.cfg.Keys {
		if s.cfg.Keys[i].ID == trailer[1] {
			mac = s.macs[i]
		}
	}
	if mac == nil {
		return ErrExtKey
	}
	s.body = append(s.body[:0], body...)
	s.body[6], s.body[7] = 0, 0
	copy(s.trailer[:extDigest], trailer)
	if !hmac.Equal(trailer[extDigest:], s.sum(mac, src)) {
		return ErrExtDigest
	}
	return nil
}

// fresh tells whether seq is new of src, and marks it. A mark outside the
// window protects from nothing and is forgotten, or a sender whose clock was
// set back would never be heard again.
func (s *signer) fresh(c, seq uint64, src netip.Addr) bool {
	i := 0
	for i < len(s.marks) && s.marks[i].from != src {
		i++
	}
	if i < len(s.marks) {
		old := s.marks[i].seq
		if !after(seq, old) && (s.cfg.Monotonic || s.within(old, c)) {
			return false
		}
	} else if i < s.limit {
		s.marks = append(s.marks, mark{})
	} else {
		i = len(s.marks) - 1 // the one heard longest ago
	}
	copy(s.marks[1:i+1], s.marks[:i])
	s.marks[0] = mark{src, seq}
	return true
}

package vrrp

// Stats are the counters of one virtual router, with keepalived's names; a Tally
// counts them.
type Stats struct {
	AdvertRcvd        uint64
	AdvertSent        uint64
	BecomeMaster      uint64
	ReleaseMaster     uint64
	PacketLenErr      uint64
	AdvertIntervalErr uint64
	IPTTLErr          uint64
	InvalidTypeRcvd   uint64
	AddrListErr       uint64
	InvalidAuthtype   uint64
	AuthtypeMismatch  uint64
	AuthFailure       uint64
	AuthExtMissing    uint64
	AuthExtMalformed  uint64
	AuthExtUnknownKey uint64
	AuthExtBadHMAC    uint64 // auth_ext_invalid_hmac
	AuthExtStale      uint64
	AuthExtReplay     uint64
	PriZeroRcvd       uint64
	PriZeroSent       uint64
	VersErr           uint64
	ChecksumErr       uint64
	OtherErr          uint64 // ErrCast, ErrSource
	SplitBrain        uint64 // how often another router was found to be master too
	Reannounced       uint64 // how often the addresses were announced again because of a rival or a pause
}

// Tally counts for one virtual router. Most of what can be counted never is, so
// it has room for that once something has happened.
type Tally struct {
	rcvd, sent, masters uint64
	rare                *Stats // all but those three
}

// Stats are the counters as they are now.
func (t *Tally) Stats() (s Stats) {
	if t.rare != nil {
		s = *t.rare
	}
	s.AdvertRcvd, s.AdvertSent, s.BecomeMaster = t.rcvd, t.sent, t.masters
	return s
}

// Rare are the counters but for AdvertRcvd, AdvertSent and BecomeMaster, to
// count with.
func (t *Tally) Rare() *Stats {
	if t.rare == nil {
		t.rare = &Stats{}
	}
	return t.rare
}

// CountError counts a fault of a received packet; nil and ErrExtClock, which is
// a warning, count nothing.
func (t *Tally) CountError(err error) {
	e, ok := err.(PacketError)
	if ok && e != ErrExtClock {
		*t.Rare().counter(e)++
	}
}

func (s *Stats) counter(e PacketError) *uint64 {
	switch e {
	case ErrLength:
		return &s.PacketLenErr
	case ErrTTL:
		return &s.IPTTLErr
	case ErrVersion:
		return &s.VersErr
	case ErrAuthType:
		return &s.InvalidAuthtype
	case ErrAuthMismatch:
		return &s.AuthtypeMismatch
	case ErrAuthFailure, ErrAH, ErrAHDigest, ErrAHReplay:
		return &s.AuthFailure
	case ErrInterval:
		return &s.AdvertIntervalErr
	case ErrType:
		return &s.InvalidTypeRcvd
	case ErrChecksum:
		return &s.ChecksumErr
	case ErrAddresses:
		return &s.AddrListErr
	}
	return s.extCounter(e)
}

func (s *Stats) extCounter(e PacketError) *uint64 {
	switch e {
	case ErrExtMissing:
		return &s.AuthExtMissing
	case ErrExtMalformed:
		return &s.AuthExtMalformed
	case ErrExtStale:
		return &s.AuthExtStale
	case ErrExtKey:
		return &s.AuthExtUnknownKey
	case ErrExtDigest:
		return &s.AuthExtBadHMAC
	case ErrExtReplay:
		return &s.AuthExtReplay
	}
	return &s.OtherErr
}

// CountHeard counts an advert that passed its checks.
func (t *Tally) CountHeard(h Heard) {
	t.rcvd++
	if h.Priority == 0 {
		t.Rare().PriZeroRcvd++
	}
}

// CountActions counts what a Step from the state before asked for.
func (t *Tally) CountActions(before State, acts []Action) {
	for i := range acts {
		t.countAction(&before, &acts[i])
	}
}

func (t *Tally) countAction(state *State, a *Action) {
	switch {
	case a.Kind == ActSend:
		t.sent++
		if a.Priority == 0 {
			t.Rare().PriZeroSent++
		}
	case a.Kind == ActBecome && a.State == Master:
		t.masters++
	case a.Kind == ActBecome && *state == Master:
		t.Rare().ReleaseMaster++
	}
	if a.Kind == ActBecome {
		*state = a.State
	}
}

package vrrp

// Stats are the counters of one virtual router, with keepalived's names.
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

// CountError counts a fault of a received packet; nil and ErrExtClock, which is
// a warning, count nothing.
func (s *Stats) CountError(err error) {
	e, ok := err.(PacketError)
	if ok && e != ErrExtClock {
		*s.counter(e)++
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
func (s *Stats) CountHeard(h Heard) {
	s.AdvertRcvd++
	if h.Priority == 0 {
		s.PriZeroRcvd++
	}
}

// CountActions counts what a Step from the state before asked for.
func (s *Stats) CountActions(before State, acts []Action) {
	for i := range acts {
		s.countAction(&before, &acts[i])
	}
}

func (s *Stats) countAction(state *State, a *Action) {
	switch {
	case a.Kind == ActSend:
		s.AdvertSent++
		if a.Priority == 0 {
			s.PriZeroSent++
		}
	case a.Kind == ActBecome && a.State == Master:
		s.BecomeMaster++
	case a.Kind == ActBecome && *state == Master:
		s.ReleaseMaster++
	}
	if a.Kind == ActBecome {
		*state = a.State
	}
}

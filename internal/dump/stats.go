package dump

import "keepgo/internal/status"

// Stats is keepalived.stats.
func Stats(s *status.Status) []byte {
	p := &page{}
	for i := range s.Instances {
		p.counters(&s.Instances[i])
	}
	return p.text
}

func (p *page) counters(in *status.Instance) {
	c := &in.Counters
	p.put(`VRRP Instance: %s
  Advertisements:
    Received: %d
    Sent: %d
  Became master: %d
  Released master: %d
  Packet Errors:
    Length: %d
    TTL: %d
    Invalid Type: %d
    Advertisement Interval: %d
    Address List: %d
  Authentication Errors:
    Invalid Type: %d
    Type Mismatch: %d
    Failure: %d
  Authentication Extension Errors:
    Missing: %d
    Malformed: %d
    Unknown Key: %d
    Invalid HMAC: %d
    Stale: %d
    Replay: %d
  Priority Zero:
    Received: %d
    Sent: %d`,
		in.Name, c.AdvertRcvd, c.AdvertSent, c.BecomeMaster, c.ReleaseMaster,
		c.PacketLenErr, c.IPTTLErr, c.InvalidTypeRcvd, c.AdvertIntervalErr, c.AddrListErr,
		c.InvalidAuthtype, c.AuthtypeMismatch, c.AuthFailure,
		c.AuthExtMissing, c.AuthExtMalformed, c.AuthExtUnknownKey, c.AuthExtBadHMAC, c.AuthExtStale, c.AuthExtReplay,
		c.PriZeroRcvd, c.PriZeroSent)
}

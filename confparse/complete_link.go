package confparse

import (
	"time"

	"keepgo/confparse/syntax"
)

// completeLink fits what an instance says of its interface to the rest of it.
func (r *reader) completeLink(i *Instance) {
	unicast := len(i.Peers) > 0
	switch {
	case i.UseVMAC && i.IPVLAN != nil:
		r.fail(i, "use_ipvlan", "it is ignored", "use_vmac and use_ipvlan exclude each other")
		i.IPVLAN = nil
	case (i.UseVMAC || i.IPVLAN != nil) && i.Interface == "":
		r.warn(i, "use_vmac", "it is ignored", "an interface of its own needs 'interface'")
		i.UseVMAC, i.IPVLAN = false, nil
	case i.UseVMAC && unicast && !i.VMAC.XmitBase:
		r.warn(i, "use_vmac", "add 'vmac_xmit_base'", "unicast adverts go through the interface below the VMAC")
		i.VMAC.XmitBase = true
	}
	if i.Strict && (i.VMAC.MAC != nil || i.VMAC.XmitBase) {
		r.warn(i, "use_vmac", "they are ignored", "strict mode allows neither a MAC address nor vmac_xmit_base")
		i.VMAC.MAC, i.VMAC.XmitBase = nil, false
	}
	if v := i.IPVLAN; v != nil && v.Addr.IsValid() && v.Addr.Addr().Is6() != i.IPv6 {
		r.unusable(i, "use_ipvlan", "the address of use_ipvlan is not of the family of the instance")
	}
	if v := i.IPVLAN; v != nil && v.Addr.IsValid() && !i.Source.IsValid() {
		i.Source = v.Addr.Addr()
	}
	if i.VRF != "" && (!unicast || i.Interface != "") {
		r.fail(i, "vrf", "it is ignored", "vrf is for unicast instances without an interface")
		i.VRF = ""
	}
	if i.TimerExpiredBackup && !i.NoPreempt {
		r.warn(i, "timer_expired_backup", "add 'nopreempt'", "timer_expired_backup has no effect without nopreempt")
		i.TimerExpiredBackup, i.HighestOther = false, 0
	}
}

// Bounds of time_window where it is not set.
const (
	leastWindow = 5 * time.Second
	mostWindow  = 300 * time.Second
)

// completeHMAC applies the defaults of auth_hmac and its rules. Without a key
// to sign with the block means nothing.
func (r *reader) completeHMAC(i *Instance) {
	h := i.HMAC
	if h == nil {
		return
	}
	if !h.has(h.Active) {
		i.HMAC = nil
		return
	}
	if h.Window == 0 {
		h.Window = min(max(3*i.AdvertInt.Truncate(time.Second), leastWindow), mostWindow)
	}
	if i.Strict && h.Mode != "enforce" {
		r.warn(i, "auth_hmac", "mode enforce is used", "strict mode needs signed adverts from all")
		h.Mode = "enforce"
	}
	if i.AuthType != AuthNone {
		r.warn(i, "authentication", "it is ignored", "auth_hmac takes the place of authentication")
		i.AuthType, i.AuthPass = AuthNone, ""
	}
}

// has says that a key is defined.
func (h *HMAC) has(id uint8) bool {
	for _, k := range h.Keys {
		if k.ID == id {
			return true
		}
	}
	return false
}

// checkDelays drops the delays of interfaces that would outlast a master: an
// instance must see a change before its peers take over.
func (r *reader) checkDelays() {
	if len(r.cfg.InterfaceDelays) == 0 {
		return
	}
	delays := make(map[string]*InterfaceDelay, len(r.cfg.InterfaceDelays))
	for k := range r.cfg.InterfaceDelays {
		delays[r.cfg.InterfaceDelays[k].Interface] = &r.cfg.InterfaceDelays[k]
	}
	for _, i := range r.cfg.Instances {
		d := delays[i.Interface]
		most := time.Duration(i.DownTimerAdverts-1) * i.AdvertInt
		if d == nil || d.Down < most && d.Up < most || d.Down+d.Up == 0 {
			continue
		}
		r.found(syntax.Warning, d.Pos, len(d.Interface), "interface_up_down_delays", "they are not used",
			"the delays of %s must be less than %v s, for vrrp_instance %s", d.Interface, most.Seconds(), clip(i.Name))
		d.Down, d.Up = 0, 0
	}
}

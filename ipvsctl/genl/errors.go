package genl

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// OpError is a change of the table that the kernel refused.
type OpError struct {
	Op   ipvsctl.Op
	Err  error  // the kernel's, a unix.Errno or one wrapped
	Hint string // what is behind it and what to do; "" when that is not known
}

// Error names the change, the service and the server, and what to do.
func (e *OpError) Error() string {
	s := fmt.Sprintf("IPVS: cannot %s: %s", e.Op, kernelText(e.Err))
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Unwrap is the kernel's error.
func (e *OpError) Unwrap() error { return e.Err }

// kernelText is the errno in words, with the kernel's own message if it gave one.
func kernelText(err error) string {
	var refused *netlink.OpError
	if !errors.As(err, &refused) {
		return err.Error()
	}
	if refused.Message != "" {
		return fmt.Sprintf("%v (%s)", refused.Err, refused.Message)
	}
	return refused.Err.Error()
}

// drifted says whether err means that the table is not what it was believed to
// be: another hand made or removed the thing. ENOENT on a service is a missing
// scheduler instead.
func drifted(op ipvsctl.Op, err error) bool {
	switch {
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.ESRCH):
		return true
	case errors.Is(err, unix.ENOENT):
		return op.Kind >= ipvsctl.AddDest
	}
	return false
}

// explain is err for the operator.
func explain(op ipvsctl.Op, err error) error {
	return &OpError{Op: op, Err: err, Hint: hint(op, err)}
}

// unreadable is err, from reading what stands, for the operator.
func unreadable(what string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("IPVS: cannot read %s: %w: %s", what, err, needsAdmin)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("IPVS: cannot read %s: %w: the module ip_vs has been unloaded", what, err)
	}
	return fmt.Errorf("IPVS: cannot read %s: %w", what, err)
}

// refusedTimeouts is err, from setting timeouts, for the operator.
func refusedTimeouts(err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.EPERM):
		hint = ": " + needsAdmin
	case errors.Is(err, unix.EINVAL):
		hint = ": one is longer than this kernel can count, which is 2147483647 divided by its CONFIG_HZ"
	}
	return fmt.Errorf("IPVS: cannot set lvs_timeouts: %s%s", kernelText(err), hint)
}

// SyncError is a sync daemon that the kernel did not start or stop.
type SyncError struct {
	Role  ipvsctl.SyncRole
	Start bool
	Link  string
	Err   error // the kernel's
}

// Error names the daemon, and what to do. It follows ip_vs_genl_new_daemon and
// start_sync_thread of net/netfilter/ipvs.
func (e *SyncError) Error() string {
	verb, hint := "stop", ""
	if e.Start {
		verb = "start"
	}
	switch {
	case errors.Is(e.Err, unix.EPERM):
		hint = ": " + needsAdmin
	case errors.Is(e.Err, unix.ENODEV):
		hint = fmt.Sprintf(": there is no interface %s, or it is down", e.Link)
	case errors.Is(e.Err, unix.EADDRNOTAVAIL):
		hint = ": the interface has no address of the group's family yet"
	case errors.Is(e.Err, unix.EINVAL):
		hint = ": servers of another address family than their service's exclude it"
	}
	return fmt.Sprintf("IPVS: cannot %s the %s sync daemon on %s: %s%s", verb, e.Role, e.Link, kernelText(e.Err), hint)
}

// Unwrap is the kernel's error.
func (e *SyncError) Unwrap() error { return e.Err }

const needsAdmin = "this needs root, or the capability CAP_NET_ADMIN"

func hint(op ipvsctl.Op, err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return needsAdmin
	case errors.Is(err, unix.ENOMEM):
		return "the kernel has no memory left"
	case errors.Is(err, unix.EDESTADDRREQ):
		return "it has no address"
	}
	if op.Kind <= ipvsctl.DelService {
		return serviceHint(op, err)
	}
	return destHint(op, err)
}

// serviceHint follows ip_vs_add_service and ip_vs_edit_service of
// net/netfilter/ipvs/ip_vs_ctl.c.
func serviceHint(op ipvsctl.Op, err error) string {
	s := op.Definition
	switch {
	case errors.Is(err, unix.ENOENT) && s.Engine != "":
		return fmt.Sprintf("the kernel has no scheduler %q or no persistence engine %q; load ip_vs_%s and ip_vs_pe_%s, or choose others",
			s.Scheduler, s.Engine, s.Scheduler, s.Engine)
	case errors.Is(err, unix.ENOENT):
		return fmt.Sprintf("the kernel has no scheduler %q; load ip_vs_%s, or choose another lvs_sched", s.Scheduler, s.Scheduler)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return "this kernel's IPVS has no IPv6 (CONFIG_IP_VS_IPV6)"
	case errors.Is(err, unix.EINVAL):
		return "the kernel does not accept its persistence_granularity, scheduler flags or scheduler"
	}
	return ""
}

// destHint follows ip_vs_add_dest, ip_vs_new_dest and ip_vs_edit_dest of
// net/netfilter/ipvs/ip_vs_ctl.c; EINVAL has several causes there.
func destHint(op ipvsctl.Op, err error) string {
	mixed := op.Dest.Addr.Is6() != op.Service.IPv6
	d := op.Destination
	switch {
	case errors.Is(err, unix.ERANGE) && d.Lower > d.Upper:
		return fmt.Sprintf("lthreshold %d is above uthreshold %d", d.Lower, d.Upper)
	case errors.Is(err, unix.ERANGE):
		return "its weight is out of range; 0 to 2147483647 are possible"
	case !errors.Is(err, unix.EINVAL):
		return ""
	case mixed && d.Forward != ipvsctl.ForwardTunnel:
		return "a server of another address family than the service's can be reached by lvs_method TUN only"
	case mixed:
		return "servers of another address family and the sync daemon exclude each other; stop lvs_sync_daemon"
	case d.TunnelType == ipvsctl.TunnelGUE && d.TunnelPort == 0:
		return "a gue tunnel needs a port"
	}
	return "the kernel takes a unicast address only, and not an IPv6 link-local one; " +
		"in a network namespace without any address it takes none: set lo up"
}

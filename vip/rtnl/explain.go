package rtnl

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// explain says what could not be done, why, and what to do about it.
func explain(kind vip.OpKind, e *entry, err error) error {
	return fmt.Errorf("cannot %v %s: %w%s", kind, e.text(kind), err, hint(e, err))
}

// text names the entry in a sentence.
func (e *entry) text(kind vip.OpKind) string {
	switch {
	case e.rule != nil:
		return "the rule '" + e.rule.String() + "'"
	case e.route != nil:
		return "the route '" + e.route.String() + "'"
	case kind == vip.Remove:
		return fmt.Sprintf("%v from %s", e.address.Prefix, e.address.Link)
	}
	return fmt.Sprintf("%v to %s", e.address.Prefix, e.address.Link)
}

// hint is advice for the errors an operator can do something about.
func hint(e *entry, err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return "; changing " + [...]string{"addresses", "routes", "rules"}[e.rank()] + " needs CAP_NET_ADMIN"
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
		return "; the kernel is out of memory, it is tried again"
	case e.route != nil:
		return routeHint(e, err)
	case e.rule != nil:
		return ruleHint(err)
	case errors.Is(err, unix.EACCES) && e.address.Prefix.Addr().Is6():
		return "; IPv6 is disabled there, see net.ipv6.conf." + e.address.Link + ".disable_ipv6"
	case errors.Is(err, unix.ENODEV):
		return "; the address is added when the interface is there"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ERANGE):
		return "; check the address, its label and its broadcast, and that all addresses of a subnet on an interface have one scope"
	}
	return ""
}

func routeHint(e *entry, err error) string {
	switch {
	case errors.Is(err, unix.EEXIST):
		return "; another route stands there: see 'ip route show table all', or give one of them another metric"
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH):
		return "; no address of this host is in the gateway's network, unless 'onlink' is said; it is tried again"
	case errors.Is(err, unix.EINVAL) && e.route.Src.IsValid():
		return "; check the route, and whether this host has the address " + e.route.Src.String()
	case errors.Is(err, unix.EOPNOTSUPP):
		return "; the running kernel cannot do it"
	case errors.Is(err, unix.EINVAL):
		return "; check the route"
	}
	return ""
}

func ruleHint(err error) string {
	switch {
	case errors.Is(err, unix.EEXIST):
		return "; a rule stands there that the kernel takes for the same: see 'ip rule', or give one of them another preference"
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT):
		return "; the running kernel cannot do it"
	case errors.Is(err, unix.EINVAL):
		return "; check the rule"
	}
	return ""
}

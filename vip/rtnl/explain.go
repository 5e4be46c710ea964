package rtnl

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// explain says what could not be done, why, and what to do about it.
func explain(op vip.Op, err error) error {
	text := "cannot add %v to %s: %w%s"
	if op.Kind == vip.Remove {
		text = "cannot remove %v from %s: %w%s"
	}
	return fmt.Errorf(text, op.Address.Prefix, op.Address.Link, err, hint(op, err))
}

// hint is advice for the errors an operator can do something about.
func hint(op vip.Op, err error) string {
	link := op.Address.Link
	switch {
	case errors.Is(err, unix.EPERM):
		return "; changing addresses needs CAP_NET_ADMIN"
	case errors.Is(err, unix.EACCES) && op.Address.Prefix.Addr().Is6():
		return "; IPv6 is disabled there, see net.ipv6.conf." + link + ".disable_ipv6"
	case errors.Is(err, unix.ENODEV):
		return "; the address is added when the interface is there"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ERANGE):
		return "; check the address, its label and its broadcast"
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
		return "; the kernel is out of memory, it is tried again"
	}
	return ""
}

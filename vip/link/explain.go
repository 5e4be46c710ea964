package link

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// kind is what an operator calls the interface.
func (l Link) kind() string {
	if l.Kind == IPVLAN {
		return "ipvlan"
	}
	return "VMAC"
}

// what is the interface with the name it is configured to have, if any.
func (l Link) what() string {
	if l.Name == "" {
		return fmt.Sprintf("the %s of VRID %d", l.kind(), l.VRID)
	}
	return "the " + l.kind() + " " + l.Name
}

// explain adds advice to the errors an operator can do something about.
func explain(e *entry, err error) error {
	return fmt.Errorf("%w%s", err, hint(e, err))
}

func hint(e *entry, err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return "; making interfaces needs CAP_NET_ADMIN"
	case errors.Is(err, unix.EOPNOTSUPP):
		return "; the kernel has no such interfaces: load the module (modprobe macvlan, modprobe ipvlan) or use the interface itself"
	case errors.Is(err, unix.EADDRINUSE):
		return "; another macvlan on " + e.base + " has that MAC: use another virtual_router_id or delete it"
	case errors.Is(err, unix.EBUSY):
		return "; " + e.base + " serves another purpose: macvlans, ipvlans, bonds and bridges exclude each other there"
	case errors.Is(err, unix.EINVAL):
		return "; " + e.base + " is most likely no Ethernet interface, and virtual MACs need one"
	case errors.Is(err, unix.EEXIST):
		return "; the name was taken meanwhile, it is tried again"
	}
	return ""
}

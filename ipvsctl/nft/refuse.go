package nft

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// Scheduler flags of linux/ip_vs.h that mean something here.
const (
	flagHashPort = 0x0010 // IP_VS_SVC_F_SCHED_SH_PORT, IP_VS_SVC_F_SCHED_MH_PORT
)

// Refuse says what of a service nftables cannot do, and what to use instead; nil
// if everything is possible.
func Refuse(k ipvsctl.ServiceKey, e ipvsctl.Entry) error {
	if k.FWMark == 0 && k.Protocol != unix.IPPROTO_TCP && k.Protocol != unix.IPPROTO_UDP && k.Protocol != unix.IPPROTO_SCTP {
		return fmt.Errorf("IP protocol %d: only TCP, UDP and SCTP", k.Protocol)
	}
	return errors.Join(refuseService(k, e.Service), refuseServers(k, e))
}

func refuseService(k ipvsctl.ServiceKey, s ipvsctl.Service) error {
	var errs []error
	no := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, known := schedulers[s.Scheduler]; !known {
		no("scheduler %s: it needs the numbers of open connections, which nftables does not have; use wrr, rr, random, sh, mh, dh or fo", s.Scheduler)
	}
	if s.Flags&ipvsctl.FlagOnePacket != 0 {
		no("one-packet scheduling: nftables decides once for a connection; leave out ops")
	}
	if s.Engine != "" {
		no("persistence engine %s: only the client's address counts", s.Engine)
	}
	if s.Source != "" && k.FWMark != 0 {
		no("FULLNAT of a firewall mark: name the service by address and port")
	}
	return errors.Join(errs...)
}

func refuseServers(k ipvsctl.ServiceKey, e ipvsctl.Entry) error {
	var errs []error
	no := func(dk ipvsctl.DestKey, format string, args ...any) {
		errs = append(errs, fmt.Errorf("server %s: "+format, append([]any{dk.Name(k.Protocol)}, args...)...))
	}
	ports := 0
	for dk, d := range e.Destinations {
		switch {
		case d.Forward == ipvsctl.ForwardDirect:
			no(dk, "DR: the kernel's IPVS is needed for it; use NAT or FULLNAT")
		case d.Forward == ipvsctl.ForwardTunnel:
			no(dk, "TUN: the kernel's IPVS is needed for it; use NAT or FULLNAT")
		}
		if dk.Addr.Is6() != k.IPv6 {
			no(dk, "another address family than its service")
		}
		if d.Upper != 0 || d.Lower != 0 {
			no(dk, "limits of connections (uthreshold, lthreshold): nftables does not know their number")
		}
		if dk.Port != 0 {
			ports++
		}
	}
	if ports > 0 && ports < len(e.Destinations) {
		errs = append(errs, errors.New("servers with a port and servers without one in the same service"))
	}
	return errors.Join(errs...)
}

// explain says what is not in force, why, and what to do about it.
func explain(err error) error {
	if errno := unix.Errno(0); errors.As(err, &errno) {
		err = errno // the library repeats it for each message of a transaction
	}
	return fmt.Errorf("nftables: %w%s", err, hint(err))
}

func hint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "; it needs CAP_NET_ADMIN in the network namespace"
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return "; the kernel lacks nf_tables: load it (modprobe nf_tables), or use one built with CONFIG_NF_TABLES, CONFIG_NF_TABLES_IPV4, CONFIG_NF_TABLES_IPV6 and CONFIG_NFT_NAT"
	case errors.Is(err, unix.EMSGSIZE), errors.Is(err, unix.ENOBUFS):
		return "; the change does not fit into the socket's buffer: raise net.core.wmem_max and net.core.rmem_max"
	case errors.Is(err, unix.ENOENT):
		return "; the kernel lacks a part of nf_tables: the expressions nat, masq, ct, numgen, hash, lookup, dynset, counter and reject are needed"
	}
	return "; it is tried again"
}

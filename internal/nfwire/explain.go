package nfwire

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Explain says of a refused transaction what the kernel answered and what to do
// about it. parts are the expressions of nf_tables that the caller's rules are
// made of, for a kernel that lacks some.
func Explain(err error, parts string) error {
	if errno := unix.Errno(0); errors.As(err, &errno) {
		err = errno // the library repeats it for each message of a transaction
	}
	return fmt.Errorf("nftables: %w; %s", err, advice(err, parts))
}

func advice(err error, parts string) string {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "it needs CAP_NET_ADMIN in the network namespace"
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return "the kernel lacks nf_tables: load it (modprobe nf_tables), or use one built with CONFIG_NF_TABLES, CONFIG_NF_TABLES_IPV4, CONFIG_NF_TABLES_IPV6 and CONFIG_NFT_NAT"
	case errors.Is(err, unix.EMSGSIZE), errors.Is(err, unix.ENOBUFS):
		return "the change does not fit into the socket's buffer: raise net.core.wmem_max and net.core.rmem_max"
	case errors.Is(err, unix.ENOENT):
		return "the kernel lacks a part of nf_tables: " + parts + " are needed"
	case errors.Is(err, unix.EBUSY):
		return "another program holds the table: name another one with the keyword nftables or nftables_ipvs"
	}
	return "it is tried again"
}

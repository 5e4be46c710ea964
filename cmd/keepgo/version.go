package main

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"keepgo/internal/daemon"
)

// speaks is the release of keepalived whose configuration, files and signals
// keepgo follows.
const speaks = "2.4.3"

// keepalivedVersion is what -v tells. Programs read the release between the
// only two blanks of the first line, and look for --enable-json in the rest.
func keepalivedVersion() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return fmt.Sprintf(`Keepalived v%s (keepgo-%s)

This is keepgo %s, which does what Keepalived v%s does.

Running on %s %s %s

configure options: --enable-json --enable-log-file --enable-regex

Config options:  NFTABLES LVS REGEX VRRP VRRP_AUTH VRRP_VMAC JSON OLD_CHKSUM_COMPAT INIT=systemd SYSTEMD_NOTIFY LOG_FILE
`, speaks, version, version, speaks, text(u.Sysname[:]), text(u.Release[:]), text(u.Version[:]))
}

func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// signum tells the number of a signal by keepalived's name for it.
func signum(name string, out, errs io.Writer) int {
	n, ok := daemon.Signals[name]
	if !ok {
		fmt.Fprintf(errs, "Unknown sigfunc %s\n", name)
		return exitFaulty
	}
	fmt.Fprintln(out, int(n))
	return exitOK
}

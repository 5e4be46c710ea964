package ipvsadm

import (
	"fmt"
	"strings"
)

// VersionText is what ipvsadm says of itself on a kernel with the given
// version of IPVS.
func VersionText(kernel [3]int) string {
	return fmt.Sprintf("ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v%d.%d.%d)\n", kernel[0], kernel[1], kernel[2])
}

// Usage is the help of the program called name.
func Usage(name string) string { return strings.ReplaceAll(usage, "PROG", name) }

const usage = `usage:
  PROG -A|-E SERVICE [-s SCHEDULER] [-p [SECONDS]] [-M MASK] [-b FLAGS] [--pe ENGINE] [-o]
  PROG -D SERVICE
  PROG -a|-e SERVICE -r SERVER [-g|-i|-m] [-w WEIGHT] [-x UPPER] [-y LOWER] [TUNNEL]
  PROG -d SERVICE -r SERVER
  PROG -l [SERVICE] [-n] [--stats|--rate|--thresholds|--persistent-conn|--tun-info] [--exact] [--nosort]
  PROG -l -c [-n] [--persistent-conn]     the connections
  PROG -l --timeout | --daemon            the timeouts, or the sync daemons
  PROG -Z [SERVICE]                       set counters to 0
  PROG -C                                 empty the table
  PROG -S [-n]                            print the table as commands
  PROG -R                                 carry out commands from standard input
  PROG --set TCP TCPFIN UDP               timeouts of connections in seconds; 0 leaves one as it is
  PROG --start-daemon master|backup [--mcast-interface IF] [--syncid N] [--sync-maxlen N]
       [--mcast-group ADDRESS] [--mcast-port PORT] [--mcast-ttl N]
  PROG --stop-daemon master|backup

SERVICE    -t|-u|--sctp-service HOST[:PORT], or -f MARK [-6]
SERVER     HOST[:PORT]
SCHEDULER  rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh; wlc if none is given
FLAGS      sh-fallback, sh-port, mh-fallback, mh-port, or flag-1 to flag-3, parted by commas
TUNNEL     --tun-type ipip|gue|gre [--tun-port PORT] [--tun-nocsum|--tun-csum|--tun-remcsum]
-g -i -m   direct routing (if none is given), tunnel, NAT
`

package importer

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"keepgo/ipvsctl"
)

// assignment is a variable of a shell script that is set to a word or to a
// list of words.
var assignment = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+|declare[ \t]+(?:-\w+[ \t]+)?)?([A-Z_]+)=(\([^)]*\)|"[^"]*"|'[^']*'|[^\s;#]*)`)

// IsScript tells a shell script with the variables of FromScript from the
// commands of ipvsadm.
func IsScript(text string) bool {
	v := variables(text)
	return len(v["VIP"]) > 0 && len(v["RS"]) > 0
}

// variables are the words of each variable, as they are set first.
func variables(text string) map[string][]string {
	all := map[string][]string{}
	for _, m := range assignment.FindAllStringSubmatch(text, -1) {
		if _, known := all[m[1]]; known {
			continue
		}
		words := strings.Fields(strings.Trim(m[2], `()`))
		for i, w := range words {
			words[i] = strings.Trim(w, `"'`)
		}
		all[m[1]] = words
	}
	return all
}

// FromScript reads the variables of a health-check script: VIP; CPORT or VPORT,
// the port there, RPORT if neither is set; RS, a list of servers; RW, their
// weights; RPORT, their port; TYPE, g, m or i as ipvsadm has it; SCHED, the
// scheduler, wlc if none is set; FAIL_BACK, the sorry server.
func FromScript(name, text string) (Source, error) {
	r := reader{vars: variables(text)}
	src := Source{Name: name, Table: ipvsctl.Table{}, Sorry: map[ipvsctl.ServiceKey]Sorry{}}
	k := ipvsctl.ServiceKey{Protocol: protocolTCP, Addr: r.addr("VIP", r.word("VIP"))}
	port := r.number("RPORT", 1, 65535)
	k.Port = port
	for _, name := range []string{"CPORT", "VPORT"} {
		if r.word(name) != "" {
			k.Port = r.number(name, 1, 65535)
		}
	}
	k = k.Canonical()
	forward := r.forward()
	e := ipvsctl.Entry{Service: ipvsctl.Service{Scheduler: "wlc"}, Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
	if s := r.word("SCHED"); s != "" {
		e.Service.Scheduler = s
	}
	if forward != ipvsctl.ForwardNAT {
		port = k.Port // only NAT has another one
	}
	for i, rs := range r.vars["RS"] {
		e.Destinations[ipvsctl.DestKey{Addr: r.addr("RS", rs), Port: port}] = ipvsctl.Destination{Weight: r.weight(i), Forward: forward}
	}
	if len(e.Destinations) == 0 {
		r.fail("RS names no server")
	}
	if back := r.word("FAIL_BACK"); back != "" {
		src.Sorry[k] = Sorry{Key: ipvsctl.DestKey{Addr: r.addr("FAIL_BACK", back), Port: port}, Forward: forward}
	}
	src.Table[k] = e
	if r.err != nil {
		return src, fmt.Errorf("%s: %w", name, r.err)
	}
	return src, nil
}

// reader reads variables, and gathers what is wrong with them.
type reader struct {
	vars map[string][]string
	err  error
}

func (r *reader) fail(format string, args ...any) {
	r.err = errors.Join(r.err, fmt.Errorf(format, args...))
}

// word is the only word of a variable, or "".
func (r *reader) word(name string) string {
	if w := r.vars[name]; len(w) > 0 {
		return w[0]
	}
	return ""
}

func (r *reader) addr(name, text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		r.fail("%s: %q is no address", name, text)
	}
	return a.Unmap()
}

func (r *reader) number(name string, least, most uint64) uint16 {
	n, err := strconv.ParseUint(r.word(name), 10, 16)
	if err != nil || n < least || n > most {
		r.fail("%s: %q is no number from %d to %d", name, r.word(name), least, most)
	}
	return uint16(n)
}

// weight is that of server i, 1 where RW is too short.
func (r *reader) weight(i int) uint32 {
	list := r.vars["RW"]
	if i >= len(list) {
		return 1
	}
	n, err := strconv.ParseUint(list[i], 10, 31)
	if err != nil {
		r.fail("RW: %q is no weight", list[i])
	}
	return uint32(n)
}

func (r *reader) forward() uint8 {
	switch t := strings.TrimPrefix(r.word("TYPE"), "-"); t {
	case "", "g":
		return ipvsctl.ForwardDirect
	case "m":
		return ipvsctl.ForwardNAT
	case "i":
		return ipvsctl.ForwardTunnel
	default:
		r.fail("TYPE: %q is none of g, m and i", t)
		return 0
	}
}

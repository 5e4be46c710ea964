package look

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"keepgo/internal/doctor"
)

// rival is a program that does a director's work.
type rival struct {
	comm string // as the kernel has its name: 15 bytes
	name string
	harm string
	fix  string
}

var rivals = []rival{
	{"keepalived", "another keepalived", "two that hold the same addresses take them from each other", "let one of them run: systemctl disable --now the other"},
	{"ldirectord", "ldirectord", "it programs IPVS, and takes out what it does not know", "systemctl disable --now ldirectord; keepgo import --running writes its services down"},
	{"pacemakerd", "pacemaker", "it moves addresses by its own rules", "take the virtual addresses out of its resources, or out of this file"},
	{"heartbeat", "heartbeat", "it moves addresses by its own rules", "systemctl disable --now heartbeat"},
	{"ucarp", "ucarp", "it moves addresses by its own rules", "end it, or take its address out of this file"},
	{"vrrpd", "vrrpd", "it moves addresses by its own rules", "end it"},
	{"kube-proxy", "kube-proxy", "in its mode ipvs it takes services out of IPVS that it does not know", "another network namespace for it or for keepgo, or its mode iptables or nftables"},
}

// others finds programs and units that do the same work.
func (l *looker) others() {
	l.Others = nil
	l.processes()
	l.units()
	l.networkd()
}

// processes are those in our network namespace.
func (l *looker) processes() {
	own, _ := os.Readlink("/proc/thread-self/ns/net")
	all, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, path := range all {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		comm, err2 := os.ReadFile(path)
		if err != nil || err2 != nil {
			continue
		}
		for _, r := range rivals {
			if strings.TrimSpace(string(comm)) != r.comm || l.ours(pid) {
				continue
			}
			if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil && ns == own {
				l.Others = append(l.Others, doctor.Other{Name: r.name, What: fmt.Sprintf("process %d", pid), Harm: r.harm, Fix: r.fix})
			}
		}
	}
}

// ours tells whether a process is the daemon that was asked, or one of it.
func (l *looker) ours(pid int) bool {
	for range 3 {
		if pid == os.Getpid() || l.Status != nil && pid == l.Status.PID {
			return true
		}
		if pid = parentOf(pid); pid <= 1 {
			return false
		}
	}
	return false
}

// parentOf reads proc_pid_stat(5): the fourth field, behind a name in brackets
// that may hold anything.
func parentOf(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// units are those that the service manager starts at boot.
var unitsOfOthers = []struct{ unit, harm, fix string }{
	{"ipvsadm.service", "its start, stop and restart empty the IPVS table", "systemctl disable --now ipvsadm; keepgo import writes its table down"},
	{"ldirectord.service", "it programs IPVS", "systemctl disable --now ldirectord"},
	{"heartbeat.service", "it moves addresses by its own rules", "systemctl disable --now heartbeat"},
}

func (l *looker) units() {
	for _, u := range unitsOfOthers {
		if found, _ := filepath.Glob(filepath.Join(l.Root, "/etc/systemd/system/*.wants", u.unit)); len(found) > 0 {
			l.Others = append(l.Others, doctor.Other{Name: u.unit, What: "enabled: " + strings.TrimPrefix(found[0], strings.TrimSuffix(l.Root, "/")), Harm: u.harm, Fix: u.fix})
		}
	}
	if strings.Contains(l.text("/etc/default/ipvsadm"), "\nAUTO=\"true\"") {
		l.Others = append(l.Others, doctor.Other{Name: "ipvsadm", What: "/etc/default/ipvsadm: AUTO=\"true\"", Harm: unitsOfOthers[0].harm, Fix: `AUTO="false" there`})
	}
}

// networkd takes addresses away that it does not know when it is restarted,
// unless it is told to keep them (systemd.network(5), KeepConfiguration=).
func (l *looker) networkd() {
	for name, link := range l.Links {
		if !l.carries(name) {
			continue
		}
		file := value(l.text(fmt.Sprintf("/run/systemd/netif/links/%d", link.Index)), "NETWORK_FILE")
		if file == "" {
			continue
		}
		switch value(l.text(file), "KeepConfiguration") {
		case "yes", "static":
			continue
		}
		l.Others = append(l.Others, doctor.Other{Name: "systemd-networkd", What: file + " is for " + name,
			Harm: "it takes the virtual addresses away when it is restarted or reloaded", Fix: "KeepConfiguration=static in [Network] there"})
	}
}

// carries tells whether an instance is on a link.
func (l *looker) carries(link string) bool {
	if l.Config == nil {
		return false
	}
	for _, in := range l.Config.Instances {
		if in.Interface == link {
			return true
		}
	}
	return false
}

// value is the last assignment to a key in the text of an ini file.
func value(text, key string) (found string) {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == key {
			found = strings.TrimSpace(v)
		}
	}
	return found
}

// addressFiles are where programs that configure addresses keep them.
var addressFiles = []string{
	"/etc/network/interfaces", "/etc/network/interfaces.d/*", "/etc/netplan/*.yaml", "/etc/systemd/network/*.network",
	"/etc/NetworkManager/system-connections/*", "/etc/sysconfig/network-scripts/ifcfg-*", "/etc/rc.local", "/etc/rc.d/rc.local",
}

// maxFiles bounds how many of them are read.
const maxFiles = 1000

// addressLine is one that gives an interface an address.
var addressLine = regexp.MustCompile(`(?i)^\s*(address\d*\s*[= ]|ipaddr\d*\s*=|-\s|addresses:|.*\bip\s+a(ddr(ess)?)?\s+(add|replace)|.*\bifconfig\s)`)

// addressWord is what may be an address.
var addressWord = regexp.MustCompile(`[0-9a-fA-F:.]+`)

// static finds virtual addresses that another program gives this machine.
func (l *looker) static() {
	l.Static = nil
	virtual := l.virtual()
	read := 0
	for _, pattern := range addressFiles {
		files, _ := filepath.Glob(filepath.Join(l.Root, pattern))
		for _, file := range files {
			if read++; read > maxFiles {
				return
			}
			name := "/" + strings.TrimPrefix(strings.TrimPrefix(file, l.Root), "/")
			l.staticIn(name, virtual)
		}
	}
}

func (l *looker) staticIn(name string, virtual map[netip.Addr]bool) {
	number := 0
	for line := range strings.Lines(l.text(name)) {
		number++
		if strings.HasPrefix(strings.TrimSpace(line), "#") || !addressLine.MatchString(line) {
			continue
		}
		for _, word := range addressWord.FindAllString(line, -1) {
			if a, err := netip.ParseAddr(word); err == nil && virtual[a] {
				l.Static = append(l.Static, doctor.Static{Place: fmt.Sprintf("%s:%d", name, number), Addr: a})
			}
		}
	}
}

// virtual are the virtual addresses of the file.
func (l *looker) virtual() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	if l.Config == nil {
		return all
	}
	for _, in := range l.Config.Instances {
		for _, a := range append(in.Addresses[:len(in.Addresses):len(in.Addresses)], in.Excluded...) {
			all[a.Prefix.Addr()] = true
		}
	}
	return all
}

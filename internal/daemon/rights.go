package daemon

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"keepgo/confparse"
	"keepgo/ipvsctl/genl"
)

// rights are what a process keeps of what root may do (capabilities(7)).
type rights struct {
	keep []int
	// programs says that it starts programs, whose user may be root: they get
	// back what only this process gives away.
	programs bool
}

// Each process has what its own work takes, and what its manner of running may
// take after any reload: SYS_NICE, SYS_RESOURCE and IPC_LOCK. Root owns
// /proc/sys and /run, which asks for no capability.
var (
	network = []int{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE}
	running = []int{unix.CAP_SYS_NICE, unix.CAP_SYS_RESOURCE, unix.CAP_IPC_LOCK}
	// others is what starting programs as other users takes, and ending them.
	others = []int{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL, unix.CAP_SETPCAP}
	// anyFile is what reading and writing files of any owner takes.
	anyFile = []int{unix.CAP_DAC_OVERRIDE, unix.CAP_CHOWN, unix.CAP_FOWNER}
)

// parentRights are those of the parent: it opens files of others, runs scripts,
// hears of processes
// (NET_ADMIN), and may have a port to answer on.
func parentRights() rights {
	return rights{keep: slices.Concat(anyFile, others, []int{unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE}), programs: true}
}

// vrrpRights are those of the VRRP process, which starts nothing.
func vrrpRights() rights { return rights{keep: slices.Concat(network, running, namespaces())} }

// bfdRights are those of the BFD process, which only speaks UDP.
func bfdRights() rights { return rights{keep: running} }

// lvsRights are those of the LVS process.
func lvsRights(programs bool) rights {
	r := rights{keep: slices.Concat(network, running, namespaces()), programs: programs}
	if programs {
		r.keep = append(r.keep, others...)
	}
	return r
}

// namespaces is what going to the namespace of IPVS takes.
func namespaces() []int {
	if os.Getenv(ipvsVar) == "" {
		return nil
	}
	return []int{unix.CAP_SYS_ADMIN}
}

// loadIPVS loads the kernel's module for a VRRP process that runs a sync daemon.
// The LVS process does so itself, before it is confined.
func loadIPVS(cfg *confparse.Config, vrrp bool) {
	if sync := cfg.Global.LVSSync; vrrp && sync != nil && sync.Instance != "" {
		genl.Load()
	}
}

// startsPrograms says whether the LVS process runs any for a configuration.
func startsPrograms(cfg *confparse.Config) bool {
	for _, vs := range cfg.VirtualServers {
		for _, rs := range vs.Servers {
			if slices.ContainsFunc(rs.Checkers, func(c *confparse.Checker) bool { return c.Kind == confparse.MiscCheck }) {
				return true
			}
		}
	}
	return false
}

// confine gives the rest away for good, in all threads. A process that starts
// no programs can never get it back, whatever it executes. Done again it gives
// away more, never less. Who is not root has what was chosen for it.
func (r rights) confine() error {
	if os.Geteuid() != 0 {
		return nil
	}
	if r.programs && noNewPrivileges() {
		return nil // what is given away here, no program and no child gets back
	}
	if r.programs {
		return r.reduce()
	}
	return errors.Join(r.bind(), r.reduce())
}

// bind takes the rest away from everything this process will execute.
func (r rights) bind() error {
	for c := range unix.CAP_LAST_CAP + 1 {
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err != nil || has == 0 || slices.Contains(r.keep, c) {
			continue // err: this kernel does not know it
		}
		if err := everywhereDo(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(c), 0); err != nil {
			return fmt.Errorf("capability %d: %w", c, err)
		}
	}
	return denyNews()
}

// denyNews keeps all that this process executes from getting privileges that it
// does not have itself.
func denyNews() error {
	if err := everywhereDo(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	return nil
}

// reduce leaves this process what it has of what it keeps.
func (r rights) reduce() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have, keep [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	for _, c := range r.keep {
		bit := uint32(1) << (c % 32)
		keep[c/32].Permitted |= bit & have[c/32].Permitted
		keep[c/32].Effective |= bit & have[c/32].Permitted
	}
	if err := everywhereDo(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&keep[0])), 0); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}

// everywhereDo makes a system call on every thread.
//
//go:uintptrescapes
func everywhereDo(trap, a, b, c uintptr) error {
	switch _, _, errno := syscall.AllThreadsSyscall(trap, a, b, c); errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return errors.New("not possible in a program built with cgo; build it with CGO_ENABLED=0")
	default:
		return errno
	}
}

// noNewPrivileges says whether somebody took care that executing a program
// gives no privileges (PR_SET_NO_NEW_PRIVS of prctl(2)).
func noNewPrivileges() bool {
	is, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	return err == nil && is == 1
}

// hurried is confined as far as two calls do it, and that is far: nothing comes
// back. The rest is a call on every thread for each capability, and takes some
// milliseconds; it is left to the function that is returned.
func (r rights) hurried(log func(format string, args ...any)) (rest func()) {
	if os.Geteuid() == 0 {
		first := rights{keep: append(slices.Clone(r.keep), unix.CAP_SETPCAP)} // the rest takes it
		if err := errors.Join(denyNews(), first.reduce()); err != nil {
			log("privileges are not reduced: %v", err)
		}
	}
	return func() { r.confined(log) }
}

// confined confines this process, and tells it where that fails: it goes on.
func (r rights) confined(log func(format string, args ...any)) {
	if err := r.confine(); err != nil {
		log("privileges are not reduced: %v", err)
	}
}

package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"keepgo/confparse"
	"keepgo/ipvsctl/genl"
	"keepgo/ipvsctl/neigh"
	"keepgo/ipvsctl/nft"
)

const (
	// netnsDir is where ip-netns(8) keeps the names of namespaces.
	netnsDir = "/run/netns"
	// firstNamespace is that of the first process.
	firstNamespace = "/proc/1/ns/net"
	// insideVar, in the environment, names the namespace that a process was
	// executed in, and homeVar is the path of the one it came from.
	insideVar = "KEEPGO_NETNS"
	homeVar   = "KEEPGO_NETNS_HOME"
	// ipvsVar, in the environment, is the path of the namespace of IPVS.
	ipvsVar = "KEEPGO_NETNS_IPVS"
)

// enter moves the whole process into a network namespace: a thread goes there
// and executes this program anew, because the namespaces of the other threads
// would stay what they are. It returns in the namespace, or with an error.
func enter(name string) error {
	if name == "" {
		return nil
	}
	if os.Getenv(insideVar) == name {
		return os.Unsetenv(insideVar)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY, 0) // stays open
	if err != nil {
		return fmt.Errorf("net_namespace %s: %w", name, err)
	}
	if err := setNamespace(filepath.Join(netnsDir, name)); err != nil {
		return fmt.Errorf("net_namespace %s: %w; 'ip netns' lists those there are", name, err)
	}
	env := append(os.Environ(), insideVar+"="+name, fmt.Sprintf("%s=/proc/self/fd/%d", homeVar, home))
	return fmt.Errorf("net_namespace %s: %w", name, execute("/proc/self/exe", env))
}

// Enter moves the whole process into the network namespace that a configuration
// names, by executing the program anew there.
func Enter(g *confparse.Global) error { return enter(g.Namespace) }

// WithinIPVS calls f on a thread in the network namespace where a configuration
// has IPVS: the sockets that f opens stay there.
func WithinIPVS(g *confparse.Global, f func() error) error {
	return within(ipvsNamespace(g.NamespaceIPVS), f)
}

// setNamespace moves the calling thread.
func setNamespace(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("setns: %w", err)
	}
	return nil
}

// within calls f on a thread in the namespace of a path, "" for our own: the
// sockets that f opens stay there.
func within(path string, f func() error) error {
	if path == "" {
		return f()
	}
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer own.Close()
	if err = setNamespace(path); err == nil {
		err = f()
	}
	if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
		return fmt.Errorf("setns: back to our namespace: %w", back) // on a thread that is never let go
	}
	runtime.UnlockOSThread()
	return err
}

// ipvsNamespace is the path of the namespace that net_namespace_ipvs means, ""
// for our own.
func ipvsNamespace(name *string) string {
	switch {
	case name == nil:
		return ""
	case *name == "":
		return firstNamespace
	}
	return filepath.Join(netnsDir, *name)
}

// openIPVS opens the IPVS table of the namespace that net_namespace_ipvs means.
func openIPVS(opt genl.Options) (door *genl.Door, err error) {
	err = within(os.Getenv(ipvsVar), func() error {
		door, err = genl.Open(opt)
		return err
	})
	return door, err
}

// openNFTables opens nftables there.
func openNFTables(opt nft.Options) (door *nft.Door, err error) {
	err = within(os.Getenv(ipvsVar), func() error {
		door, err = nft.Open(opt)
		return err
	})
	return door, err
}

// openNeigh follows servers there.
func openNeigh(opt neigh.Options) (door *neigh.Door, err error) {
	err = within(os.Getenv(ipvsVar), func() error {
		door, err = neigh.Open(opt)
		return err
	})
	return door, err
}

// openMarks opens the tables of marks there.
func openMarks(opt nft.MarkOptions) (marks *nft.Marks, err error) {
	err = within(os.Getenv(ipvsVar), func() error {
		marks, err = nft.OpenMarks(opt)
		return err
	})
	return marks, err
}

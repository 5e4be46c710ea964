package genl

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// threadNamespace is the network namespace of the thread that opens it.
const threadNamespace = "/proc/thread-self/ns/net"

// namespace remembers a network namespace, so that sockets opened anew lead to
// the table they led to before.
type namespace struct{ file *os.File }

func currentNamespace() (*namespace, error) {
	f, err := os.Open(threadNamespace)
	if err != nil {
		return nil, fmt.Errorf("IPVS: find the network namespace: %w; is /proc mounted?", err)
	}
	return &namespace{file: f}, nil
}

func (n *namespace) close() { n.file.Close() }

// within runs f on a thread that is in the namespace. Only where the calling
// thread is in another one does it need CAP_SYS_ADMIN.
func (n *namespace) within(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := currentNamespace()
	if err != nil {
		return err
	}
	defer here.close()
	if same, err := n.same(here); err != nil || same {
		return either(err, f)
	}
	if err := n.enter(); err != nil {
		return err
	}
	err = f()
	if back := here.enter(); back != nil {
		// The thread must not serve anything else: it ends with its goroutine.
		runtime.LockOSThread()
		return back
	}
	return err
}

func either(err error, f func() error) error {
	if err != nil {
		return err
	}
	return f()
}

func (n *namespace) same(o *namespace) (bool, error) {
	a, err := n.file.Stat()
	if err != nil {
		return false, fmt.Errorf("IPVS: look at the network namespace: %w", err)
	}
	b, err := o.file.Stat()
	if err != nil {
		return false, fmt.Errorf("IPVS: look at the network namespace: %w", err)
	}
	return os.SameFile(a, b), nil
}

func (n *namespace) enter() error {
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("IPVS: enter the network namespace: %w", err)
	}
	return nil
}

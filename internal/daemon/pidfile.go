package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/confparse"
)

// errRunning says that a live process holds the pid file.
var errRunning = errors.New("already running")

const oNoFollow = unix.O_NOFOLLOW

// pidFile is a pid file held with an open-file-description write lock for as
// long as the process lives, as keepalived 2.3.2 and later do.
type pidFile struct {
	file *os.File
	path string
}

// createPIDFile makes and locks the file, leaving it empty. It follows no
// symlink. The error is errRunning when another process holds the lock, and goes on to.
func createPIDFile(path string) (*pidFile, error) {
	p := &pidFile{path: path}
	return p, p.open()
}

func (p *pidFile) open() error {
	f, err := os.OpenFile(p.path, os.O_RDWR|os.O_CREATE|oNoFollow, 0o644)
	if err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	if err = lock(f); err == nil && gone(f, p.path) {
		f.Close()
		return p.open() // who had it has ended, and took the file along
	}
	if err == nil {
		err = f.Chmod(0o644) // everybody may read it, whatever the umask is
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("pid file %s: %w", p.path, err)
	}
	p.file = f
	return nil
}

// lockTime is how long a lock is waited for, and lockPause the time between two
// tries. A process that was about to execute a program shares the locks of the
// daemon that started it until it does, and that one may have been killed meanwhile.
const (
	lockTime  = time.Second
	lockPause = 10 * time.Millisecond
)

func lock(f *os.File) error {
	for end := time.After(lockTime); ; {
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			return err
		}
		select {
		case <-end:
			return errRunning
		case <-time.After(lockPause):
		}
	}
}

// gone reports whether a path leads to another file by now, or to none.
func gone(f *os.File, path string) bool {
	is, err := f.Stat()
	there, missing := os.Lstat(path)
	return err == nil && (missing != nil || !os.SameFile(is, there))
}

// write stores a process id in the file. One that was removed is made anew.
func (p *pidFile) write(pid int) error {
	if p.file == nil {
		if err := p.open(); err != nil {
			return err
		}
	}
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	_, err := p.file.WriteAt(fmt.Appendf(nil, "%d\n", pid), 0)
	return err
}

// remove deletes the file and gives up the lock.
func (p *pidFile) remove() {
	if p.file != nil {
		os.Remove(p.path)
		p.file.Close()
		p.file = nil
	}
}

// Directories of pid files: a daemon that has a name, or a network namespace,
// or asks for it has them in a directory of their own.
const (
	pidDir    = "/run"
	ownPIDDir = "/run/keepalived"
)

// pidPaths fills in the paths that the command line left open.
func pidPaths(o Options, g *confparse.Global) Options {
	dir, suffix := pidDir, ""
	if in := scopeOf(o, g); g.UsePIDDir || in != (scope{}) {
		// keepalived mounts the directory of a namespace over ownPIDDir for its
		// own processes; for everybody else the files are here.
		dir = filepath.Join(ownPIDDir, in.namespace)
		suffix = join("", "", scope{instance: in.instance})
		if o.Control == defaultControl {
			o.Control = fileName(o.Control, "", in)
		}
	}
	for path, name := range map[*string]string{&o.PIDFile: "keepalived", &o.VRRPPIDFile: "vrrp", &o.CheckersPIDFile: "checkers", &o.BFDPIDFile: "bfd"} {
		if *path == "" {
			*path = filepath.Join(dir, name+suffix+".pid")
		}
	}
	return o
}

// scopeOf is the scope of a configuration; -s comes before net_namespace.
func scopeOf(o Options, g *confparse.Global) scope {
	in := scope{g.Namespace, g.InstanceName}
	if o.Namespace != "" {
		in.namespace = o.Namespace
	}
	return in
}

// pidFiles are the files of the parent and its children.
type pidFiles struct{ parent, vrrp, lvs, bfd *pidFile }

// createPIDFiles makes and locks all of them, so that a second daemon on the
// same files does not start. Only a directory of our own is made.
func createPIDFiles(o Options) (pidFiles, error) {
	var p pidFiles
	for _, f := range []struct {
		file **pidFile
		path string
	}{{&p.parent, o.PIDFile}, {&p.vrrp, o.VRRPPIDFile}, {&p.lvs, o.CheckersPIDFile}, {&p.bfd, o.BFDPIDFile}} {
		if rel, err := filepath.Rel(ownPIDDir, f.path); err == nil && filepath.IsLocal(rel) {
			if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
				p.remove()
				return p, fmt.Errorf("pid file: %w", err)
			}
		}
		var err error
		if *f.file, err = createPIDFile(f.path); err != nil {
			p.remove()
			return p, err
		}
	}
	return p, nil
}

// remove deletes those that were made.
func (p pidFiles) remove() {
	for _, f := range []*pidFile{p.parent, p.vrrp, p.lvs, p.bfd} {
		if f != nil {
			f.remove()
		}
	}
}

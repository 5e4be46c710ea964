package notify

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"keepgo/checker/script"
)

// pipe is an open FIFO.
type pipe struct {
	fd       int // -1 closed
	dev, ino uint64
	ours     bool // made by us
}

// openPipe opens the FIFO at o.Path, and makes one where nothing stands. It is opened for reading too, so that it needs no reader
// (fifo(7)); without waiting, so that a full one costs nobody time. What stands
// there already must be a FIFO of this user or of the configured one: whoever
// owns it reads what we write.
func openPipe(o FIFOOptions) (pipe, error) {
	id, err := script.Resolve(o.User, o.Group)
	if err != nil {
		return pipe{fd: -1}, err
	}
	p := pipe{fd: -1}
	switch err := unix.Mkfifo(o.Path, cmp.Or(o.Mode, 0o600)); {
	case err == nil:
		p.ours = true
	case !errors.Is(err, unix.EEXIST):
		return pipe{fd: -1}, fmt.Errorf("cannot make it: %w; does its directory exist?", err)
	}
	if err := p.open(o.Path, id.UID, id.GID); err != nil {
		p.remove(o.Path)
		p.close()
		return pipe{fd: -1}, err
	}
	return p, nil
}

func (p *pipe) open(path string, uid, gid uint32) (err error) {
	// Opening a device can do things; so look before.
	if err := isFIFO(path); err != nil {
		return err
	}
	p.fd, err = unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open it: %w", err)
	}
	return p.claim(uid, gid)
}

// isFIFO says what stands in the way of a FIFO.
func isFIFO(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("it is a symbolic link; name the FIFO itself")
	case info.Mode()&fs.ModeNamedPipe == 0:
		return errors.New("it is no FIFO; remove it or name another path")
	}
	return nil
}

// claim checks the owner of what was opened, and hands over what we made.
func (p *pipe) claim(uid, gid uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(p.fd, &st); err != nil {
		return err
	}
	p.dev, p.ino = st.Dev, st.Ino
	own := uint32(os.Geteuid())
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFIFO:
		return errors.New("it is no FIFO any more; remove it or name another path")
	case st.Uid != own && st.Uid != uid:
		return fmt.Errorf("it belongs to uid %d; chown it to uid %d or remove it", st.Uid, uid)
	case p.ours && (st.Uid != uid || st.Gid != gid):
		if err := unix.Fchown(p.fd, int(uid), int(gid)); err != nil {
			return fmt.Errorf("cannot give it to uid %d and gid %d: %w", uid, gid, err)
		}
	}
	return nil
}

// stands says whether path still leads to the pipe.
func (p *pipe) stands(path string) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil && st.Dev == p.dev && st.Ino == p.ino
}

// write writes what there is room for, and EAGAIN says that it was not all. Text
// of up to PIPE_BUF bytes goes as a whole or not at all (pipe(7)).
func (p *pipe) write(text string) (n int, err error) {
	for n < len(text) {
		m, err := unix.Write(p.fd, []byte(text[n:]))
		switch {
		case err == nil:
			n += m
		case !errors.Is(err, unix.EINTR):
			return n, err
		}
	}
	return n, nil
}

// remove removes a FIFO we made, unless something else stands there by now.
func (p *pipe) remove(path string) {
	if p.fd >= 0 && p.ours && p.stands(path) {
		os.Remove(path)
	}
}

func (p *pipe) close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
	}
	p.fd = -1
}

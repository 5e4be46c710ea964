package watch

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// procfs reads what proc(5) says of processes, into buffers it keeps.
type procfs struct {
	root    string // /proc
	stat    [512]byte
	cmdline []byte
}

// look reads the name of a process, and as many bytes of its command line as
// asked for. A process that is gone, or a zombie, is not alive. The slices are
// good until the next look.
func (p *procfs) look(pid int32, longest int) (comm, cmdline []byte, alive bool) {
	dir := p.root + "/" + strconv.Itoa(int(pid))
	n, err := readInto(p.stat[:], dir+"/stat")
	if err != nil {
		return nil, nil, false
	}
	comm, alive = parseStat(p.stat[:n])
	if !alive || longest == 0 {
		return comm, nil, alive
	}
	if len(p.cmdline) < longest {
		p.cmdline = make([]byte, longest)
	}
	n, _ = readInto(p.cmdline[:longest], dir+"/cmdline") // gone by now, or a kernel thread: no command line
	return comm, p.cmdline[:n], true
}

// parseStat is the name in a line of /proc/PID/stat, and whether the process
// lives. The name stands in parentheses, and may have some itself.
func parseStat(b []byte) (comm []byte, alive bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || len(b) < end+3 {
		return nil, false
	}
	switch b[end+2] {
	case 'Z', 'X', 'x':
		return nil, false
	}
	return b[open+1 : end], true
}

// readInto reads the beginning of a file, as much as there is room.
func readInto(b []byte, path string) (n int, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	for n < len(b) {
		got, err := unix.Read(fd, b[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || got == 0 {
			return n, err
		}
		n += got
	}
	return n, nil
}

// each names every process there is.
func (p *procfs) each(do func(pid int32)) error {
	dir, err := os.Open(p.root)
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			if pid, err := strconv.ParseInt(name, 10, 32); err == nil {
				do(int32(pid))
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

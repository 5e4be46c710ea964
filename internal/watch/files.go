// Package watch follows what VRRP instances track on this machine: numbers in
// files.
package watch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// maxNumber is how many bytes of a tracked file are read, as in keepalived.
const maxNumber = 127

// changes are the inotify(7) events after which a file's number may differ. A
// writer's number counts once it has closed the file: half a number would not
// be noticed as such.
const changes = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_ONLYDIR

// File is a tracked file.
type File struct {
	Name string
	Path string // absolute
}

// Files knows the numbers in tracked files. Those that were read wait to be
// taken; of one that changed twice the taker sees the newer.
type Files struct {
	log     func(format string, args ...any)
	ready   chan struct{}
	inotify *os.File
	fd      int // of inotify; File.Fd would make it block

	mu     sync.Mutex
	files  map[string][]string // names by path
	dirs   map[string]int      // watch by directory
	byID   map[int]string      // directory by watch
	values map[string]int      // by path; what was read last
	news   map[string]int      // by name; what was not taken yet
}

// NewFiles watches nothing yet.
func NewFiles(log func(format string, args ...any)) (*Files, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	f := &Files{
		log: log, ready: make(chan struct{}, 1), inotify: os.NewFile(uintptr(fd), "inotify"), fd: fd,
		files: map[string][]string{}, dirs: map[string]int{}, byID: map[int]string{}, values: map[string]int{}, news: map[string]int{},
	}
	go f.follow()
	return f, nil
}

// Ready is readable while there are numbers to take.
func (f *Files) Ready() <-chan struct{} { return f.ready }

// Take is the numbers that were read since the last Take, by the files' names.
func (f *Files) Take() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	news := f.news
	f.news = map[string]int{}
	return news
}

// Set replaces the files that are tracked and reads each.
func (f *Files) Set(files []File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files = map[string][]string{}
	clear(f.news)
	dirs := map[string]bool{}
	for _, file := range files {
		path := resolve(file.Path)
		f.files[path] = append(f.files[path], file.Name)
		dirs[filepath.Dir(path)] = true
	}
	f.watch(dirs)
	for path := range f.files {
		f.read(path)
	}
}

// resolve follows the symbolic links of a file's directory, once.
func resolve(path string) string {
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// watch watches these directories and no others.
func (f *Files) watch(dirs map[string]bool) {
	for dir, id := range f.dirs {
		if !dirs[dir] {
			_, _ = unix.InotifyRmWatch(f.fd, uint32(id))
			delete(f.dirs, dir)
			delete(f.byID, id)
		}
	}
	for dir := range dirs {
		if _, watched := f.dirs[dir]; watched {
			continue
		}
		id, err := unix.InotifyAddWatch(f.fd, dir, changes)
		if err != nil {
			f.log("cannot watch directory %s: %v; the tracked files in it keep the numbers they have now", dir, err)
			continue
		}
		f.dirs[dir], f.byID[id] = id, dir
	}
}

// read reads the number in a file. A missing or empty file says 0; a text
// that is no number keeps the last one.
func (f *Files) read(path string) {
	value, err := number(path)
	if err != nil {
		f.log("tracked file %s: %v; it counts as %d", path, err, f.values[path])
		value = f.values[path]
	}
	f.values[path] = value
	for _, name := range f.files[path] {
		f.news[name] = value
	}
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// number is the number in a file, in the notation of C: decimal, 0x or 0.
func number(path string) (int, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxNumber))
	if err != nil {
		return 0, err
	}
	text, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n"))
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(text), 0, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no number of 32 bits", text)
	}
	return int(n), nil
}

// follow reads events until the watcher is closed.
func (f *Files) follow() {
	buf := make([]byte, 64*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for {
		n, err := f.inotify.Read(buf)
		if err != nil {
			return
		}
		f.hear(buf[:n])
	}
}

// hear reads anew the files that events speak of; all of them if the kernel
// lost some.
func (f *Files) hear(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(b) >= unix.SizeofInotifyEvent {
		id := int(int32(binary.NativeEndian.Uint32(b)))
		mask := binary.NativeEndian.Uint32(b[4:])
		size := int(binary.NativeEndian.Uint32(b[12:]))
		name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+size], "\x00"))
		b = b[unix.SizeofInotifyEvent+size:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			for path := range f.files {
				f.read(path)
			}
			continue
		}
		path := filepath.Join(f.byID[id], name)
		if _, tracked := f.files[path]; tracked {
			f.read(path)
		}
	}
}

// Close ends the watcher.
func (f *Files) Close() { f.inotify.Close() }

// Init makes a tracked file that says value, as init_file asks for. One that is
// there is left alone unless it is to be overwritten.
func Init(path string, value int32, overwrite bool) error {
	flags := os.O_WRONLY | os.O_CREATE | unix.O_NOFOLLOW
	if overwrite {
		flags |= os.O_TRUNC
	} else {
		flags |= os.O_EXCL
	}
	file, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("init_file: %w", err)
	}
	_, err = fmt.Fprintf(file, "%d\n", value)
	return errors.Join(err, file.Close())
}

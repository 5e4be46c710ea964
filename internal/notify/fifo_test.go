package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/confparse"
)

// logged collects messages.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) log(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// until waits for a condition, for ten seconds at most.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within ten seconds", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func (l *logged) await(t *testing.T, text string) {
	t.Helper()
	until(t, "message "+text, func() bool { return strings.Contains(l.text(), text) })
}

// reader is the other end of a FIFO.
type reader struct{ fd int }

func openReader(t *testing.T, path string) *reader {
	t.Helper()
	r := &reader{fd: -1}
	until(t, "opening "+path, func() bool {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			r.fd = fd
		}
		return err == nil
	})
	t.Cleanup(r.close)
	return r
}

func (r *reader) close() {
	if r.fd >= 0 {
		unix.Close(r.fd)
		r.fd = -1
	}
}

// until reads up to and including the given end.
func (r *reader) until(t *testing.T, end string) string {
	t.Helper()
	var got []byte
	buf := make([]byte, 4096)
	until(t, fmt.Sprintf("reading %q", end), func() bool {
		n, err := unix.Read(r.fd, buf)
		if err == nil {
			got = append(got, buf[:n]...)
		}
		return bytes.HasSuffix(got, []byte(end))
	})
	return string(got)
}

// current owns what it makes: "" would mean the user for scripts.
var current = fmt.Sprint(os.Geteuid())

func newTestFIFO(t *testing.T, path string) (*FIFO, *logged) {
	t.Helper()
	l := &logged{}
	f := NewFIFO(FIFOOptions{Path: path, User: current}, nil, l.log)
	t.Cleanup(func() { f.Close(context.Background()) })
	return f, l
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestFIFONeedsNoReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	f, l := newTestFIFO(t, path)
	f.Write("one\n")
	until(t, "the FIFO", func() bool { return exists(path) })
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeNamedPipe|0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	f.Write("two\n")
	if got := openReader(t, path).until(t, "two\n"); got != "one\ntwo\n" {
		t.Errorf("read %q", got)
	}
	f.Close(context.Background())
	if exists(path) {
		t.Error("the FIFO made at the start stands after the end")
	}
	if got := l.text(); got != "" {
		t.Errorf("logged %q", got)
	}
}

func TestFIFOThatStoodBeforeIsLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o620); err != nil {
		t.Fatal(err)
	}
	f, _ := newTestFIFO(t, path)
	r := openReader(t, path)
	f.Write("one\n")
	r.until(t, "one\n")
	f.Close(context.Background())
	if !exists(path) {
		t.Error("removed a FIFO of another")
	}
}

// A slow reader gets everything in order as long as the backlog holds.
func TestFIFOSlowReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	f, l := newTestFIFO(t, path)
	const lines = 6000 // 150 kB: more than a pipe, less than the backlog
	var want strings.Builder
	for i := range lines {
		line := fmt.Sprintf("INSTANCE \"VI_%05d\" MASTER\n", i)
		want.WriteString(line)
		f.Write(line)
	}
	if got := openReader(t, path).until(t, fmt.Sprintf("%05d\" MASTER\n", lines-1)); got != want.String() {
		t.Errorf("read %d bytes, want %d in order", len(got), want.Len())
	}
	if got := l.text(); got != "" {
		t.Errorf("logged %q", got)
	}
}

// Without a reader the oldest of the waiting lines are lost, and told.
func TestFIFOCountsWhatItLoses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	f, l := newTestFIFO(t, path)
	const lines = 20000
	start := time.Now()
	for i := range lines {
		f.Write(fmt.Sprintf("line number %012d\n", i))
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("writing without a reader took %v", d)
	}
	l.await(t, "lines lost")
	r := openReader(t, path)
	got := strings.SplitAfter(r.until(t, fmt.Sprintf("%012d\n", lines-1)), "\n")
	got = got[:len(got)-1]
	f.Close(context.Background())
	lost := 0
	for _, line := range strings.Split(l.text(), "\n") {
		var n int
		if _, err := fmt.Sscanf(line, "FIFO "+path+": %d lines lost", &n); err == nil {
			lost += n
		}
	}
	if len(got)+lost != lines {
		t.Errorf("read %d lines and told of %d lost ones, of %d", len(got), lost, lines)
	}
	for i := 1; i < len(got); i++ {
		if len(got[i]) != len(got[0]) || got[i] <= got[i-1] {
			t.Fatalf("%q after %q", got[i], got[i-1])
		}
	}
}

// A line longer than PIPE_BUF goes in parts, with nothing between them.
func TestFIFOLongLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	f, _ := newTestFIFO(t, path)
	var want strings.Builder
	for i := range 10 {
		line := strings.Repeat(string(rune('a'+i)), 10000) + "\n"
		want.WriteString(line)
		f.Write(line)
	}
	if got := openReader(t, path).until(t, "jjj\n"); got != want.String() {
		t.Errorf("read %d bytes, not the %d written", len(got), want.Len())
	}
}

func TestFIFOReaderGoesAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	f, l := newTestFIFO(t, path)
	f.Write("one\n")
	r := openReader(t, path)
	r.until(t, "one\n")
	r.close()
	f.Write("two\n")
	if got := openReader(t, path).until(t, "two\n"); got != "two\n" {
		t.Errorf("read %q", got)
	}
	if got := l.text(); got != "" {
		t.Errorf("logged %q", got)
	}
}

func TestFIFOInTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"file": {func(p string) error { return os.WriteFile(p, []byte("keep"), 0o600) }, "it is no FIFO"},
		"link": {func(p string) error {
			return errors.Join(unix.Mkfifo(p+".target", 0o600), os.Symlink(p+".target", p))
		}, "symbolic link"},
		"dangling link": {func(p string) error { return os.Symlink(p+".nowhere", p) }, "symbolic link"},
		"no directory":  {func(p string) error { return os.Remove(filepath.Dir(p)) }, "does its directory exist"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dir", "fifo")
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), c.make(path)); err != nil {
				t.Fatal(err)
			}
			f, l := newTestFIFO(t, path)
			f.Write("one\n")
			l.await(t, c.want)
			f.Write("two\n")

			// Once the obstacle is gone, the lines come.
			if err := errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Dir(path), 0o700)); err != nil {
				t.Fatal(err)
			}
			if got := openReader(t, path).until(t, "two\n"); got != "one\ntwo\n" {
				t.Errorf("read %q", got)
			}
			if n := strings.Count(l.text(), c.want); n != 1 {
				t.Errorf("told %d times: %s", n, l.text())
			}
		})
	}
}

func TestFIFOOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives a FIFO to another user")
	}
	dir := t.TempDir()
	for i, c := range []struct {
		owner int
		user  string
		want  string // in the log
	}{
		{65534, "0", "it belongs to uid 65534; chown it to uid 0 or remove it"},
		{65534, "nobody", ""},
		{0, "nobody", ""},
	} {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := errors.Join(unix.Mkfifo(path, 0o600), os.Chown(path, c.owner, 0)); err != nil {
			t.Fatal(err)
		}
		l := &logged{}
		f := NewFIFO(FIFOOptions{Path: path, User: c.user}, nil, l.log)
		f.Write("one\n")
		if c.want != "" {
			l.await(t, c.want)
		} else {
			openReader(t, path).until(t, "one\n")
		}
		f.Close(context.Background())
	}
}

func TestFIFOIsGivenToItsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives a FIFO to another user")
	}
	path := filepath.Join(t.TempDir(), "fifo")
	l := &logged{}
	f := NewFIFO(FIFOOptions{Path: path, User: "nobody", Group: "daemon"}, nil, l.log)
	defer f.Close(context.Background())
	until(t, "the owner", func() bool {
		var st unix.Stat_t
		return unix.Lstat(path, &st) == nil && st.Uid == 65534 && st.Gid == 1
	})
}

func TestFIFORemovedByAnotherHand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	f, l := newTestFIFO(t, path)
	f.Write("one\n")
	openReader(t, path).until(t, "one\n")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.Write("two\n")
	if got := openReader(t, path).until(t, "two\n"); got != "two\n" {
		t.Errorf("read %q", got)
	}
	l.await(t, "was removed or replaced")

	// What another put there is not ours to remove.
	if err := errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	f.Close(context.Background())
	if !exists(path) {
		t.Error("removed a FIFO of another")
	}
}

// A line that a lost pipe got a part of goes to the next one as a whole.
func TestFIFORemovedAmidALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	f, l := newTestFIFO(t, path)
	lines := []string{strings.Repeat("a", 60000) + "\n", strings.Repeat("b", 60000) + "\n"}
	f.Write(lines[0])
	f.Write(lines[1])
	old := openReader(t, path)
	until(t, "a full pipe", func() bool {
		n, err := unix.IoctlGetInt(old.fd, unix.TIOCINQ)
		return err == nil && n > len(lines[0])
	})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.await(t, "was removed or replaced")
	if got := openReader(t, path).until(t, "b\n"); got != lines[1] {
		t.Errorf("read %d bytes, from %.5q", len(got), got)
	}
}

// A FIFO that follows another at its path waits until that one has gone.
func TestFIFOFollowsAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	full, told := newTestFIFO(t, path)
	full.Write(strings.Repeat("x", 100000) + "\n") // takes its farewell to give up
	r := openReader(t, path)
	size, err := unix.FcntlInt(uintptr(r.fd), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "a full pipe", func() bool {
		n, err := unix.IoctlGetInt(r.fd, unix.TIOCINQ)
		return err == nil && n == size
	})
	go full.Close(context.Background())
	l := &logged{}
	f := NewFIFO(FIFOOptions{Path: path, User: current}, nil, l.log, full)
	f.Write("one\n")
	until(t, "its line", func() bool { return isEmpty(f) })
	if got := openReader(t, path).until(t, "\n"); got != "one\n" {
		t.Errorf("read %.9q", got)
	}
	f.Close(context.Background())
	if got := l.text(); got != "" {
		t.Errorf("logged %q", got)
	}
	told.await(t, "1 lines lost")
}

func isEmpty(f *FIFO) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.backlog) == 0
}

func TestFIFOScript(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	l := &logged{}
	started := make(chan []string, 2)
	run := func(ctx context.Context, c confparse.Command) error {
		started <- c.Args
		<-ctx.Done()
		return errors.New("killed")
	}
	script := command("/reader", "word")
	f := NewFIFO(FIFOOptions{Path: path, User: current, Script: script}, run, l.log)
	if got := <-started; strings.Join(got, " ") != "/reader word "+path {
		t.Errorf("started %q", got)
	}
	os.Remove(path)
	f.Write("one\n")
	l.await(t, "was removed")
	f.Close(context.Background())
	select {
	case <-started:
		t.Error("started twice")
	default:
	}
	if len(script.Args) != 2 || strings.Contains(l.text(), "ended") {
		t.Errorf("the command became %q; logged %q", script.Args, l.text())
	}
}

func TestFIFOScriptThatEnds(t *testing.T) {
	l := &logged{}
	run := func(context.Context, confparse.Command) error { return errors.New("exited with status 3") }
	f := NewFIFO(FIFOOptions{Path: filepath.Join(t.TempDir(), "fifo"), User: current, Script: command("/reader")}, run, l.log)
	defer f.Close(context.Background())
	l.await(t, "ended: exited with status 3; it is not started again")
}

// A script that hears SIGTERM still gets the lines that follow.
func TestFIFOTerminate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	l := &logged{}
	got := make(chan string, 1)
	run := func(ctx context.Context, c confparse.Command) error {
		<-ctx.Done()
		got <- openReader(t, path).until(t, "STOP\n")
		return nil
	}
	f := NewFIFO(FIFOOptions{Path: path, User: current, Script: command("/reader")}, run, l.log)
	f.Write("MASTER\n")
	f.Terminate()
	f.Write("STOP\n")
	if s := <-got; s != "MASTER\nSTOP\n" {
		t.Errorf("the script read %q", s)
	}
	f.Close(context.Background())
}

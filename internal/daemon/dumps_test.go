package daemon

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"keepgo/confparse"
)

// TestDumpWakesBothKindsOfWaiters: some programs wait until the name appears,
// others until a writer has closed it.
func TestDumpWakesBothKindsOfWaiters(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO|unix.IN_CLOSE_WRITE); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "keepalived.json")
	if err := writeSafe(path, []byte("[]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	if err != nil {
		t.Fatal(err)
	}
	seen := uint32(0)
	for at := 0; at < n; {
		ev := (*unix.InotifyEvent)(unsafe.Pointer(&buf[at]))
		name := unix.ByteSliceToString(buf[at+unix.SizeofInotifyEvent : at+unix.SizeofInotifyEvent+int(ev.Len)])
		if name == "keepalived.json" {
			seen |= ev.Mask
		}
		at += unix.SizeofInotifyEvent + int(ev.Len)
	}
	if seen&unix.IN_MOVED_TO == 0 || seen&unix.IN_CLOSE_WRITE == 0 {
		t.Errorf("events %x on the name", seen)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", fi, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDumpRefusesASymlink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "passwd")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "keepalived.data")
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if err := writeSafe(path, []byte("x"), 0o600); err == nil {
		t.Error("a symbolic link was no obstacle")
	}
	if b, _ := os.ReadFile(target); string(b) != "precious" {
		t.Errorf("its target holds %q", b)
	}
	if fi, err := os.Lstat(path); err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link is gone")
	}
}

func TestDataFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for _, c := range []struct {
		g       confparse.Global
		process string
		want    string
	}{
		{confparse.Global{}, "", dir + "/keepalived.data"},
		{confparse.Global{}, "check", dir + "/keepalived_check.data"},
		{confparse.Global{DataUseInstance: true}, "check", dir + "/keepalived_check_ns_one.data"},
		{confparse.Global{StateDumpFile: "/var/x/"}, "parent", "/var/x/keepalived_parent.data"},
		{confparse.Global{StateDumpFile: "/var/x/state.txt"}, "parent", "/var/x/state_parent.txt"},
		{confparse.Global{StateDumpFile: "state.txt"}, "", dir + "/state.txt"},
	} {
		p := &parent{cfg: &confparse.Config{Global: c.g}, scope: scope{"ns", "one"}}
		if got := p.dataFile(c.process); got != c.want {
			t.Errorf("%+v: %s, want %s", c, got, c.want)
		}
	}
	t.Setenv("TMPDIR", "relative")
	if got := TempFile("x"); got != "/tmp/x" {
		t.Errorf("with a relative TMPDIR: %s", got)
	}
}

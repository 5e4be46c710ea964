package script

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/checker"
)

// as is a command under this process's own identity.
func as(args ...string) checker.Command {
	return checker.Command{Args: args, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

// file writes an executable shell script and returns its path.
func file(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunTellsHowItEnded(t *testing.T) {
	tests := []struct {
		name string
		cmd  checker.Command
		want string
		exit bool
	}{
		{"success", as("true"), "exited with status 0", true},
		{"status", as("sh", "-c", "exit 7"), "exited with status 7", true},
		{"signal", as("sh", "-c", "kill -9 $$"), "killed by signal 9 (killed)", false},
		{"missing file", as("/no/such/file", "x"), "cannot run /no/such/file x: no such file or directory", false},
		{"not in PATH", as("no-such-program"), "cannot run no-such-program: executable file not found in $PATH", false},
		{"no program", as(os.TempDir()), "cannot run " + os.TempDir() + ": permission denied", false},
		{"nothing", as(), "cannot run : no command given", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := Run(t.Context(), tt.cmd, time.Minute)
			if out.String() != tt.want || out.Exited() != tt.exit {
				t.Errorf("got %q (exited %v), want %q", out, out.Exited(), tt.want)
			}
		})
	}
}

func TestRunIsNoSuccessWithoutIdentity(t *testing.T) {
	cmd := as("true")
	if os.Geteuid() == 0 {
		cmd.UID = 1<<32 - 1 // EINVAL even for root, setuid(2)
	} else {
		cmd.UID++ // EPERM
	}
	if out := Run(t.Context(), cmd, time.Minute); out.Err == nil || out.Exited() {
		t.Errorf("ran under a user it cannot have: %v", out)
	}
}

func TestRunDropsIdentity(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: changes identity")
	}
	dir, err := os.MkdirTemp("", "ids")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o777)
	path := filepath.Join(dir, "ids")
	cmd := checker.Command{Args: []string{"sh", "-c", `echo "$(id -u) $(id -g) $(id -G)" > ` + path}, UID: 65534, GID: 65533}
	if out := Run(t.Context(), cmd, time.Minute); !out.Exited() || out.Status != 0 {
		t.Fatal(out)
	}
	got, _ := os.ReadFile(path)
	if string(got) != "65534 65533 65533\n" {
		t.Errorf("ran as %q", got)
	}
}

// children reads "PID PID" that a script wrote to path.
func children(t *testing.T, path string) []int {
	t.Helper()
	var pids []int
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// gone waits until pid has ended (a zombie that waits for init counts as ended).
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Errorf("process %d lives on", pid)
}

func TestTimeoutEndsTheGroup(t *testing.T) {
	for _, tt := range []struct{ name, trap string }{{"obedient", ""}, {"stubborn", "trap '' TERM\n"}} {
		t.Run(tt.name, func(t *testing.T) {
			pids := filepath.Join(t.TempDir(), "pids")
			path := file(t, tt.trap+"sleep 60 & echo $$ $! > "+pids+"\nwait\nwait\n")
			out := Run(t.Context(), as(path), 3*time.Second)
			if !out.TimedOut || out.Exited() || out.String() != "ended after its limit of 3s" {
				t.Errorf("got %v, %+v", out, out)
			}
			for _, pid := range children(t, pids) {
				gone(t, pid)
			}
		})
	}
}

func TestCancelEndsTheProgram(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	out := Run(ctx, as("sleep", "60"), 0)
	if !errors.Is(out.Err, context.Canceled) || out.Exited() {
		t.Errorf("got %+v", out)
	}
}

func TestRunLeavesABackgroundChildAlone(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	out := Run(t.Context(), as(file(t, "sleep 60 & echo $! > "+pids)), time.Minute)
	if !out.Exited() || out.Status != 0 {
		t.Fatal(out)
	}
	for _, pid := range children(t, pids) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("child %d: %v", pid, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	got := environment([]string{"A=1", "LD_PRELOAD=x", "IFS= ", "LD_LIBRARY_PATH=/x", "IFSX=2", "B"})
	if s := strings.Join(got, ","); s != "A=1,IFSX=2,B" {
		t.Errorf("kept %s", s)
	}
}

func TestResolve(t *testing.T) {
	tests := []struct {
		user, group string
		uid, gid    uint32
		fault       string
	}{
		{"root", "", 0, 0, ""},
		{"0", "0", 0, 0, ""},
		{"nobody", "root", 65534, 0, ""},
		{"no-such-user", "", 0, 0, "user no-such-user of a script does not exist; create it or name another"},
		{"4000000000", "", 0, 0, "user 4000000000 of a script does not exist; create it or name another"},
		{"root", "no-such-group", 0, 0, "group no-such-group of a script does not exist; create it or name another"},
	}
	for _, tt := range tests {
		id, err := Resolve(tt.user, tt.group)
		if tt.fault != "" {
			if err == nil || err.Error() != tt.fault {
				t.Errorf("%s:%s: got %v, want %q", tt.user, tt.group, err, tt.fault)
			}
		} else if id.UID != tt.uid || id.GID != tt.gid || len(id.Groups) > 0 || err != nil {
			t.Errorf("%s:%s is %+v %v, want %d:%d", tt.user, tt.group, id, err, tt.uid, tt.gid)
		}
	}
}

func TestResolveAllGroups(t *testing.T) {
	for _, group := range []string{":", ":root"} {
		id, err := Resolve("nobody", group)
		if err != nil {
			t.Fatal(err)
		}
		if len(id.Groups) == 0 || id.Groups[0] != 65534 {
			t.Errorf("nobody%s has the groups %v, want nogroup among them", group, id.Groups)
		}
		if want := map[string]uint32{":": 65534, ":root": 0}[group]; id.GID != want {
			t.Errorf("nobody%s has gid %d", group, id.GID)
		}
	}
	if _, err := Resolve("nobody", ":no-such-group"); err == nil {
		t.Error("a group that does not exist is taken")
	}
}

// A file without #! goes to the shell, and a redirection is one of the shell.
func TestRunByTheShell(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("test \"$1\" = x && exit 5\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want int
	}{{[]string{text, "x"}, 5}, {[]string{text, "y"}, 1}, {[]string{"<" + text}, 0}, {[]string{"<", text}, 0}, {[]string{"<" + text + ".not"}, 2}} {
		out := Run(t.Context(), as(tt.args...), time.Minute)
		if !out.Exited() || out.Status != tt.want {
			t.Errorf("%q: %v, want status %d", tt.args, out, tt.want)
		}
	}
}

// What is executed is the file found; the program sees the name configured.
func TestRunThePathFound(t *testing.T) {
	path := file(t, `test "$0" = `+"/by/another/name"+` || exit 3`)
	cmd := as("sh", "-c", "exit 4")
	cmd.Path = path
	if out := Run(t.Context(), cmd, time.Minute); out.Status != 3 {
		t.Errorf("%v: not the file that was found", out)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	os.Symlink(path, link)
	self := Identity{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if got, target, err := Find(link, self); got != link || target != path || err != nil {
		t.Errorf("%s is %s, %s, %v", link, got, target, err)
	}
	if got, _, err := Find("sh", self); !filepath.IsAbs(got) || err != nil {
		t.Errorf("sh is %s, %v", got, err)
	}
	for _, name := range []string{dir, path + ".not", "no-such-program"} {
		if got, _, err := Find(name, self); err == nil {
			t.Errorf("%s is %s", name, got)
		}
	}
	os.Chmod(path, 0o644)
	if _, _, err := Find(path, self); err == nil {
		t.Error("a file that cannot be executed is found")
	}
}

// Whether another user can execute a file is the kernel's answer for that user,
// and this process stays who it is.
func TestFindAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: takes other identities")
	}
	dir, err := os.MkdirTemp("", "find")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	path := filepath.Join(dir, "script")
	os.WriteFile(path, []byte("#!/bin/sh\n"), 0o750)
	os.Chmod(path, 0o750)
	os.Chown(path, 0, 65533)
	for _, tt := range []struct {
		id Identity
		ok bool
	}{
		{Identity{UID: 65534, GID: 65534}, false},
		{Identity{UID: 65534, GID: 65533}, true},
		{Identity{UID: 65534, GID: 65534, Groups: []uint32{65533}}, true},
		{Identity{}, true},
	} {
		if _, _, err := Find(path, tt.id); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.id, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err != nil {
		t.Errorf("this process lost its identity: %v", err)
	}
	os.Chmod(dir, 0o700)
	if _, _, err := Find(path, Identity{UID: 65534, GID: 65533}); err == nil {
		t.Error("a file in a directory of root alone is found")
	}
}

func TestPrivileged(t *testing.T) {
	user := Identity{UID: 65534, GID: 65534}
	if !Privileged("/bin/true", Identity{GID: 65534}) || !Privileged("/bin/true", Identity{UID: 65534}) || Privileged("/bin/true", user) {
		t.Error("who runs as root or in its group is privileged, and nobody else")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a setuid file")
	}
	path := file(t, "")
	os.Chmod(path, 0o755|fs.ModeSetuid)
	if !Privileged(path, user) {
		t.Error("a file with setuid of root is not privileged")
	}
}

func TestSafe(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes files that belong to root and others")
	}
	dir, err := os.MkdirTemp("/var", "safe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	put := func(name string, mode fs.FileMode, uid, gid int) string {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		os.WriteFile(path, nil, 0o755)
		os.Chown(path, uid, gid)
		os.Chmod(path, mode)
		return path
	}
	sticky := put("sticky/script", 0o755, 0, 0)
	os.Chmod(filepath.Dir(sticky), 0o777|fs.ModeSticky)
	open := put("open/script", 0o755, 0, 0)
	os.Chmod(filepath.Dir(open), 0o777)
	link := filepath.Join(dir, "link")
	os.Symlink(open, link)

	tests := []struct{ path, fault string }{
		{put("good", 0o755, 0, 0), ""},
		{put("group-root", 0o775, 0, 0), ""},
		{sticky, ""},
		{put("foreign", 0o755, 65534, 0), "belongs to uid 65534"},
		{put("world", 0o757, 0, 0), "writable by everyone"},
		{put("group", 0o775, 0, 65533), "writable by group 65533"},
		{open, filepath.Dir(open) + " is writable by everyone"},
		{link, filepath.Dir(open) + " is writable by everyone"},
		{filepath.Join(dir, "missing"), "no such file"},
		{"relative", "not an absolute path"},
	}
	for _, tt := range tests {
		err := Safe(tt.path)
		if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: got %v, want %q", tt.path, err, tt.fault)
		}
	}
}

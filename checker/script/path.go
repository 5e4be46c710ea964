package script

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Redirection says that a command is a redirection of the shell, as "</run/ok":
// it succeeds while the file can be opened.
func Redirection(args []string) bool { return len(args) > 0 && strings.HasPrefix(args[0], "<") }

// Find is the file that the command name stands for, looked up in PATH if it has
// no slash, and the file that its symbolic links lead to, which id must be able
// to execute.
func Find(name string, id Identity) (path, target string, err error) {
	if path, err = exec.LookPath(name); err != nil {
		return "", "", plain(err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	if target, err = filepath.EvalSymlinks(path); err != nil {
		return "", "", plain(err)
	}
	if err := executable(target, id); err != nil {
		return "", "", fmt.Errorf("uid %d cannot execute it: %w", id.UID, err)
	}
	return path, target, nil
}

// executable asks the kernel whether id may execute path, on a thread that takes
// the identity for its files and then ends.
func executable(path string, id Identity) error {
	done := make(chan error)
	go func() {
		if os.Geteuid() != 0 || id.UID == 0 {
			done <- unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
			return
		}
		runtime.LockOSThread() // for good: nobody else shall have it
		done <- executableAs(path, id)
	}()
	return <-done
}

// executableAs changes this thread alone; so do these calls of the library.
func executableAs(path string, id Identity) error {
	groups := []int{int(id.GID)}
	for _, g := range id.Groups {
		groups = append(groups, int(g))
	}
	err := errors.Join(unix.Setgroups(groups), unix.Setfsgid(int(id.GID)), unix.Setfsuid(int(id.UID)))
	if err != nil {
		return err
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}

// Safe says why path must not run as root: every directory on the way to it and
// the file itself must belong to root and be writable by nobody else (group
// root apart; directories with the sticky bit may be). Both the path as written
// and the one its symbolic links lead to are looked at. path is absolute.
func Safe(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s: not an absolute path", path)
	}
	path = filepath.Clean(path)
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if err := safeWay(path); err != nil || target == path {
		return err
	}
	return safeWay(target)
}

func safeWay(path string) error {
	for p := path; ; p = filepath.Dir(p) {
		if err := safeNode(p); err != nil {
			return err
		}
		if p == "/" {
			return nil
		}
	}
}

func safeNode(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: owner unknown", path)
	}
	mode := info.Mode()
	exempt := mode&fs.ModeSymlink != 0 || mode.IsDir() && mode&fs.ModeSticky != 0
	switch {
	case st.Uid != 0:
		return fmt.Errorf("%s belongs to uid %d; chown it to root", path, st.Uid)
	case !exempt && mode.Perm()&0o002 != 0:
		return fmt.Errorf("%s is writable by everyone; chmod o-w it", path)
	case !exempt && mode.Perm()&0o020 != 0 && st.Gid != 0:
		return fmt.Errorf("%s is writable by group %d; chmod g-w it", path, st.Gid)
	}
	return nil
}

// Privileged says that a program runs with the rights of root: under id, or
// because the file takes them (setuid, setgid).
func Privileged(path string, id Identity) bool {
	if id.UID == 0 || id.GID == 0 {
		return true
	}
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (info.Mode()&fs.ModeSetuid != 0 && st.Uid == 0 || info.Mode()&fs.ModeSetgid != 0 && st.Gid == 0)
}

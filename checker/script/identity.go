package script

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// DefaultUser runs the scripts that name no user, where it exists.
const DefaultUser = "keepalived_script"

// Identity resolves a user and a group, names or numbers in digits, that must
// exist. An empty user means DefaultUser if there is one, else this process's
// own ids; an empty group means the user's login group.
func Identity(userName, group string) (uid, gid uint32, err error) {
	u, err := lookupUser(userName)
	if err != nil {
		return 0, 0, err
	}
	uid, gid = u.uid, u.gid
	if group != "" {
		gid, err = lookupGroup(group)
	}
	return uid, gid, err
}

type ids struct{ uid, gid uint32 }

func lookupUser(name string) (ids, error) {
	if name == "" {
		if u, err := user.Lookup(DefaultUser); err == nil {
			return parseIDs(u)
		}
		return ids{uint32(os.Geteuid()), uint32(os.Getegid())}, nil
	}
	u, err := user.Lookup(name)
	if err != nil && digits(name) {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return ids{}, fmt.Errorf("user %s of a script does not exist; create it or name another", name)
	}
	return parseIDs(u)
}

func parseIDs(u *user.User) (ids, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return ids{uint32(uid), uint32(gid)}, errors.Join(err, err2)
}

func lookupGroup(name string) (uint32, error) {
	g, err := user.LookupGroup(name)
	if err != nil && digits(name) {
		g, err = user.LookupGroupId(name)
	}
	if err != nil {
		return 0, fmt.Errorf("group %s of a script does not exist; create it or name another", name)
	}
	gid, err := strconv.ParseUint(g.Gid, 10, 32)
	return uint32(gid), err
}

func digits(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
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

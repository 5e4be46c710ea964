package script

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// DefaultUser runs the scripts that name no user, where it exists.
const DefaultUser = "keepalived_script"

// Identity is who a program runs as.
type Identity struct {
	UID, GID uint32
	Groups   []uint32 // supplementary; none drops those of this process
}

// Resolve finds a user and a group, names or numbers in digits, that must exist.
// An empty user means DefaultUser if there is one, else this process's own ids;
// an empty group means the user's login group. A colon in front of the group, or
// alone, adds all groups that the user is a member of (keepalived.conf(5),
// script_user).
func Resolve(userName, group string) (Identity, error) {
	group, all := strings.CutPrefix(group, ":")
	u, err := lookupUser(userName)
	if err != nil {
		return Identity{}, err
	}
	if u == nil {
		return Identity{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}, nil
	}
	id, err := identity(u)
	if err == nil && all {
		id.Groups, err = groups(u)
	}
	if err == nil && group != "" {
		id.GID, err = lookupGroup(group)
	}
	return id, err
}

// lookupUser finds a user; nil means this process's own.
func lookupUser(name string) (*user.User, error) {
	if name == "" {
		u, _ := user.Lookup(DefaultUser)
		return u, nil
	}
	u, err := user.Lookup(name)
	if err != nil && digits(name) {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return nil, fmt.Errorf("user %s of a script does not exist; create it or name another", name)
	}
	return u, nil
}

func identity(u *user.User) (Identity, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return Identity{UID: uint32(uid), GID: uint32(gid)}, errors.Join(err, err2)
}

// groups are all that a user is a member of.
func groups(u *user.User) ([]uint32, error) {
	names, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of user %s: %w", u.Username, err)
	}
	gids := make([]uint32, 0, len(names))
	for _, name := range names {
		gid, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("groups of user %s: %w", u.Username, err)
		}
		gids = append(gids, uint32(gid))
	}
	return gids, nil
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

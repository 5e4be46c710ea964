package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"

	"keepgo/checker/script"
	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// host answers confparse about this machine.
type host struct{}

// Links are the network interfaces. Without an answer there are none, and every
// name is reported.
func (host) Links() []string {
	var names []string
	links, _ := net.Interfaces()
	for _, l := range links {
		names = append(names, l.Name)
	}
	return names
}

// Executable looks a program up as the daemon does.
func (host) Executable(path string) error {
	_, err := exec.LookPath(path)
	if errors.Is(err, exec.ErrNotFound) {
		return fs.ErrNotExist
	}
	return err
}

func (host) HasUser(name string) bool {
	if _, err := strconv.ParseUint(name, 10, 32); err == nil {
		_, err := user.LookupId(name)
		return err == nil
	}
	_, err := user.Lookup(name)
	return err == nil
}

func (host) HasGroup(name string) bool {
	if _, err := strconv.ParseUint(name, 10, 32); err == nil {
		_, err := user.LookupGroupId(name)
		return err == nil
	}
	_, err := user.LookupGroup(name)
	return err == nil
}

// HasNamespace looks where ip-netns(8) keeps the names.
func (host) HasNamespace(name string) bool {
	_, err := os.Stat(filepath.Join("/run/netns", filepath.Base(name)))
	return err == nil
}

// unsafeScripts finds programs that would run as root although others can
// change them: an error with enable_script_security, which disables them.
func unsafeScripts(cfg *confparse.Config) syntax.ErrorList {
	var list syntax.ErrorList
	id, err := script.Resolve(cfg.Global.ScriptUser, cfg.Global.ScriptGroup)
	if err == nil && id.UID != 0 && id.GID != 0 {
		return nil
	}
	for _, m := range cfg.Mentions {
		if m.Kind != confparse.MentionProgram {
			continue
		}
		path, err := exec.LookPath(m.Name)
		if err != nil || !filepath.IsAbs(path) {
			continue
		}
		if err := script.Safe(path); err != nil {
			e := &syntax.Error{Pos: m.Pos, Len: len(m.Name), Path: m.Path, Severity: syntax.Warning, Err: err,
				Hint: "whoever can change it can do so as the user it runs as"}
			if cfg.Global.ScriptSecurity {
				e.Severity, e.Hint = syntax.Failure, "enable_script_security disables it for root"
			}
			list = append(list, e)
		}
	}
	return list
}

package vip

import (
	"io/fs"
	"maps"
	"path"
	"strings"
)

// Names are the host's names for numbers, as iproute2 keeps them, and the IP
// protocols of protocols(5).
type Names struct {
	Tables, Protocols, Scopes, Realms, DSFields, Groups, IPProtocols map[string]uint32
}

// NameDirs are the directories that ReadNames looks through, in a file system
// whose root is the host's: that of the administrator first (iproute_etc_dir),
// then that of the distribution (iproute_usr_dir). "" is iproute2's own.
func NameDirs(etc, usr string) []string {
	dirs := []string{"etc/iproute2"}
	if etc != "" {
		dirs[0] = path.Clean(strings.TrimLeft(etc, "/"))
	}
	if usr == "" {
		return append(dirs, "usr/share/iproute2", "usr/lib/iproute2")
	}
	return append(dirs, path.Clean(strings.TrimLeft(usr, "/")))
}

// Group is the number of a link group; ok is false for what is neither a name
// of the host nor a number.
func (n Names) Group(w string) (group uint32, ok bool) {
	if v, known := n.Groups[w]; known {
		return v, true
	}
	v, ok := parseNumber(w)
	return uint32(v), ok && v <= 1<<32-1
}

// ReadNames reads the names from the files of iproute2 under dirs: of each file
// the first that is there, then what stands in its .d directories. What cannot
// be read is as good as absent: the names every host knows remain.
func ReadNames(fsys fs.FS, dirs ...string) Names {
	n := Names{
		Tables: map[string]uint32{"default": 253, "main": 254, "local": 255, "unspec": 0},
		Protocols: map[string]uint32{"unspec": 0, "redirect": 1, "kernel": 2, "boot": 3, "static": 4, "gated": 8, "ra": 9, "mrt": 10,
			"zebra": 11, "bird": 12, "dnrouted": 13, "xorp": 14, "ntk": 15, "dhcp": 16, "keepalived": 18, "babel": 42,
			"bgp": 186, "isis": 187, "ospf": 188, "rip": 189, "eigrp": 192},
		Scopes:      map[string]uint32{"global": scopeUniverse, "universe": scopeUniverse, "nowhere": 255, "host": scopeHost, "link": scopeLink, "site": 200},
		Realms:      map[string]uint32{"cosmos": 0},
		DSFields:    map[string]uint32{"default": 0},
		Groups:      map[string]uint32{"default": 0},
		IPProtocols: map[string]uint32{"ip": 0, "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "dccp": 33, "ipv6-icmp": 58, "sctp": 132, "udplite": 136},
	}
	for file, table := range map[string]map[string]uint32{
		"rt_tables": n.Tables, "rt_protos": n.Protocols, "rt_scopes": n.Scopes,
		"rt_realms": n.Realms, "rt_dsfield": n.DSFields, "group": n.Groups,
	} {
		readNames(fsys, dirs, file, table)
	}
	readProtocols(fsys, n.IPProtocols)
	return n
}

// readNames reads one file and its .d directories; a file of a later directory
// does not count where an earlier one has it too, as ip(8) does it.
func readNames(fsys fs.FS, dirs []string, file string, to map[string]uint32) {
	for _, dir := range dirs {
		if text, err := fs.ReadFile(fsys, path.Join(dir, file)); err == nil {
			addNames(to, string(text))
			break
		}
	}
	seen := make(map[string]bool)
	for _, dir := range dirs {
		files, err := fs.Glob(fsys, path.Join(dir, file+".d", "*.conf"))
		if err != nil {
			continue
		}
		for _, name := range files {
			if text, err := fs.ReadFile(fsys, name); err == nil && !seen[path.Base(name)] {
				seen[path.Base(name)] = true
				addNames(to, string(text))
			}
		}
	}
}

// addNames reads lines of a number and a name.
func addNames(to map[string]uint32, text string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) == 2 {
			if v, ok := parseNumber(f[0]); ok && v <= 1<<32-1 {
				to[f[1]] = uint32(v)
			}
		}
	}
}

// readProtocols reads protocols(5): a name, a number, and other names.
func readProtocols(fsys fs.FS, to map[string]uint32) {
	text, err := fs.ReadFile(fsys, "etc/protocols")
	if err != nil {
		return
	}
	more := make(map[string]uint32)
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if v, ok := parseNumber(f[1]); ok && v <= 255 {
			more[f[0]] = uint32(v)
			for _, alias := range f[2:] {
				more[alias] = uint32(v)
			}
		}
	}
	maps.Copy(to, more)
}

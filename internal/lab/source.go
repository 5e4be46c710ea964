package lab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// source is what is rehearsed: one director's file, from which the other's is
// derived, or both.
type source struct {
	*confparse.Config
	name   string // as the user gave it
	path   string
	tree   *syntax.Tree
	faults int
	pages  map[pageID]*page // what real servers answer, by url block
	// missing are addresses that the file takes for granted, and that the lab
	// gives to the master of the first instance.
	missing []more
	own     *confparse.Instance // the lab's, where the file has none; else nil
	other   *source             // nil where it is derived
	net     *network
	plane   string // what balances, "" where the files say
}

// faulty tells that a file has errors, as an insertion into a sentence.
func (s *source) faulty() string {
	if s.faults == 0 {
		return ""
	}
	return fmt.Sprintf(", which has %d errors (see keepgo check %s)", s.faults, s.name)
}

// paired says whether both files are the user's.
func (s *source) paired() bool { return s.other != nil }

// load reads a file as the daemon does, which goes on past what it does not
// understand.
func load(o Options, file string) (*source, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	if o.ConfigID == "" {
		host, _ := os.Hostname()
		o.ConfigID, _, _ = strings.Cut(host, ".")
	}
	env := syntax.Env{ConfigID: o.ConfigID, Getenv: os.Getenv}
	root := os.DirFS("/")
	cfg, found := confparse.Load(root, path, env)
	tree, _ := syntax.Parse(root, path, env)
	return &source{Config: cfg, name: file, path: path, tree: tree, pages: pagesOf(cfg), faults: found.Count(syntax.Failure)}, nil
}

// loadPair reads the file, and that of the other director where it is given.
func loadPair(o Options) (*source, error) {
	s, err := load(o, o.File)
	if err == nil && o.Other != "" {
		s.other, err = load(o, o.Other)
	}
	if err == nil {
		s.adopt()
	}
	return s, err
}

// text is a director's file, with some addresses more in its first instance.
func (s *source) text(d *director, added ...more) string {
	added = append(slices.Clone(s.missing), added...)
	v := side{index: d.index(), name: d.Name, plane: s.plane, partner: s.net.partner, config: s.Config, flag: d.scriptFlag, watched: d.trackedFile, added: added,
		first: s.net.vips[0].instance.Name}
	tree := s.tree
	v.pages = s.pages
	switch {
	case d.index() == 0:
	case s.paired():
		tree, v.config, v.pages = s.other.tree, s.other.Config, s.other.pages
		if in := s.twin(s.net.vips[0].instance); in != nil {
			v.first = in.Name
		}
	default:
		v.second = true
	}
	return derive(tree.Nodes, v) + s.ownText(d.index())
}

// trackFiles are the track_file blocks that a director's file has.
func (s *source) trackFiles(director int) []*confparse.TrackFile {
	if director == 1 && s.paired() {
		return s.other.TrackFiles
	}
	return s.TrackFiles
}

// twin is the same virtual router in the other's file: nil if it has none.
func (s *source) twin(in *confparse.Instance) *confparse.Instance {
	if s.other == nil {
		return nil
	}
	i := slices.IndexFunc(s.other.Instances, func(t *confparse.Instance) bool { return t.VRID == in.VRID && t.IPv6 == in.IPv6 })
	if i < 0 {
		return nil
	}
	return s.other.Instances[i]
}

// second is the other director's priority in an instance.
func (s *source) second(in *confparse.Instance) uint8 {
	if t := s.twin(in); t != nil {
		return t.Priority
	}
	return lower(in.Priority)
}

// group is what a virtual_server_group has.
func (s *source) group(name string) []confparse.GroupEntry {
	i := slices.IndexFunc(s.ServerGroups, func(g *confparse.ServerGroup) bool { return g.Name == name })
	if i < 0 {
		return nil
	}
	return s.ServerGroups[i].Entries
}

// more is an address that a derived file has beyond the user's.
type more struct {
	block string // virtual_ipaddress or virtual_ipaddress_excluded
	addr  netip.Addr
	link  [2]string // the interface on either director; "" for the instance's
}

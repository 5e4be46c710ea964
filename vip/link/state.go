package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// state is what the door's goroutine knows.
type state struct {
	file    string
	wants   map[int]Want
	entries map[Link]*entry
	order   []*entry // as they were first wanted
	dropped bool     // some of them nobody wants any more
	cleaned bool     // leftovers of an earlier life go
	ledger  ledger
	dirty   bool                // the ledger is newer than its file
	held    map[string]*setting // by path: those of the ledger, and those that needed no change
	told    map[string]string   // the last word on each sysctl
}

// entry is an interface that is wanted.
type entry struct {
	want   Link
	owners []int
	joined []int // of them, those that do not know what was told

	// What stands for it; index is 0 while nothing does.
	index  int
	name   string
	base   string
	baseIx int
	parent [6]byte // the parent's MAC
	source netip.Addr
	spare  bool // of another's making: not to be deleted
	up     bool // was brought up once; from then on its state is the operator's
	tested bool
	made   Event // as last told

	failed, warned string // as last told
}

// ledger is what has to be undone one day: the content of the state file.
type ledger struct {
	Links   map[string]string // the interfaces the door made: name to MAC
	Sysctls []*setting        // in the order they were made
}

// setting is a sysctl the door set.
type setting struct {
	Path     string
	Old, Set string
	Index    int `json:",omitempty"` // of the interface it belongs to

	inherited bool // from an earlier life
}

func newState(file string) state {
	return state{
		file: file, wants: make(map[int]Want), entries: make(map[Link]*entry), told: make(map[string]string),
		ledger: ledger{Links: make(map[string]string)}, held: make(map[string]*setting),
	}
}

// load reads the state file. One that is damaged is as good as none, but that
// is an error worth knowing.
func (s *state) load() error {
	if s.file == "" {
		return nil
	}
	text, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s.ledger)
	}
	if err != nil {
		return fmt.Errorf("reading what an earlier run has to put back: %w; look at the sysctls and macvlans by hand, then remove %s", err, s.file)
	}
	if s.ledger.Links == nil {
		s.ledger.Links = make(map[string]string)
	}
	s.ledger.Sysctls = slices.DeleteFunc(s.ledger.Sysctls, func(x *setting) bool { return x == nil || !validPath(x.Path) })
	for _, x := range s.ledger.Sysctls {
		s.held[x.Path] = x
		x.inherited = true
	}
	return nil
}

// save writes the state file, whole or not at all. It is written before the
// kernel is changed.
func (s *state) save() error {
	if !s.dirty || s.file == "" {
		return nil
	}
	s.dirty = false
	if len(s.ledger.Links)+len(s.ledger.Sysctls) == 0 {
		if err := os.Remove(s.file); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.MarshalIndent(s.ledger, "", "\t")
	if err != nil {
		return err
	}
	return replaceFile(s.file, text)
}

func replaceFile(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// want notes what owner wants now.
func (s *state) want(owner int, want Want) {
	for _, l := range want.Links {
		s.claim(owner, l)
	}
	for _, l := range s.wants[owner].Links {
		if !slices.Contains(want.Links, l) {
			s.disclaim(owner, l)
		}
	}
	if len(want.Links)+len(want.Sysctls) == 0 {
		delete(s.wants, owner)
		return
	}
	s.wants[owner] = want
}

func (s *state) claim(owner int, l Link) {
	e := s.entries[l]
	if e == nil {
		e = &entry{want: l}
		s.entries[l] = e
		s.order = append(s.order, e)
	}
	if !slices.Contains(e.owners, owner) {
		e.owners, e.joined = append(e.owners, owner), append(e.joined, owner)
	}
}

func (s *state) disclaim(owner int, l Link) {
	e := s.entries[l]
	if e == nil {
		return
	}
	leaves := func(o int) bool { return o == owner }
	e.owners, e.joined = slices.DeleteFunc(e.owners, leaves), slices.DeleteFunc(e.joined, leaves)
	s.dropped = s.dropped || len(e.owners) == 0
}

// sweep takes the entries nobody wants out of the state and returns them.
func (s *state) sweep() (gone []*entry) {
	if !s.dropped {
		return nil
	}
	s.dropped = false
	s.order = slices.DeleteFunc(s.order, func(e *entry) bool {
		if len(e.owners) > 0 {
			return false
		}
		delete(s.entries, e.want)
		gone = append(gone, e)
		return true
	})
	return gone
}

// record notes that an interface is of the door's making.
func (s *state) record(name, mac string) {
	if old, known := s.ledger.Links[name]; !known || old != mac {
		s.ledger.Links[name], s.dirty = mac, true
	}
}

// strike takes an interface off the ledger.
func (s *state) strike(name string) {
	if _, known := s.ledger.Links[name]; known {
		delete(s.ledger.Links, name)
		s.dirty = true
	}
}

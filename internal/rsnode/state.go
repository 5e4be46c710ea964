package rsnode

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// State is what was changed on this machine, and how it was before.
type State struct {
	VIPs    []VIP             `json:"vips"`
	Sysctls map[string]Change `json:"sysctls,omitempty"` // by path below /proc/sys
	Links   []string          `json:"links,omitempty"`   // that we set up
}

// Change is a sysctl that was another.
type Change struct {
	Was int `json:"was"`
	Is  int `json:"is"`
}

// StateFile is where the State is kept. It goes with a reboot, as the settings
// do.
const StateFile = "/run/keepgo/rs.json"

// lock keeps two hands from changing the state at once, until release.
func lock(file string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// load reads the state; there is none before the first change.
func load(file string) (s State, err error) {
	s.Sysctls = map[string]Change{}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w; remove it if what it says is not needed any more", file, err)
	}
	if s.Sysctls == nil {
		s.Sysctls = map[string]Change{}
	}
	return s, nil
}

// save writes the state, whole or not at all; an empty one is no file.
func (s State) save(file string) error {
	if len(s.VIPs) == 0 && len(s.Sysctls) == 0 && len(s.Links) == 0 {
		err := os.Remove(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// add counts VIPs in, once each.
func (s *State) add(vips []VIP) {
	for _, v := range vips {
		if !slices.Contains(s.VIPs, v) {
			s.VIPs = append(s.VIPs, v)
		}
	}
}

// named are the VIPs with certain addresses; all where none is named.
func (s *State) named(addrs []netip.Addr) (list []VIP) {
	for _, v := range s.VIPs {
		if len(addrs) == 0 || slices.Contains(addrs, v.Addr) {
			list = append(list, v)
		}
	}
	return list
}

func sysctl(path string) (int, error) {
	b, err := os.ReadFile(filepath.Join("/proc/sys", path))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

func setSysctl(path string, value int) error {
	return os.WriteFile(filepath.Join("/proc/sys", path), []byte(strconv.Itoa(value)), 0)
}

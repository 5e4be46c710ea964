package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"keepgo/internal/lb"
)

// TestBereaved: a child that was not told to stop hears that its parent died,
// and has orphanTime before its messages end.
func TestBereaved(t *testing.T) {
	for _, c := range []struct {
		stop, heir bool
		orphans    int
		wait       time.Duration
	}{{false, false, 1, orphanTime}, {false, true, 1, heirTime}, {true, false, 0, 0}} {
		synctest.Test(t, func(t *testing.T) {
			in := make(chan toChild, 1)
			heir := make(chan os.Signal, 1)
			if c.heir {
				heir <- unix.SIGHUP
			}
			out := bereaved(in, heir)
			in <- toChild{Stop: c.stop}
			if m := <-out; m.Stop != c.stop {
				t.Errorf("passed on %+v", m)
			}
			close(in)
			begin := time.Now()
			orphans := 0
			for m := range out {
				if m.Orphan {
					orphans++
				}
			}
			if orphans != c.orphans || time.Since(begin) != c.wait {
				t.Errorf("%+v: %d times an orphan, for %v", c, orphans, time.Since(begin))
			}
		})
	}
}

func TestWill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "will")
	t.Setenv(willVar, path)
	want := will{
		Masters: []string{"VI_1"}, Sequences: map[string]uint32{"VI_1": 7},
		Servers: &lb.State{Checks: map[string][]lb.Verdict{"c": {{Up: true, Weight: 3}}}},
	}
	want.leave(t.Errorf)
	got, err := readWill(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(path, []byte("no will"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err := readWill(path); err == nil {
		t.Errorf("read %+v from other bytes", w)
	}
	other := path + "2"
	if err := os.Symlink(path, other); err != nil {
		t.Fatal(err)
	}
	if _, err := readWill(other); err == nil {
		t.Error("followed a symbolic link")
	}
}

package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"keepgo/confparse"
)

func TestReloadTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local)
	for _, c := range []struct {
		text  string
		want  time.Time
		dated bool
		ok    bool
	}{
		{"13:00:05", time.Date(2026, 11, 21, 13, 0, 5, 0, time.Local), false, true},
		{"11:59:59", time.Date(2026, 11, 22, 11, 59, 59, 0, time.Local), false, true},
		{"26-12-24 18:00:00", time.Date(2026, 12, 24, 18, 0, 0, 0, time.Local), true, true},
		{"2026-12-24 18:00:00", time.Date(2026, 12, 24, 18, 0, 0, 0, time.Local), true, true},
		{"2026-12-24 18:00:00Z", time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC), true, true},
		{"2026-11-21 11:00:00", time.Time{}, true, true},
		{"noon", time.Time{}, false, false},
		{" 13:00:05", time.Time{}, false, false},
		{"25:00:00", time.Time{}, false, false},
		{"", time.Time{}, false, false},
	} {
		at, dated, err := reloadTime(c.text, now)
		if !at.Equal(c.want) || dated != c.dated || (err == nil) != c.ok {
			t.Errorf("%q: %v %v %v", c.text, at, dated, err)
		}
	}
}

func TestAppointment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "when")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local)
	a := newAppointment(t.Logf)
	expect := func(after time.Duration, want bool) {
		t.Helper()
		if now = now.Add(after); a.due(now) != want {
			t.Errorf("at %v: not %v", now, want)
		}
	}
	a.set(confparse.Reload{TimeFile: path})
	expect(0, false)
	write("12:00:10")
	expect(time.Second, false)
	expect(8*time.Second, false)
	expect(time.Second, true)
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}
	expect(time.Second, false)

	write("12:01:00") // and off again
	expect(time.Second, false)
	os.Remove(path)
	expect(2*time.Minute, false)

	a.set(confparse.Reload{TimeFile: path, Repeat: true})
	write("12:10:00")
	expect(time.Second, false)
	expect(10*time.Minute, true)
	expect(time.Second, false)
	expect(24*time.Hour, true)
	write("26-11-23 12:00:00") // a day is not repeated
	expect(0, false)
	expect(24*time.Hour, true)
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}
	a.set(confparse.Reload{})
}

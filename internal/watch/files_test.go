package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// await takes numbers until the named file says what is wanted.
func await(t *testing.T, f *Files, name string, want int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case <-f.Ready():
			if got, read := f.Take()[name]; read && got == want {
				return
			}
		case <-deadline:
			t.Fatalf("%s does not say %d", name, want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFilesFollowNumbers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	f, err := NewFiles(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Set([]File{{"a", path}, {"b", path}})
	await(t, f, "b", 0) // missing
	write(t, path, "5\n")
	await(t, f, "b", 5)
	write(t, path, " -0x10 \n")
	await(t, f, "b", -16)
	write(t, path, "nonsense")
	await(t, f, "a", -16)
	write(t, filepath.Join(dir, "new"), "7")
	if err := os.Rename(filepath.Join(dir, "new"), path); err != nil {
		t.Fatal(err)
	}
	await(t, f, "b", 7)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(t, f, "b", 0)
	f.Set(nil)
	write(t, path, "9")
	f.Set([]File{{"c", path}})
	await(t, f, "c", 9)
}

func TestNumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for text, want := range map[string]int{"": 0, "\n": 0, "12": 12, "010": 8, "0xff": 255, "-3\nmore": -3} {
		write(t, path, text)
		if got, err := number(path); got != want || err != nil {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"x", "99999999999", "1.5"} {
		write(t, path, text)
		if _, err := number(path); err == nil {
			t.Errorf("%q is a number", text)
		}
	}
}

func TestInit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, c := range []struct {
		value     int32
		overwrite bool
		want      int
	}{{5, false, 5}, {6, false, 5}, {7, true, 7}} {
		if err := Init(path, c.value, c.overwrite); err != nil {
			t.Fatal(err)
		}
		if got, err := number(path); got != c.want || err != nil {
			t.Errorf("%+v: %d, %v", c, got, err)
		}
	}
	if err := os.Symlink("/nonexistent", path+"l"); err != nil {
		t.Fatal(err)
	}
	if err := Init(path+"l", 1, true); err == nil {
		t.Error("a symlink was followed")
	}
}

package guest

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRunInGuest(t *testing.T) {
	if Inside() {
		t.Skip("boots a guest")
	}
	script := `echo "$WORD"; id -u; cat /sys/class/net/lo/flags; uname -r; pwd
modprobe ip_vs && grep -c '^ip_vs ' /proc/modules
touch /tmp/trace /run/trace "$0" 2>/dev/null; echo err >&2; exit 7`
	out, code := Run(t, []string{"/bin/sh", "-c", script}, []string{"WORD=it's here"}, 2*time.Minute)
	t.Logf("%s", out)
	if code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	cwd, _ := os.Getwd()
	k, _ := findKernel()
	want := strings.Join([]string{"it's here", "0", "0x9", k.version, cwd, "1", "err", ""}, "\n")
	if string(out) != want {
		t.Errorf("output %q, want %q", out, want)
	}
	if _, err := os.Stat("/tmp/trace"); err == nil {
		t.Error("the guest wrote to the host")
	}
}

func TestTimeoutTellsWhy(t *testing.T) {
	if Inside() {
		t.Skip("boots a guest")
	}
	defer hold(t)()
	_, _, err := run(t.TempDir(), []string{"/bin/sleep", "100"}, nil, time.Second)
	if err == nil || !strings.Contains(err.Error(), "not done after 1s") {
		t.Errorf("error %v", err)
	}
}

func TestCPIO(t *testing.T) {
	var c cpio
	c.add("a", modeFile|0o644, []byte("hello"))
	b := c.close()
	if len(b)%4 != 0 || !bytes.HasPrefix(b, []byte("070701")) || !bytes.Contains(b, []byte("hello\x00\x00\x00070701")) {
		t.Errorf("archive %q", b)
	}
}

func TestParse(t *testing.T) {
	const output = `=== RUN   TestA
    a_test.go:1: hello
=== RUN   TestA/one
    a_test.go:2: wrong
=== NAME  TestA
    a_test.go:3: after
--- FAIL: TestA (0.00s)
    --- FAIL: TestA/one (0.00s)
=== RUN   TestB
    b_test.go:1: not here
--- SKIP: TestB (0.01s)
=== RUN   TestC
panic: boom
`
	var got []string
	for _, o := range parse(output) {
		got = append(got, o.name+"|"+o.verdict+"|"+strings.Join(strings.Fields(o.log.String()), " "))
	}
	want := []string{
		"TestA|FAIL|a_test.go:1: hello a_test.go:3: after",
		"TestA/one|FAIL|a_test.go:2: wrong",
		"TestB|SKIP|b_test.go:1: not here",
		"TestC||panic: boom",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestCompareVersions(t *testing.T) {
	for _, c := range []struct{ older, newer string }{
		{"6.1.0-9-amd64", "6.1.0-56-amd64"},
		{"6.1.0-56-amd64", "6.12.1-2-amd64"},
		{"5.10.0-30-amd64", "6.1.0-1-amd64"},
	} {
		if compareVersions(c.older, c.newer) >= 0 || compareVersions(c.newer, c.older) <= 0 {
			t.Errorf("%s is not older than %s", c.older, c.newer)
		}
	}
}

func TestModulesComeAfterTheirNeeds(t *testing.T) {
	needs := map[string][]string{
		"top": {"top.ko", "mid.ko", "low.ko"},
		"mid": {"mid.ko", "low.ko"},
	}
	got := appendModule(appendModule(appendModule(nil, needs, "mid"), needs, "top"), needs, "builtin")
	if want := []string{"low.ko", "mid.ko", "top.ko"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestQuote(t *testing.T) {
	const words = "it's $HOME `x` \"y\" \\ \n z"
	out, err := exec.Command("/bin/sh", "-c", "printf %s "+quote(words)).Output()
	if err != nil || string(out) != words {
		t.Errorf("%q became %q, %v", words, out, err)
	}
}

func TestLockGivesUp(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	release, err := lock(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(time.Now()); err == nil || !strings.Contains(err.Error(), "another guest") {
		t.Errorf("second lock: %v", err)
	}
	release()
	release, err = lock(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	release()
}

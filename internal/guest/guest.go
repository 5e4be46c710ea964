// Package guest runs tests under a kernel of their own: it boots Debian's
// kernel in QEMU, by software emulation, with the file tree of the host under
// it, and runs a command there as root. It is for tests of what the running
// kernel lacks, such as IPVS, VRF or loadable modules.
//
// In the guest the host's whole file tree is readable, and writable without
// trace: changes stay in the guest's memory. /proc, /sys, /dev and a fresh /run
// are mounted, lo is up, there is no other interface, modprobe works, and the
// working directory is the host's. The guest is 7 to 10 times slower than the
// host: count and compare there, never time.
//
// The usual shape is one host test that boots, and guest tests that skip on
// the host:
//
//	func TestGuest(t *testing.T) { guest.Tests(t, "^TestPair") }
//
//	func TestPairMovesService(t *testing.T) {
//		if !guest.Inside() {
//			t.Skip("needs a kernel with IPVS: runs in TestGuest")
//		}
//		...
//	}
//
// It needs the Debian packages qemu-system-x86, linux-image-amd64 and
// busybox-static. Where they are missing the tests skip, unless
// KEEPGO_REQUIRE_GUEST=1 makes that a failure.
package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const (
	// insideVar is set in the environment of every command in a guest.
	insideVar = "KEEPGO_GUEST"
	// requireVar turns a skip for want of packages into a failure.
	requireVar = "KEEPGO_REQUIRE_GUEST"

	// suiteTime bounds a suite in the guest, boot included.
	suiteTime = 10 * time.Minute
	// margin is left between the end of a guest and that of the host's test.
	margin = 15 * time.Second
)

// Inside says whether this process runs in a guest.
func Inside() bool { return os.Getenv(insideVar) == "1" }

// Available is nil where a guest can be booted, or says what is missing.
func Available() error {
	_, err := findTools()
	return err
}

// Need skips the test where no guest can be booted, or fails it when
// KEEPGO_REQUIRE_GUEST=1.
func Need(t testing.TB) {
	t.Helper()
	err := Available()
	switch {
	case err == nil:
	case os.Getenv(requireVar) == "1":
		t.Fatalf("%s=1, but %v", requireVar, err)
	default:
		t.Skipf("needs a guest kernel: %v", err)
	}
}

// Run boots a guest, runs args in it with env ("NAME=value") added to a small
// environment, and returns what it wrote to stdout and stderr, and its exit
// code. A guest that dies, or is not done after timeout, fails the test with
// the end of its console. One guest runs at a time; the wait for another one
// does not count.
func Run(t testing.TB, args, env []string, timeout time.Duration) (output []byte, code int) {
	t.Helper()
	defer hold(t)()
	return mustRun(t, args, env, timeout)
}

// Command is Run for a program that is no test. The wait for another guest is
// at most as long as the guest may run.
func Command(args []string, timeout time.Duration) (output []byte, code int, err error) {
	release, err := lock(time.Now().Add(timeout))
	if err != nil {
		return nil, 0, err
	}
	defer release()
	dir, err := os.MkdirTemp("", "keepgo-guest-")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	return run(dir, args, nil, timeout)
}

// Tests runs the tests of this very test binary whose names match pattern in
// a guest, and reports each of them as a subtest of t, with its log.
func Tests(t *testing.T, pattern string) {
	t.Helper()
	if Inside() {
		t.Skip("boots the guest this test runs in")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("find the test binary: %v", err)
	}
	defer hold(t)()
	timeout := max(min(suiteTime, time.Until(deadline(t))-margin), 2*margin)
	args := []string{self, "-test.v", "-test.count=1", "-test.run=" + pattern,
		fmt.Sprintf("-test.timeout=%s", timeout-margin)}
	output, code := mustRun(t, args, nil, timeout)
	report(t, parse(string(output)), string(output), code)
}

// deadline is when the test must be over.
func deadline(t testing.TB) time.Time {
	if t, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if end, ok := t.Deadline(); ok {
			return end
		}
	}
	return time.Now().Add(time.Hour)
}

// hold waits until no other guest of this user runs, and keeps others waiting
// until release: the emulated CPUs of two would starve each other.
func hold(t testing.TB) (release func()) {
	t.Helper()
	Need(t)
	if testing.Short() && os.Getenv(requireVar) != "1" {
		t.Skip("boots a guest kernel: not with -short")
	}
	release, err := lock(deadline(t).Add(-4 * margin))
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func mustRun(t testing.TB, args, env []string, timeout time.Duration) ([]byte, int) {
	t.Helper()
	output, code, err := run(t.TempDir(), args, env, timeout)
	if err != nil {
		t.Fatal(err)
	}
	return output, code
}

// run is Run without a test: dir is an empty directory to work in.
func run(dir string, args, env []string, timeout time.Duration) ([]byte, int, error) {
	tools, err := findTools()
	if err != nil {
		return nil, 0, err
	}
	m, err := prepare(tools, dir, args, env)
	if err != nil {
		return nil, 0, fmt.Errorf("prepare the guest: %w", err)
	}
	died := m.boot(timeout)
	output, code, err := m.result()
	if err != nil {
		return nil, 0, fmt.Errorf("%w\nits output ends:\n%s\nits console ends:\n%s",
			errors.Join(died, err), tail(output), tail(m.console()))
	}
	return output, code, nil
}

// tail is the end of a text, enough to see why it ended.
func tail(b []byte) []byte {
	const most = 4096
	return b[max(0, len(b)-most):]
}

// cacheDir is where what does not change from guest to guest is kept.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "keepgo-guest")
	return dir, os.MkdirAll(dir, 0o700)
}

// Package integration runs director pairs with real sockets in network
// namespaces: keepgo against keepgo, and keepgo against Debian's keepalived on
// the same wire, in both roles.
package integration

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"keepgo/internal/guest"
)

// keepgo is the binary under test, built once.
var keepgo string

// subject plays the director under test where only one is. With -subject
// keepalived the tests can be tried on what they are modelled after.
var subject = daemonFlag("subject", ours)

func TestMain(m *testing.M) {
	if os.Getenv(withoutMemoryVar) != "" {
		os.Unsetenv(withoutMemoryVar)
		fmt.Fprintln(os.Stderr, withoutMemory(os.Args[1:])) // it does not come back
		os.Exit(1)
	}
	// The tests wait most of the time, those of the one guest above all: many
	// at once cost little, and too many starve the daemons that are watched.
	flag.Set("test.parallel", "16")
	flag.Parse()
	go noise.run()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if testing.Short() || os.Getuid() != 0 {
		return m.Run() // every test skips
	}
	// A guest finds the binary where its host has put it: beside the test's.
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	keepgo = filepath.Join(filepath.Dir(self), "keepgo")
	if guest.Inside() {
		patience *= 6 // everything in it is slower
		return m.Run()
	}
	defer os.Remove(keepgo)
	defer os.Remove(keepgo + "-flawed")
	build := exec.Command("go", "build", "-o", keepgo, "keepgo/cmd/keepgo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is packaged
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build keepgo: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func daemonFlag(name string, value daemon) *daemon {
	flag.Func(name, "daemon under test: keepgo or keepalived", func(s string) error {
		value = daemon(s)
		return nil
	})
	return &value
}

// onlyOurs skips a test of what keepalived does not do.
func onlyOurs(t *testing.T, why string) {
	t.Helper()
	if *subject != ours {
		t.Skip(why)
	}
}

// long asks for what takes minutes, or a machine with nothing else to do.
var long = flag.Bool("long", false, "lead daemons through deaths under every condition, and boot guests for both planes side by side, the book of drills and the SNMP tables of virtual servers beside keepalived, and files of the collection rehearsed and random reloads with IPVS")

// needsTime skips a test that is not asked for.
func needsTime(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skipf("takes minutes: go test -timeout 60m ./integration -run %s -args -long", t.Name())
	}
}

// needsRoot skips a test that cannot make network namespaces.
func needsRoot(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs daemons in network namespaces: not with -short")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root: network namespaces are made")
	}
}

package confparse_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

var against = flag.Bool("against", false, "measure against keepalived -t (root)")

// large is a configuration of n services with four real servers each.
func large(n int) string {
	var text strings.Builder
	text.WriteString("global_defs {\n    router_id large\n}\n")
	for i := range n {
		fmt.Fprintf(&text, "\nvirtual_server 10.%d.%d.1 80 {\n    delay_loop 6\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n\n", i>>8&255, i&255)
		for k := range 4 {
			fmt.Fprintf(&text, "    real_server 192.168.%d.%d %d {\n        weight 1\n        inhibit_on_failure\n        TCP_CHECK {\n"+
				"            connect_timeout 3\n            retry 2\n            delay_before_retry 1\n            warmup 0\n        }\n    }\n\n", i>>8&255, k+1, 1000+i&255)
		}
		text.WriteString("}\n")
	}
	return text.String()
}

// BenchmarkLarge reads 40,000 real servers.
func BenchmarkLarge(b *testing.B) {
	text := large(10_000)
	fsys := fstest.MapFS{"k.conf": {Data: []byte(text)}}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		confparse.Load(fsys, "k.conf", syntax.Env{})
	}
}

// TestMemory: what reading costs is a small part of what is read, whatever
// the number of services.
func TestMemory(t *testing.T) {
	text := large(2000)
	fsys := fstest.MapFS{"k.conf": {Data: []byte(text)}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cfg, errs := confparse.Load(fsys, "k.conf", syntax.Env{})
	runtime.ReadMemStats(&after)
	if len(cfg.VirtualServers) != 2000 || len(errs) > 0 {
		t.Fatalf("%d services, %v", len(cfg.VirtualServers), errs)
	}
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(10*len(text)); got > most {
		t.Errorf("%d bytes for a text of %d", got, len(text))
	}
}

// measured asks TestMeasure to run a command.
const measured = "CONFPARSE_MEASURED"

// TestMeasure runs one command and prints what it cost. It is a process of its
// own: the memory of a new process counts from that of the one that made it,
// which must be small.
func TestMeasure(t *testing.T) {
	command := os.Getenv(measured)
	if command == "" {
		t.Skip("called by TestAgainstKeepalived")
	}
	args := strings.Split(command, "\x1f")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out[:min(len(out), 500)])
	}
	fmt.Printf("cost %d %d\n", took, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
}

// run measures a command: its time, and the memory it had at most in KiB.
func run(t *testing.T, args ...string) (took time.Duration, kib int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMeasure$")
	cmd.Env = append(os.Environ(), measured+"="+strings.Join(args, "\x1f"))
	out, err := cmd.CombinedOutput()
	if _, scan := fmt.Sscanf(string(out), "cost %d %d", &took, &kib); err != nil || scan != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return took, kib
}

// TestAgainstKeepalived prints what keepgo check and keepalived -t cost on
// 10,000 services. The figures are to be read, not to be trusted: they fail
// nothing.
func TestAgainstKeepalived(t *testing.T) {
	if !*against {
		t.Skip("a measurement: go test ./confparse -run AgainstKeepalived -against -v")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root: a network namespace")
	}
	dir := t.TempDir()
	file, program := filepath.Join(dir, "keepalived.conf"), filepath.Join(dir, "keepgo")
	if err := os.WriteFile(file, []byte(large(10_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", program, "keepgo/cmd/keepgo").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	type cost struct {
		name string
		args []string
		took []time.Duration
		kib  []int64
	}
	costs := []*cost{{name: "keepgo check", args: []string{program, "check", file}}, {name: "keepalived -t", args: []string{"keepalived", "-t", "-f", file}}}
	for range 5 {
		for _, c := range costs {
			took, kib := run(t, c.args...)
			c.took, c.kib = append(c.took, took), append(c.kib, kib)
		}
	}
	for _, c := range costs {
		slices.Sort(c.took)
		slices.Sort(c.kib)
		t.Logf("%-14s median %4d ms, %6d KiB (least %d ms, %d KiB)", c.name, c.took[2].Milliseconds(), c.kib[2], c.took[0].Milliseconds(), c.kib[0])
	}
}

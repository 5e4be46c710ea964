package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keepgo/checker"
)

// serverVar makes this binary a server of the benchmarks: what it costs must
// not count as the probe's.
const serverVar = "PROBE_BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVar) != "" {
		serveBenchmarks()
		return
	}
	os.Exit(m.Run())
}

// serveBenchmarks answers until its input ends.
func serveBenchmarks() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(l.Addr())
	if os.Getenv(serverVar) == "TLS" {
		pair := httptest.NewUnstartedServer(nil)
		pair.StartTLS() // for its certificate
		pair.Close()
		l = tls.NewListener(l, pair.TLS)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if swallow(conn) != "" {
					io.WriteString(conn, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
				}
			}()
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

// benchServer starts a server in a process of its own.
func benchServer(b *testing.B, over string) netip.AddrPort {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVar+"="+over)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return netip.MustParseAddrPort(strings.TrimSpace(line))
}

// cpu is the time all CPUs spent for this process.
func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// benchProbe makes b.N probes, a few dozen at a time, each in a goroutine as
// the Runner does.
func benchProbe(b *testing.B, c *checker.Check) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	begin := cpu()
	slots := make(chan struct{}, 32)
	var wg sync.WaitGroup
	for range b.N {
		slots <- struct{}{}
		wg.Go(func() {
			if o := Once(ctx, c, 0); o.Answer != checker.Passed {
				b.Error(o.Why)
			}
			<-slots
		})
	}
	wg.Wait()
	b.ReportMetric(float64((cpu()-begin).Microseconds())/float64(b.N), "cpu-µs/op")
}

func BenchmarkTCP(b *testing.B) { benchProbe(b, tcpCheck(benchServer(b, "TCP").String())) }

func BenchmarkHTTP(b *testing.B) {
	benchProbe(b, webCheck(benchServer(b, "TCP").String(), checker.URL{Path: "/", Host: "www.example", Digest: sum("hello")}))
}

// BenchmarkSSL resumes a session.
func BenchmarkSSL(b *testing.B) {
	c := webCheck(benchServer(b, "TLS").String(), checker.URL{Path: "/", Host: "www.example", Digest: sum("hello")})
	c.Probe.Web.TLS = &checker.TLS{}
	benchProbe(b, c)
}

// BenchmarkRunnerMemory tells what a check costs while it waits, and the CPU
// time of a round of the scheduler for each.
func BenchmarkRunnerMemory(b *testing.B) {
	const checks = 60_000
	for b.Loop() {
		all := make([]checker.Check, checks)
		for i := range all {
			all[i] = checker.Check{ID: checker.ID(i), Name: fmt.Sprintf("[10.0.%d.%d]:tcp:80", i>>8, i&255), Service: "[10.1.0.1]:tcp:80",
				Timeout: time.Second, Interval: time.Hour, Warmup: time.Hour,
				Probe: checker.Probe{Target: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)}}
		}
		r := NewRunner(Options{Ask: func(context.Context, *checker.Check, int) checker.Outcome { return checker.Outcome{} }})
		before, begin := inUse(), cpu()
		r.Set(all)
		b.ReportMetric(float64((cpu() - begin).Milliseconds()), "cpu-ms/Set")
		b.ReportMetric(float64(inUse()-before)/checks, "B/check")
		r.Close()
	}
}

// inUse is the memory in use after a collection.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

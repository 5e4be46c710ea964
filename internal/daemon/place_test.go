package daemon

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
)

// hear opens a datagram socket and returns what one text on it says.
func hear(t *testing.T) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	conn, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return path, func() string {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 4096)
		n, _, err := conn.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestLogGoesToSyslogUnderTheNameOfTheProcess(t *testing.T) {
	path, next := hear(t)
	dials := 0
	s := &sink{opts: Options{Facility: 16 << 3}, dial: func() (net.Conn, error) {
		dials++
		return net.Dial("unixgram", path)
	}}
	s.logger("Keepalived_vrrp", "vrrp", 42, scope{"blue", "one"}).printf("(%s) Entering MASTER STATE", "VI_1")
	want := regexp.MustCompile(`^<134>\w{3} [ \d]\d \d\d:\d\d:\d\d Keepalived_vrrp_blue_one\[42\]: \(VI_1\) Entering MASTER STATE$`)
	if got := next(); !want.MatchString(got) {
		t.Errorf("said %q", got)
	}
	s.sys.Close() // as if the syslog daemon had been started anew
	s.logger("Keepalived", "", 1, scope{}).printf("again")
	if got := next(); !strings.HasSuffix(got, "Keepalived[1]: again") || dials != 2 {
		t.Errorf("said %q after %d dials", got, dials)
	}
}

func TestLogFileOfEachProcess(t *testing.T) {
	dir := t.TempDir()
	s := &sink{opts: Options{NoSyslog: true, LogFile: filepath.Join(dir, "k.log")}}
	s.logger("Keepalived", "", 1, scope{}).printf("hello")
	s.logger("Keepalived_vrrp", "vrrp", 2, scope{instance: "one"}).printf("hi")
	for name, want := range map[string]string{"k.log": "hello", "k_vrrp_one.log": "hi"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		if !regexp.MustCompile(`^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d\.\d{9} \d{4}: ` + want + "\n$").Match(b) {
			t.Errorf("%s holds %q", name, b)
		}
	}
}

func TestLogAsJSON(t *testing.T) {
	var screen bytes.Buffer
	s := &sink{opts: Options{NoSyslog: true, LogJSON: true}, screen: &screen}
	s.logger("Keepalived_vrrp", "vrrp", 2, scope{}).printf("a %q", "b")
	var line struct {
		Process, Message string
		PID              int
		Time             time.Time
	}
	if err := json.Unmarshal(screen.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line.Process != "Keepalived_vrrp" || line.Message != `a "b"` || line.PID != 2 || line.Time.IsZero() {
		t.Errorf("wrote %s", screen.Bytes())
	}
}

func TestPIDPathsOfKeepalived(t *testing.T) {
	for _, c := range []struct {
		g    confparse.Global
		o    Options
		want string
	}{
		{confparse.Global{}, Options{}, "/run/keepalived.pid /run/vrrp.pid /run/checkers.pid /run/bfd.pid"},
		{confparse.Global{}, Options{PIDFile: "/x"}, "/x /run/vrrp.pid /run/checkers.pid /run/bfd.pid"},
		{confparse.Global{UsePIDDir: true}, Options{}, "/run/keepalived/keepalived.pid /run/keepalived/vrrp.pid /run/keepalived/checkers.pid /run/keepalived/bfd.pid"},
		{confparse.Global{InstanceName: "a"}, Options{}, "/run/keepalived/keepalived_a.pid /run/keepalived/vrrp_a.pid /run/keepalived/checkers_a.pid /run/keepalived/bfd_a.pid"},
		{confparse.Global{Namespace: "n"}, Options{Namespace: "m"}, "/run/keepalived/m/keepalived.pid /run/keepalived/m/vrrp.pid /run/keepalived/m/checkers.pid /run/keepalived/m/bfd.pid"},
	} {
		o := pidPaths(c.o, &c.g)
		if got := strings.Join([]string{o.PIDFile, o.VRRPPIDFile, o.CheckersPIDFile, o.BFDPIDFile}, " "); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestManagerIsTold(t *testing.T) {
	path, next := hear(t)
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000000")
	m := newManager()
	if os.Getenv("NOTIFY_SOCKET") != "" || os.Getenv("WATCHDOG_USEC") != "" {
		t.Error("scripts would inherit the manager's socket")
	}
	if m.watch != 20*time.Second {
		t.Errorf("the watchdog waits %v", m.watch)
	}
	m.ready()
	if got := next(); !regexp.MustCompile(`^READY=1\nMAINPID=\d+$`).MatchString(got) {
		t.Errorf("told %q", got)
	}
	m.reloading()
	if got := next(); !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=\d+$`).MatchString(got) {
		t.Errorf("told %q", got)
	}
	(&manager{}).tell("READY=1") // nobody is there
}

func TestWatchdogOfAnotherProcess(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/nowhere")
	t.Setenv("WATCHDOG_USEC", "20000000")
	t.Setenv("WATCHDOG_PID", "1")
	if m := newManager(); m.watch != 0 {
		t.Error("took a watchdog that is not ours")
	}
}

func TestWhatAReloadCannotChange(t *testing.T) {
	ns := ""
	old := confparse.Global{InstanceName: "a"}
	for _, c := range []struct {
		new  confparse.Global
		want string
	}{
		{confparse.Global{InstanceName: "a", RouterID: "x"}, ""},
		{confparse.Global{InstanceName: "b"}, "instance"},
		{confparse.Global{InstanceName: "a", Namespace: "n"}, "net_namespace"},
		{confparse.Global{InstanceName: "a", NamespaceIPVS: &ns}, "net_namespace_ipvs"},
	} {
		if got := unchangeable(&old, &c.new); got != c.want {
			t.Errorf("%+v: %q, want %q", c.new, got, c.want)
		}
	}
}

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"keepgo/internal/netlab"
)

// terminal is a pseudoterminal (pty(7)) with what was written to it.
type terminal struct {
	t      *testing.T
	own    *os.File // our end
	theirs *os.File
	mu     sync.Mutex
	text   strings.Builder
}

func newTerminal(t *testing.T, rows, cols uint16) *terminal {
	t.Helper()
	own := must(os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0))(t)
	t.Cleanup(func() { own.Close() })
	must(0, unix.IoctlSetPointerInt(int(own.Fd()), unix.TIOCSPTLCK, 0))(t)
	number := must(unix.IoctlGetInt(int(own.Fd()), unix.TIOCGPTN))(t)
	theirs := must(os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0))(t)
	t.Cleanup(func() { theirs.Close() })
	must(0, unix.IoctlSetWinsize(int(own.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}))(t)
	x := &terminal{t: t, own: own, theirs: theirs}
	go x.read()
	return x
}

func (x *terminal) read() {
	b := make([]byte, 1<<16)
	for {
		n, err := x.own.Read(b)
		if err != nil {
			return // closed
		}
		x.mu.Lock()
		x.text.Write(b[:n])
		x.mu.Unlock()
	}
}

func (x *terminal) all() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

// frame is the newest complete picture.
func (x *terminal) frame() string {
	frames := strings.Split(x.all(), "\x1b[H")
	if len(frames) < 3 {
		return ""
	}
	return strings.NewReplacer("\x1b[K", "", "\x1b[J", "", "\r", "").Replace(frames[len(frames)-2])
}

// shows waits for a picture with some texts, and checks that it fits.
func (x *terminal) shows(texts ...string) {
	x.t.Helper()
	found := netlab.Until(patience, func() bool {
		frame := x.frame()
		for _, text := range texts {
			if !strings.Contains(frame, text) {
				return false
			}
		}
		return true
	})
	frame := x.frame()
	if !found {
		x.t.Fatalf("the screen does not come to show %q:\n%s", texts, frame)
	}
	rows := strings.Split(frame, "\n")
	for _, row := range rows {
		if len(rows) != 24 || utf8.RuneCountInString(row) > 80 {
			x.t.Fatalf("%d rows, one of %d columns: %q", len(rows), utf8.RuneCountInString(row), row)
		}
	}
}

func (x *terminal) press(keys string) {
	x.t.Helper()
	must(x.own.WriteString(keys))(x.t)
}

// TestLabOnATerminal plays with a pair by keys.
func TestLabOnATerminal(t *testing.T) {
	t.Parallel()
	cmd, _, _, tmp := labCommand(t, example)
	x := newTerminal(t, 24, 80)
	before := *must(unix.IoctlGetTermios(int(x.theirs.Fd()), unix.TCGETS))(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = x.theirs, x.theirs, x.theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(0, cmd.Start())(t)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer endLab(cmd, ended)

	x.shows("lb1  web MASTER 150", "lb2  web BACKUP 100", "on lb1", "http 192.0.2.100:80", "[198.51.100.22]:tcp:80", "q quit")
	x.shows("75 %")
	x.press("k")
	x.shows("lb1  does not run", "lb2  web MASTER 100", "-> kill -9 of the daemon of lb1")
	x.press("1c")
	x.shows("lb1  web MASTER 150")
	x.press("d")
	x.shows("OUT", "[down]")
	x.press("u")
	x.shows("is well")
	x.press("p")
	x.shows("lb1  web MASTER 150", "lb2  web MASTER 100", "[partition]")
	x.press("p")
	x.shows("lb2  web BACKUP 100")
	x.press("l")
	x.shows("lb2  web MASTER 100", "[link out]")
	x.press("l1v")
	x.shows("lb1  web MASTER 150", "lb2  web BACKUP 100")
	x.press("tr")
	x.shows("-> the services are removed from lb1", "-> lb1 reads ")
	x.press("fq")
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after q: %v\n%s", err, x.all()[max(0, len(x.all())-2000):])
		}
		ended <- err
	case <-time.After(patience):
		t.Fatal("q does not end it")
	}
	if after := *must(unix.IoctlGetTermios(int(x.theirs.Fd()), unix.TCGETS))(t); after != before {
		t.Errorf("the terminal is left as %+v, and was %+v", after, before)
	}
	if !strings.Contains(x.all(), "\x1b[?1049l") {
		t.Error("the screen is not given back")
	}
	if left := processesWith(tmp); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

// endLab ends a lab that still runs.
func endLab(cmd *exec.Cmd, ended chan error) {
	select {
	case <-ended:
	default:
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	}
}

package daemon

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// manager is the service manager, which is told the daemon's state as
// sd_notify(3) does.
type manager struct {
	addr  string        // "" where there is none
	watch time.Duration // how often it wants to hear from us, 0 for never
	env   []string      // how it was found
}

// newManager finds the manager in the environment, and takes it out of there:
// scripts have nothing to tell it.
func newManager() *manager {
	m := &manager{addr: os.Getenv("NOTIFY_SOCKET")}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if pid := os.Getenv("WATCHDOG_PID"); err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		m.watch = time.Duration(usec) * time.Microsecond
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if value, is := os.LookupEnv(name); is {
			m.env = append(m.env, name+"="+value)
		}
		os.Unsetenv(name)
	}
	return m
}

// environ is what lets the next program in this process find the manager too.
func (m *manager) environ() []string {
	if m == nil {
		return nil // it is in the environment still
	}
	return m.env
}

// tell sends a state. The manager's troubles are not ours.
func (m *manager) tell(state string) {
	if m.addr == "" {
		return
	}
	conn, err := net.Dial("unixgram", m.addr)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(logLimit))
	_, _ = conn.Write([]byte(state))
}

// ready tells that the service is up, and which process it is.
func (m *manager) ready() {
	m.tell(fmt.Sprintf("READY=1\nMAINPID=%d", os.Getpid()))
}

// reloading tells that a reload began; READY=1 tells its end.
func (m *manager) reloading() {
	m.tell(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", sinceBoot().Microseconds()))
}

// pulse ticks twice in the time that the manager's watchdog waits.
func (m *manager) pulse() *time.Ticker {
	if m.watch == 0 || m.addr == "" {
		t := time.NewTicker(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTicker(m.watch / 2)
}

package daemon

import (
	"fmt"
	"io"
	"log/syslog"
	"os"
	"sync"
	"time"
)

// logger writes lines the way keepalived does: to syslog, and with -l in the
// foreground to standard error with the time in front.
type logger struct {
	mu     sync.Mutex
	sys    *syslog.Writer
	screen io.Writer
}

// newLogger opens syslog under the given identity. Without a syslog daemon the
// lines go to standard error, so that none is lost.
func newLogger(ident string, o Options) *logger {
	l := &logger{}
	if !o.NoSyslog {
		l.sys, _ = syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, ident)
	}
	if o.LogConsole && o.DontFork || l.sys == nil {
		l.screen = os.Stderr
	}
	return l
}

// printf writes one line.
func (l *logger) printf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sys != nil {
		_ = l.sys.Info(line)
	}
	if l.screen != nil {
		fmt.Fprintf(l.screen, "%s: %s\n", time.Now().Format(time.ANSIC), line)
	}
}

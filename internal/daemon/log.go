package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// syslogPath is where a syslog daemon, or journald, listens.
const syslogPath = "/dev/log"

// logLimit is how long a syslog daemon may keep a line waiting.
const logLimit = 100 * time.Millisecond

// severity is LOG_INFO of syslog(3): keepalived logs nearly everything so.
const severity = 6

// logger writes the lines of one process the way keepalived does: to syslog
// under the identity of the process, with -g to a file of its own, and with -l
// in the foreground to standard error.
type logger struct {
	sink  *sink
	ident string
	pid   int
	file  io.Writer // nil for none
}

// sink is what the loggers of all processes share.
type sink struct {
	opts   Options
	mu     sync.Mutex
	dial   func() (net.Conn, error)
	sys    net.Conn
	screen io.Writer // nil for none
}

// newSink opens what all loggers write to.
func newSink(o Options) *sink {
	s := &sink{opts: o, dial: dialSyslog}
	if o.LogConsole && o.DontFork || o.NoSyslog && o.LogFile == "" {
		s.screen = os.Stderr
	}
	return s
}

// dialSyslog connects to a syslog daemon. Where there is none, as in a container,
// that is seen for each line: to look takes far less than to try.
func dialSyslog() (net.Conn, error) {
	if _, err := os.Lstat(syslogPath); err != nil {
		return nil, err
	}
	return net.Dial("unixgram", syslogPath)
}

// logger makes the logger of a process. short is its name in names of files.
func (s *sink) logger(ident, short string, pid int, in scope) *logger {
	l := &logger{sink: s, ident: join(ident, "", in), pid: pid}
	if s.opts.LogFile == "" {
		return l
	}
	f, err := openAppend(fileName(s.opts.LogFile, short, in))
	if err != nil {
		l.printf("log file: %v", err)
		return l
	}
	l.file = f
	return l
}

// openAppend opens a file at its end, and follows no symbolic link.
func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|oNoFollow, 0o644)
}

// printf writes one line.
func (l *logger) printf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	now := time.Now()
	s := l.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.opts.NoSyslog || s.syslog(l, now, line)
	if l.file != nil {
		s.write(l.file, l, now, "Mon Jan _2 15:04:05.000000000 2006", line)
	}
	switch {
	case s.screen != nil:
		s.write(s.screen, l, now, time.ANSIC, line)
	case !told && l.file == nil: // so that none is lost
		s.write(os.Stderr, l, now, time.ANSIC, line)
	}
}

// std is a logger for what wants one of package log.
func (l *logger) std(prefix string) *log.Logger {
	return log.New(&lineWriter{log: l.printf}, prefix, 0)
}

// write writes a line with the time in front, or as JSON.
func (s *sink) write(w io.Writer, l *logger, now time.Time, layout, line string) {
	if !s.opts.LogJSON {
		fmt.Fprintf(w, "%s: %s\n", now.Format(layout), line)
		return
	}
	_ = json.NewEncoder(w).Encode(struct {
		Time    time.Time `json:"time"`
		Process string    `json:"process"`
		PID     int       `json:"pid"`
		Message string    `json:"message"`
	}{now, l.ident, l.pid, line})
}

// syslog sends a line as syslog(3) does with LOG_PID, and says whether anybody
// took it. A daemon that was started anew is found again.
func (s *sink) syslog(l *logger, now time.Time, line string) bool {
	text := fmt.Appendf(nil, "<%d>%s %s[%d]: %s", s.opts.Facility|severity, now.Format(time.Stamp), l.ident, l.pid, line)
	for range 2 {
		if s.sys == nil {
			var err error
			if s.sys, err = s.dial(); err != nil {
				s.sys = nil
				return false
			}
		}
		_ = s.sys.SetWriteDeadline(now.Add(logLimit))
		if _, err := s.sys.Write(text); err == nil {
			return true
		}
		s.sys.Close()
		s.sys = nil
	}
	return false
}

// scope is what tells this daemon from others on the host.
type scope struct{ namespace, instance string }

// join puts what is not empty together: keepalived's order in identities and
// names of files.
func join(base, short string, in scope) string {
	for _, part := range []string{short, in.namespace, in.instance} {
		if part != "" {
			base += "_" + part
		}
	}
	return base
}

// fileName inserts the name of a process and the scope before the extension of
// a file.
func fileName(path, short string, in scope) string {
	dir, name := filepath.Split(path)
	ext := filepath.Ext(name)
	return dir + join(strings.TrimSuffix(name, ext), short, in) + ext
}

// TempFile is the path of a file in the directory for dumps: TMPDIR if that is
// an absolute path of a directory, else /tmp.
func TempFile(name string) string {
	dir := os.Getenv("TMPDIR")
	if fi, err := os.Stat(dir); !filepath.IsAbs(dir) || err != nil || !fi.IsDir() {
		dir = "/tmp"
	}
	return filepath.Join(dir, name)
}

package daemon

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"keepgo/confparse"
)

// appointmentLook is how often reload_time_file is looked at: its times are
// whole seconds.
const appointmentLook = time.Second

// appointment is a reload at the time that reload_time_file names.
type appointment struct {
	log    func(format string, args ...any)
	clock  *time.Ticker // runs while there is a file to look at
	reload confparse.Reload
	text   []byte    // of the file when it was looked at last; nil for none
	at     time.Time // zero for never
	dated  bool      // the file names a day
}

func newAppointment(log func(format string, args ...any)) *appointment {
	a := &appointment{log: log, clock: time.NewTicker(appointmentLook)}
	a.clock.Stop()
	return a
}

// set follows the file that the configuration names.
func (a *appointment) set(r confparse.Reload) {
	if a.clock.Stop(); r.TimeFile != "" {
		a.clock.Reset(appointmentLook)
	}
	if r.TimeFile != a.reload.TimeFile {
		a.text, a.at = nil, time.Time{}
	}
	a.reload = r
}

// due looks at the file, and tells whether it is time. Then the file goes, or
// the reload is due again in a day.
func (a *appointment) due(now time.Time) bool {
	a.look(now)
	if a.at.IsZero() || now.Before(a.at) {
		return false
	}
	a.at = time.Time{}
	if a.reload.Repeat && !a.dated {
		a.text = nil // it is read again, for tomorrow
		return true
	}
	if err := os.Remove(a.reload.TimeFile); err != nil {
		a.log("reload_time_file: %v", err)
	}
	return true
}

// look reads the file if it changed. A file that went calls the reload off.
func (a *appointment) look(now time.Time) {
	text, err := readLine(a.reload.TimeFile)
	if err != nil {
		if a.text != nil && !a.at.IsZero() {
			a.log("the reload at %s is called off", a.at.Format(time.DateTime))
		}
		a.text, a.at = nil, time.Time{}
		return
	}
	if a.text != nil && bytes.Equal(a.text, text) {
		return
	}
	a.text = text
	if a.at, a.dated, err = reloadTime(string(text), now); err != nil {
		a.log("reload_time_file %s: %v", a.reload.TimeFile, err)
		return
	}
	if a.at.IsZero() {
		a.log("reload_time_file %s: that time has passed", a.reload.TimeFile)
		return
	}
	a.log("a reload is due at %s", a.at.Format(time.DateTime))
}

// readLine is the first line of a small file.
func readLine(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 64)
	n, _ := f.Read(b)
	line, _, _ := bytes.Cut(b[:n], []byte("\n"))
	return line, nil
}

// reloadTime reads HH:MM:SS, YY-MM-DD HH:MM:SS or YYYY-MM-DD HH:MM:SS, all of
// them local but with Z behind them UTC. A time of day that has passed is
// tomorrow's; a day that has passed is never.
func reloadTime(text string, now time.Time) (at time.Time, dated bool, err error) {
	zone := time.Local
	if rest, utc := strings.CutSuffix(text, "Z"); utc {
		text, zone = rest, time.UTC
	}
	now = now.In(zone)
	for _, layout := range []string{"2006-01-02 15:04:05", "06-01-02 15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			if at.Before(now) {
				at = time.Time{}
			}
			return at, true, nil
		}
	}
	clock, err := time.ParseInLocation(time.TimeOnly, text, zone)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("%q is no HH:MM:SS or YYYY-MM-DD HH:MM:SS", text)
	}
	at = time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, zone)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at, false, nil
}

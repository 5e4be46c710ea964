// Package dump writes keepalived's dump files: keepalived.data and its
// siblings, keepalived.stats and keepalived.json, with the lines and the order
// that programs parse. It is pure: texts out of a configuration and a status.
package dump

import (
	"fmt"
	"strings"
	"time"

	"keepgo/confparse"
	"keepgo/internal/status"
)

// World is what a dump tells of.
type World struct {
	Config *confparse.Config
	Status *status.Status
	Links  []Link // network interfaces, by index
	// Identity resolves the user of a script, and its group. It may be nil.
	Identity func(user, group string) (uid, gid uint32)

	Namespace string // network namespace, "" for the default one
	HostName  string
	Umask     uint32
}

// page is a dump file that grows by lines.
type page struct {
	World
	text      []byte
	instances map[string]*status.Instance
}

func newPage(w World) *page {
	p := &page{World: w, instances: map[string]*status.Instance{}}
	for i := range w.Status.Instances {
		in := &w.Status.Instances[i]
		p.instances[in.Name] = in
	}
	return p
}

// put adds a line.
func (p *page) put(format string, args ...any) {
	p.text = append(fmt.Appendf(p.text, format, args...), '\n')
}

// when adds a line if there is reason to.
func (p *page) when(reason bool, format string, args ...any) {
	if reason {
		p.put(format, args...)
	}
}

// moment is a time as keepalived writes it, in seconds since the epoch and in
// words.
func moment(t time.Time) string {
	return fmt.Sprintf("%d.%06d (%s)", t.Unix(), t.Nanosecond()/1000, t.Local().Format("Mon Jan _2 15:04:05.000000 2006"))
}

// quoted is a command with every argument in single quotes.
func quoted(args []string) string { return "'" + strings.Join(args, "' '") + "'" }

// script adds a line about a command, if there is one.
func (p *page) script(indent, what string, c *confparse.Command) {
	if c == nil {
		return
	}
	uid, gid := p.ids(c.User, c.Group)
	p.put("%s%s script = %s, uid:gid %d:%d", indent, what, quoted(c.Args), uid, gid)
}

func (p *page) ids(user, group string) (uid, gid uint32) {
	if p.Identity == nil {
		return 0, 0
	}
	if user == "" {
		user, group = p.Config.Global.ScriptUser, p.Config.Global.ScriptGroup
	}
	return p.Identity(user, group)
}

// choose is a word for a condition.
func choose(on bool, yes, no string) string {
	if on {
		return yes
	}
	return no
}

func yesNo(on bool) string     { return choose(on, "yes", "no") }
func enabled(on bool) string   { return choose(on, "enabled", "disabled") }
func trueFalse(on bool) string { return choose(on, "true", "false") }
func onOff(on bool) string     { return choose(on, "ON", "OFF") }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

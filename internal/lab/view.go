package lab

import (
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/lab/drill"
	"keepgo/internal/status"
)

// view is where a play is shown.
type view interface {
	say(line string)     // what happened, kept
	draw(lines []string) // how it is now, replaced by the next
}

// newView chooses: the terminal that was taken over, nothing before a JSON
// document, a living picture on a terminal, only lines elsewhere.
func newView(o Options, c *console) view {
	switch {
	case c != nil:
		return c
	case o.JSON:
		return silent{}
	case IsTerminal(o.Out):
		return &screen{out: o.Out}
	}
	return plain{o.Out}
}

// IsTerminal tells whether what is written there is seen by somebody.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

type silent struct{}

func (silent) say(string)    {}
func (silent) draw([]string) {}

// plain prints what happened.
type plain struct{ out io.Writer }

func (v plain) say(line string) { fmt.Fprintln(v.out, line) }
func (v plain) draw([]string)   {}

// screen keeps a picture below what happened. It uses three control sequences
// of ECMA-48: cursor up, erase line, erase below.
type screen struct {
	out   io.Writer
	lines []string
}

func (v *screen) say(line string) {
	fmt.Fprintf(v.out, "%s%s\n", v.up(), line)
	v.print()
}

func (v *screen) draw(lines []string) {
	up := v.up()
	v.lines = lines
	fmt.Fprint(v.out, up)
	v.print()
}

// up goes back to the first line of the picture and erases it.
func (v *screen) up() string {
	if len(v.lines) == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", len(v.lines))
}

func (v *screen) print() {
	for _, line := range v.lines {
		fmt.Fprintf(v.out, "\x1b[2K%s\n", line)
	}
}

// sceneLine is a scene's outcome in one line.
func sceneLine(clock string, s drill.Scene) string {
	line := fmt.Sprintf("%s  %-6s %s", clock, s.Verdict(), s.Name)
	if s.Why != "" {
		return line + ": " + s.Why
	}
	line += fmt.Sprintf(": settled in %s", seconds(s.TookMS))
	if s.Master != "" {
		line += ", " + s.Master + " is master"
	}
	if s.GapMS > 0 {
		line += fmt.Sprintf(", the client went %s without an answer", seconds(s.GapMS))
	}
	return line
}

func seconds(ms int64) string {
	return fmt.Sprintf("%.2f s", float64(ms)/1000)
}

// tell says what changed on a director since the last look.
func (p *play) tell(name string, s *status.Status) {
	if s == nil {
		maps.DeleteFunc(p.told, func(what, _ string) bool { return strings.HasPrefix(what, name+" ") })
		return
	}
	for _, in := range s.Instances {
		p.changed(name+" "+in.Name, in.State, in.Reason)
	}
	for _, service := range s.Services {
		for _, server := range service.Servers {
			state := map[bool]string{true: "in", false: "out"}[server.Up]
			p.changed(name+" "+service.Name+" "+server.Name, state, server.Why)
		}
	}
}

// changed says that something has a new state, unless it is the first.
func (p *play) changed(what, state, why string) {
	old, known := p.told[what]
	p.told[what] = state
	if !known || old == state {
		return
	}
	line := fmt.Sprintf("%s         %s: %s -> %s", p.clock(), what, old, state)
	if why != "" {
		line += " (" + why + ")"
	}
	p.view.say(line)
}

// picture is how everything is now.
func (p *play) picture() []string {
	if p.live != nil {
		return p.live.table()
	}
	lines := []string{""}
	for i, d := range p.stage.directors {
		lines = append(lines, "  "+d.Name+"   "+p.directorLine(i))
	}
	lines = append(lines, p.serviceLines()...)
	lines = append(lines, p.clientLines()...)
	if p.scene != "" {
		lines = append(lines, fmt.Sprintf("  %s  now: %s", p.clock(), p.scene))
	}
	return lines
}

func (p *play) directorLine(i int) string {
	s := p.status[i]
	if s == nil {
		return "-"
	}
	var parts []string
	for _, in := range s.Instances {
		parts = append(parts, fmt.Sprintf("%s %-6s %3d", in.Name, in.State, in.Priority))
	}
	return strings.Join(parts, "   ")
}

// serviceLines shows the real servers as the master sees them.
func (p *play) serviceLines() []string {
	m, _ := p.current()
	s := p.status[m]
	if s == nil {
		return nil
	}
	var lines []string
	for _, service := range s.Services {
		line := "  " + service.Name + " "
		for _, server := range service.Servers {
			line += fmt.Sprintf("  %s %s", server.Name, map[bool]string{true: "in", false: "OUT"}[server.Up])
		}
		if service.Sorry {
			line += "  (sorry server)"
		}
		lines = append(lines, line)
	}
	return lines
}

func (p *play) clientLines() []string {
	var lines []string
	for i, ping := range p.stage.pings {
		answer := "no answer yet"
		if last := ping.Last(); !last.IsZero() {
			answer = fmt.Sprintf("last answer %s ago", seconds(time.Since(last).Milliseconds()))
		}
		lines = append(lines, fmt.Sprintf("  client: ping %s, %s", p.stage.net.vips[i].addr, answer))
	}
	for _, w := range p.webs {
		lines = append(lines, "  "+w.soFar().String())
	}
	return lines
}

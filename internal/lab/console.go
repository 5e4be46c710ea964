package lab

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// console is a terminal that shows a table and takes keys. It uses the control
// sequences of ECMA-48 that every terminal has, and the alternate screen of
// xterm, so that what stood there before comes back.
type console struct {
	in, out *os.File
	before  unix.Termios
	log     []string
	foot    []string
}

// mostLog is how many lines of the log are kept: more than any terminal shows.
const mostLog = 200

// openConsole takes a terminal over: keys come as they are pressed, and none
// sends a signal.
func openConsole(in, out *os.File) (*console, error) {
	t, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("the keyboard: %w", err)
	}
	c := &console{in: in, out: out, before: *t}
	raw := *t
	raw.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, &raw); err != nil {
		return nil, fmt.Errorf("the keyboard: %w", err)
	}
	fmt.Fprint(out, "\x1b[?1049h\x1b[?25l")
	return c, nil
}

// close gives the terminal back as it was.
func (c *console) close() {
	fmt.Fprint(c.out, "\x1b[?25h\x1b[?1049l")
	unix.IoctlSetTermios(int(c.in.Fd()), unix.TCSETS, &c.before)
}

// keys sends what is pressed until ctx ends.
func (c *console) keys(ctx context.Context) <-chan byte {
	pressed := make(chan byte)
	go func() {
		defer close(pressed)
		b := make([]byte, 16)
		for ctx.Err() == nil {
			ready, err := unix.Poll([]unix.PollFd{{Fd: int32(c.in.Fd()), Events: unix.POLLIN}}, 100)
			if ready == 0 || err == unix.EINTR {
				continue
			}
			n, err := c.in.Read(b)
			if err != nil || n == 0 {
				return // the terminal is gone
			}
			for _, key := range plainKeys(b[:n]) {
				select {
				case pressed <- key:
				case <-ctx.Done():
				}
			}
		}
	}()
	return pressed
}

// plainKeys leaves out what arrows and other keys send: it begins with ESC.
func plainKeys(b []byte) []byte {
	if len(b) > 1 && b[0] == 0x1b {
		return nil
	}
	return b
}

// say implements view: what happened goes below the table.
func (c *console) say(line string) {
	c.log = append(c.log, line)
	if len(c.log) > mostLog {
		c.log = append([]string(nil), c.log[len(c.log)-mostLog:]...)
	}
}

// draw implements view.
func (c *console) draw(lines []string) {
	width, height := 80, 24 // where the terminal does not say
	if size, err := unix.IoctlGetWinsize(int(c.out.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 && size.Row > 0 {
		width, height = int(size.Col), int(size.Row)
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	frame := layout(lines, c.log, c.foot, width, height)
	for i, line := range frame {
		b.WriteString(line + "\x1b[K")
		if i < len(frame)-1 {
			b.WriteString("\r\n")
		}
	}
	b.WriteString("\x1b[J")
	fmt.Fprint(c.out, b.String())
}

// leastLog is how many lines of the log are always shown.
const leastLog = 4

// layout is exactly what fits a terminal: the table on top, the end of the log,
// and the keys at the bottom. Of a table that is too long the end is left out.
func layout(table, log, foot []string, width, height int) []string {
	room := max(1, height-len(foot)-1)
	if most := max(1, room-leastLog); len(table) > most {
		left := len(table) - most + 1
		table = append(append([]string(nil), table[:most-1]...), fmt.Sprintf("  ... and %d lines more: make the terminal higher", left))
	}
	frame := append(append([]string(nil), table...), strings.Repeat("-", width))
	free := max(0, height-len(frame)-len(foot))
	shown := log[max(0, len(log)-free):]
	frame = append(frame, shown...)
	for range free - len(shown) {
		frame = append(frame, "")
	}
	frame = append(frame, foot...)
	for i := range frame {
		frame[i] = fit(frame[i], width)
	}
	return frame[:min(len(frame), height)]
}

// fit cuts a line to a width.
func fit(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + ">"
}

// ago is a time without an answer, as it is shown.
func ago(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

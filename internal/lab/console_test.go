package lab

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func lines(what string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s %d", what, i))
	}
	return list
}

// The keys are always there, however long the table and small the terminal.
func TestLayoutFits(t *testing.T) {
	for _, c := range []struct{ table, log, width, height int }{{5, 0, 80, 24}, {5, 100, 80, 24}, {100, 100, 80, 24}, {3, 3, 20, 8}, {50, 9, 200, 60}} {
		frame := layout(lines("table", c.table), lines("log", c.log), keyList, c.width, c.height)
		if len(frame) != c.height {
			t.Errorf("%+v: %d lines", c, len(frame))
		}
		for _, l := range frame {
			if utf8.RuneCountInString(l) > c.width {
				t.Errorf("%+v: %q is too wide", c, l)
			}
		}
		if last := frame[len(frame)-1]; !strings.HasPrefix(last, keyList[len(keyList)-1][:10]) {
			t.Errorf("%+v: the last line is %q", c, last)
		}
		if text := strings.Join(frame, "\n"); c.log > 0 && c.height > 10 && !strings.Contains(text, fmt.Sprintf("log %d", c.log-1)) {
			t.Errorf("%+v: the newest of the log is not there:\n%s", c, text)
		}
	}
	for _, l := range keyList {
		if len(l) > 80 {
			t.Errorf("the keys take %d columns: %q", len(l), l)
		}
	}
}

func TestArrowsAreNoKeys(t *testing.T) {
	if got := plainKeys([]byte("\x1b[A")); len(got) != 0 {
		t.Errorf("an arrow is %q", got)
	}
	if got := plainKeys([]byte("kq")); string(got) != "kq" {
		t.Errorf("two keys are %q", got)
	}
}

func TestAddrPortOfService(t *testing.T) {
	for name, want := range map[string]string{"[10.0.0.1]:tcp:80": "10.0.0.1:80", "[2001:db8::1]:udp:53": "[2001:db8::1]:53", "FWM 7": ""} {
		if got := addrPortOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

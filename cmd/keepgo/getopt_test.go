package main

import (
	"fmt"
	"strings"
	"testing"

	"keepgo/internal/daemon"
)

// TestScan reads command lines as getopt_long(3) would.
func TestScan(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"-nlD", "dont-fork log-console log-detail"},
		{"-nDf x y", "dont-fork log-detail use-file=x | y"},
		{"-fx", "use-file=x"},
		{"-f", "!Missing parameter for option -f"},
		{"-t -n", "config-test=- dont-fork"},
		{"-tn", "config-test=n"},
		{"--config-test=a --config-test b", "config-test=a config-test=- | b"},
		{"--config-test=", "config-test=-"},
		{"--use-file=x=y --use x", "use-file=x=y use-file=x"},
		{"--pid= -n", "!Missing parameter for option --pid dont-fork"},
		{"--pid", "!Missing parameter for option --pid"},
		{"--vrr", "!Unknown option --vrr"},
		{"--vrrp --vrrp_ x", "vrrp vrrp_pid=x"},
		{"--check=x", "!Unknown option --check=x"},
		{"--dont-release-v --dont-f", "dont-release-vrrp dont-fork"},
		{"--sig JSON", "signum=JSON"},
		{"--str", "!Unknown option --str"},
		{"--log-f 1", "!Unknown option --log-f | 1"},
		{"-Zn -é --", "!Unknown option -Z dont-fork !Unknown option -é"},
		{"- a -n -- -v", "dont-fork | - a -v"},
	} {
		o := daemon.Options{}
		words, rest := scan(daemonFlags(&o), strings.Fields(c.line))
		var got []string
		for _, w := range words {
			switch {
			case w.fault != "":
				got = append(got, "!"+w.fault)
			case takes(w.flag) == never:
				got = append(got, w.flag.Name)
			default:
				got = append(got, fmt.Sprintf("%s=%s", w.flag.Name, w.value))
			}
		}
		if len(rest) > 0 {
			got = append(append(got, "|"), rest...)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.line, s, c.want)
		}
	}
}

// FuzzScan: every word of a command line ends up somewhere.
func FuzzScan(f *testing.F) {
	f.Add("-nDf x --pid= --vrr - -- -t")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		o := daemon.Options{}
		words, rest := scan(daemonFlags(&o), args)
		if len(rest) > len(args) || len(words) > len(line) {
			t.Errorf("%d words, %d others of %q", len(words), len(rest), line)
		}
	})
}

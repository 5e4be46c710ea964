package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBashCompletion sources the completion in bash and asks it.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	dir := t.TempDir()
	var script strings.Builder
	bashCompletion(&script)
	script.WriteString("COMP_WORDS=(\"$@\") COMP_CWORD=$(($#-1))\n_keepgo\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n")
	file := filepath.Join(dir, "completion.bash")
	for name, text := range map[string]string{file: script.String(), filepath.Join(dir, "a b.conf"): "", filepath.Join(dir, "other"): ""} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	for _, c := range []struct{ line, want []string }{
		{[]string{""}, names},
		{[]string{"ch"}, []string{"check"}},
		{[]string{"check", "--conf"}, []string{"--config-id"}},
		{[]string{"check", "a"}, []string{"a b.conf"}},
		{[]string{"check", "--config-id", ""}, nil},
		{[]string{"run", "-f", "a"}, []string{"a b.conf"}},
		{[]string{"run", "a"}, nil},
		{[]string{"version", "a"}, nil},
		{[]string{"version", "--"}, []string{"--help"}},
		{[]string{"manual", "virtual_router"}, []string{"virtual_router_id"}},
		{[]string{"manual", "--m"}, []string{"--man"}},
		{[]string{"completion", ""}, []string{"bash", "zsh", "fish"}},
		{[]string{"nonsense", ""}, nil},
	} {
		cmd := exec.Command(bash, append([]string{"--norc", file, "keepgo"}, c.line...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", c.line, err, out)
		}
		got := strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
		if !slices.Equal(got, c.want) {
			t.Errorf("%q completes to %q, want %q", c.line, got, c.want)
		}
	}
}

// TestCompletionKnowsAll: every verb and every option is in every script, and
// the shells that are installed find nothing wrong with theirs.
func TestCompletionKnowsAll(t *testing.T) {
	for shell, write := range shells() {
		var script strings.Builder
		write(&script)
		for _, v := range verbs() {
			for _, o := range v.options() {
				if !strings.Contains(script.String(), o.Name) || !strings.Contains(script.String(), v.name) {
					t.Errorf("%s: %s --%s is missing", shell, v.name, o.Name)
				}
			}
		}
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		cmd := exec.Command(shell, "-n", "/dev/stdin")
		cmd.Stdin = strings.NewReader(script.String())
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}

// TestUsage: the usage has every verb once.
func TestUsage(t *testing.T) {
	for _, v := range verbs() {
		if n := strings.Count(usage(), "\n  keepgo "+v.name+" "); n != 1 {
			t.Errorf("%s stands %d times in\n%s", v.name, n, usage())
		}
	}
}

package integration

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCommandLines compares what both daemons answer to command lines that
// start nothing: exit status, and what is written where.
func TestCommandLines(t *testing.T) {
	if _, err := exec.LookPath(string(theirs)); err != nil {
		t.Skip("needs Debian's keepalived: apt-get install keepalived")
	}
	dir := t.TempDir()
	link := filepath.Join(dir, "keepalived")
	if err := os.Symlink(keepgo, link); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte("virtual_server 192.0.2.1 80 {\n protocol TCP\n lb_algo rr\n lb_kind NAT\n real_server 192.0.2.2 80 {\n TCP_CHECK {\n }\n }\n}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"-v", "--version", "--vers", "-nv", "-lv", "-vt", "-lDnv", "-vZ", "-v extra", "extra -v", "-h -v", "--help",
		"--signum=STOP", "--signum=RELOAD", "--signum=DATA", "--signum=STATS", "--signum=STATS_CLEAR", "--signum=JSON",
		"--sig=JSON", "--signum JSON", "--signum=TDATA", "--signum=FOO", "--signum=json", "--signum=JSON extra",
		"--nosuch", "-Z", "--v", "--vrr -v", "--dont -v", "--dont-r -v", "--dont-release-v -v", "--al -v", "--no -v", "--no- -v",
		"--no_b -v", "--release -v", "--addr -v", "--dump -v", "--core -v", "--core-dump -v", "--check=foo", "--version=3",
		"-Zf /nonexistent --foo=bar", "-n -Z -f /nonexistent", "-t -f", "-p", "--pid=", "--checkers_pid=", "--config-id= -v",
		"-S 9 -v", "-S foo -v", "-S local3 -v", "-S local8 -v", "--log-facility=7 -v", "-S user -v", "-S daemon -v",
		"-M -v", "-Mx -v", "-m -v", "-R -v", "--all -v", "--vrrp -v", "-PCBXVIanxe -v", "-A x -v", "-s x -v", "-i -v -n -f /nonexistent",
		"-n -f /nonexistent", "-f /nonexistent", "-nf/nonexistent", "--use-f /nonexistent --dont-f",
		"-t -f CONF", "--config-t --use-file=CONF", "--config-test= -f CONF", "-t -f CONF extra more", "-u 022 -t -f CONF",
	} {
		args := strings.Fields(strings.ReplaceAll(line, "CONF", conf))
		wantCode, wantOut, wantErr := answer(t, dir, string(theirs), args)
		code, out, errs := answer(t, dir, link, args)
		if code != wantCode || out != wantOut || errs != wantErr {
			t.Errorf("keepalived %s\n got %d, %q, %q\nwant %d, %q, %q", line, code, out, errs, wantCode, wantOut, wantErr)
		}
	}
}

// Parts of an answer that differ by nature: the text of version and help, and
// lines that our daemon writes where it finds no syslog daemon.
var (
	versionText = regexp.MustCompile(`(?s)Keepalived v\d+\.\d+\.\d+ \(.*`)
	helpText    = regexp.MustCompile(`(?s)Usage: keepalived \[OPTION\.\.\.\].*`)
	logLine     = regexp.MustCompile(`(?m)^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}: .*\n`)
)

// answer runs a program that ends by itself.
func answer(t *testing.T, dir, program string, args []string) (code int, out, errs string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	text := logLine.ReplaceAllString(stderr.String(), "")
	text = helpText.ReplaceAllString(versionText.ReplaceAllString(text, "VERSION"), "HELP")
	return cmd.ProcessState.ExitCode(), stdout.String(), text
}

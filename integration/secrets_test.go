package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSecretsAreNotTold: a password is in no log, however detailed, and in no
// dump; dumps are for root alone.
func TestSecretsAreNotTold(t *testing.T) {
	onlyOurs(t, "keepalived 2.2.7 tells passwords in dumps and logs")
	w := newWorld(t, ours, ours)
	d := w.a
	dir := filepath.Join(w.lab.Dir, "dumps")
	w.do(os.Mkdir(dir, 0o700))
	t.Setenv("TMPDIR", dir)
	const secret, theirsToo = "s3cr3t!", "0th3r?"
	conf := func(auth string) string {
		return strings.Replace(lone, "interface", "authentication {\n auth_type PASS\n auth_pass "+auth+"\n }\n interface", 1)
	}
	d.configure(conf(secret))
	w.b.configure(strings.Replace(conf(theirsToo), "interface", "priority 50\n interface", 1))
	d.start("-d", "-D")
	w.becomesMasterAlone(d, time.Now())
	w.b.start() // hears adverts that it cannot believe
	w.b.logs("another password")
	d.configure(conf(secret) + "vrrp_instance {\n")
	d.reload()
	d.logs("running configuration goes on")
	names := []string{"keepalived.data", "keepalived_parent.data", "keepalived.stats", "keepalived.json"}
	w.eventually("all dumps are written", func() bool {
		for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, 36} {
			_ = d.proc.Signal(s)
		}
		for _, name := range names {
			if !exists(filepath.Join(dir, name)) {
				return false
			}
		}
		return true
	})
	texts := map[string]string{"the log": d.proc.Log(), "the partner's log": w.b.proc.Log()}
	for _, name := range names {
		path := filepath.Join(dir, name)
		texts[name] = string(must(os.ReadFile(path))(t))
		if info := must(os.Stat(path))(t); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	for what, text := range texts {
		for _, s := range []string{secret, theirsToo} {
			if strings.Contains(text, s) {
				t.Errorf("%s tells %q:\n%s", what, s, text)
			}
		}
	}
	if !strings.Contains(texts["the log"], "VRRP Instance = VI_1") {
		t.Error("-d logged no configuration")
	}
	d.stop()
}

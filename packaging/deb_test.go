// Package packaging holds what the Debian packages are built of, and tests them.
package packaging

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// output is what a program says; one that fails ends the test.
func output(t *testing.T, argv ...string) string {
	t.Helper()
	b, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, b)
	}
	return string(b)
}

// needs skips a test where a program is not installed.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip("needs " + p)
		}
	}
}

// debs builds the packages for some architectures; the key is the name up to
// the version.
func debs(t *testing.T, architectures string) map[string]string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds packages: not with -short")
	}
	needs(t, "dpkg-deb", "xz", "md5sum")
	out := t.TempDir()
	cmd := exec.Command("./build-deb.sh")
	cmd.Env = append(os.Environ(), "ARCHES="+architectures, "OUT="+out, "SOURCE_DATE_EPOCH=1700000000")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	list := map[string]string{}
	files, _ := filepath.Glob(filepath.Join(out, "*.deb"))
	for _, f := range files {
		name, _, _ := strings.Cut(filepath.Base(f), "_")
		list[name] = f
	}
	return list
}

// TestProgramsAreStatic builds for both architectures: no program needs a
// library or a loader of the host.
func TestProgramsAreStatic(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		dir := t.TempDir()
		output(t, "dpkg-deb", "-x", debs(t, arch)["keepgo"], dir)
		f, err := elf.Open(filepath.Join(dir, "usr/sbin/keepgo"))
		if err != nil {
			t.Fatal(err)
		}
		if f.Machine != machine {
			t.Errorf("%s: for %v", arch, f.Machine)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s: has a %v", arch, p.Type)
			}
		}
		f.Close()
	}
}

// root is a system of its own that packages are installed in.
type root struct {
	*testing.T
	dir string
}

func newRoot(t *testing.T) root {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: packages are installed into a directory")
	}
	needs(t, "dpkg", "deb-systemd-helper")
	r := root{t, t.TempDir()}
	for _, dir := range []string{"var/lib/dpkg/updates", "var/lib/dpkg/info", "etc/keepalived"} {
		if err := os.MkdirAll(filepath.Join(r.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.write("var/lib/dpkg/status", "")
	r.write("etc/keepalived/keepalived.conf", "virtual_server 192.0.2.1 80 {\n protocol TCP\n lb_algo rr\n lb_kind NAT\n real_server 192.0.2.2 80 {\n TCP_CHECK {\n }\n }\n}\n")
	return r
}

func (r root) write(name, text string) {
	r.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

// dpkg works in the root. What the packages depend on is in the system around it.
func (r root) dpkg(args ...string) string {
	r.Helper()
	return output(r.T, append([]string{"dpkg", "--root=" + r.dir, "--force-script-chrootless", "--force-depends"}, args...)...)
}

// files are those that stand, directories and what dpkg keeps for itself apart.
func (r root) files() (list []string) {
	_ = filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		if name, _ := filepath.Rel(r.dir, path); err == nil && !d.IsDir() && !strings.HasPrefix(name, "var/") {
			list = append(list, name)
		}
		return nil
	})
	return list
}

// stub is a package keepalived that is installed before.
func (r root) stub() string {
	r.Helper()
	tree := root{r.T, r.TempDir()}
	tree.write("usr/sbin/keepalived", "#!/bin/sh\necho debian\n")
	tree.write("lib/systemd/system/keepalived.service", "[Service]\nExecStart=/usr/sbin/keepalived\n[Install]\nWantedBy=multi-user.target\n")
	tree.write("etc/default/keepalived", "DAEMON_ARGS=\"-D\"\n")
	tree.write("DEBIAN/control", "Package: keepalived\nVersion: 1:2.2.7-1\nArchitecture: all\nMaintainer: x <x@example.net>\nDescription: stub\n")
	tree.write("DEBIAN/conffiles", "/etc/default/keepalived\n")
	deb := filepath.Join(tree.dir, "..", "stub.deb")
	output(r.T, "dpkg-deb", "--root-owner-group", "--build", tree.dir, deb)
	return deb
}

// TestInstallInKeepalivedsPlace installs the packages over keepalived, and
// removes them: the configuration and the options are never touched, and
// nothing of ours is left.
func TestInstallInKeepalivedsPlace(t *testing.T) {
	list := debs(t, runtime.GOARCH)
	r := newRoot(t)
	r.dpkg("-i", r.stub())
	r.write("etc/default/keepalived", "DAEMON_ARGS=\"-D -S 3\"\n")
	before := r.files()
	r.dpkg("-i", list["keepgo"], list["keepgo-keepalived-compat"])

	if status := r.dpkg("-l"); strings.Contains(status, "\nii  keepalived ") || !strings.Contains(status, "\nii  keepgo-keepalived-compat ") {
		t.Errorf("installed are:\n%s", status)
	}
	program := filepath.Join(r.dir, "usr/sbin/keepalived")
	if said := output(t, program, "-v"); !strings.HasPrefix(said, "Keepalived v2.") || !strings.Contains(said, "keepgo") {
		t.Errorf("keepalived -v says %q", said)
	}
	if said := output(t, program, "-t", "-f", filepath.Join(r.dir, "etc/keepalived/keepalived.conf")); said != "" {
		t.Errorf("keepalived -t says %q", said)
	}
	unit := r.read("usr/lib/systemd/system/keepalived.service")
	for _, line := range []string{"ExecStart=/usr/sbin/keepalived --dont-fork $DAEMON_ARGS", "EnvironmentFile=-/etc/default/keepalived", "Conflicts=keepgo.service"} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("keepalived.service lacks %q:\n%s", line, unit)
		}
	}
	if !slices.Contains(r.files(), "etc/systemd/system/multi-user.target.wants/keepalived.service") {
		t.Error("keepalived.service is not enabled")
	}
	if slices.Contains(r.files(), "etc/systemd/system/multi-user.target.wants/keepgo.service") {
		t.Error("keepgo.service is enabled beside it")
	}
	for _, name := range []string{"usr/share/dbus-1/system.d/keepgo.conf", "usr/share/man/man5/keepgo.conf.5.gz", "usr/share/man/man8/keepalived.8.gz", "usr/share/bash-completion/completions/keepgo"} {
		if info, err := os.Stat(filepath.Join(r.dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text := r.read("etc/default/keepalived"); !strings.Contains(text, "-S 3") {
		t.Errorf("/etc/default/keepalived is %q now", text)
	}

	r.dpkg("-P", "keepgo-keepalived-compat")
	r.dpkg("-P", "keepgo")
	for _, name := range r.files() {
		if !slices.Contains(before, name) {
			t.Errorf("left behind: %s", name)
		}
	}
	r.dpkg("-i", r.stub())
	if text := r.read("etc/default/keepalived"); !strings.Contains(text, "-S 3") {
		t.Errorf("back to keepalived, its options are %q", text)
	}
}

func (r root) read(name string) string {
	r.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.Error(err)
	}
	return string(b)
}

// TestUnits lets systemd read the unit, with and without hardened.conf.
func TestUnits(t *testing.T) {
	needs(t, "systemd-analyze")
	service, err := os.ReadFile("keepgo.service")
	if err != nil {
		t.Fatal(err)
	}
	more, err := os.ReadFile("hardened.conf")
	if err != nil {
		t.Fatal(err)
	}
	for limit, text := range map[string]string{"85": string(service), "45": string(service) + string(more)} {
		unit := filepath.Join(t.TempDir(), "keepgo.service")
		text = strings.ReplaceAll(text, "/usr/sbin/keepgo", "/bin/true")
		text = strings.ReplaceAll(text, "Documentation=", "#")
		if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if said := output(t, "systemd-analyze", "verify", "--man=no", unit); strings.Contains(said, "keepgo.service") {
			t.Errorf("verify: %s", said)
		}
		output(t, "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+limit, unit) // ten times the exposure
	}
}

package integration

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/internal/lab"
	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
)

const example = "../etc/keepgo.conf.example"

// labCommand is keepgo lab with its temporary files in a directory of the test.
func labCommand(t *testing.T, args ...string) (cmd *exec.Cmd, out, errs *bytes.Buffer, tmp string) {
	t.Helper()
	needsRoot(t)
	tmp = t.TempDir()
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	cmd = exec.Command(keepgo, append([]string{"lab"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.Stdout, cmd.Stderr = out, errs
	return cmd, out, errs, tmp
}

// TestLabPlaysTheExample is alone: each answer counts.
func TestLabPlaysTheExample(t *testing.T) {
	cmd, out, errs, _ := labCommand(t, "--json", example)
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s", err, errs)
	}
	var r drill.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if !r.OK || len(r.Scenes) != 9 {
		t.Fatalf("outcome: %s", out)
	}
	want := []struct {
		name, master string
		silent       bool // the client must have noticed
	}{
		{"start", "lb1", false}, {"dies", "", false}, {"comes back", "", false},
		{"loses power", "lb2", true}, {"returns", "lb1", false},
		{"is stopped", "lb2", true}, {"started again", "lb1", false},
		{"loses its link", "lb2", true}, {"is back", "lb1", false},
	}
	for i, s := range r.Scenes {
		w := want[i]
		if !s.OK || !strings.Contains(s.Name, w.name) || s.Master != w.master || w.silent && s.GapMS < 100 {
			t.Errorf("scene %+v, want %+v", s, w)
		}
	}
	if r.DataPlane != "ipvs" { // a kernel with IPVS needs no other
		balanced(t, &r, "nftables")
	}
}

// balanced checks who answered the client of the example's two services.
func balanced(t *testing.T, r *drill.Report, plane string) {
	t.Helper()
	if r.DataPlane != plane || len(r.HTTP) != 2 {
		t.Fatalf("asked of %q: %v", r.DataPlane, r.HTTP)
	}
	light, heavy, lost := 0, 0, 0
	for i, s := range r.Scenes {
		if i == 0 {
			continue // nobody asked yet
		}
		byNAT, byDR := s.HTTP[0], s.HTTP[1]
		t.Logf("%s: %v, %v", s.Name, byNAT, byDR)
		if i > 2 { // both servers are in
			light, heavy, lost = light+byNAT.Servers["198.51.100.21"], heavy+byNAT.Servers["198.51.100.22"], lost+byNAT.Failed
		}
		if clients := byDR.Servers; strings.Contains(s.Name, "return") && (len(clients) != 1 || clients["192.0.2.31"]+clients["192.0.2.32"] == 0) {
			t.Errorf("%s: one client with persistence was served by %v", s.Name, clients)
		}
	}
	// Each director begins its turns anew, and what was lost counts as well.
	if off := heavy - 3*light; light == 0 || off > 4*lost+24 || -off > 4*lost+24 {
		t.Errorf("weights 1 and 3 got %d and %d", light, heavy)
	}
}

func TestLabEndsWhenInterrupted(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, out, errs, tmp := labCommand(t, example)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sockets := func() []string { s, _ := filepath.Glob(tmp + "/*/*.sock"); return s }
		if !netlab.Until(patience, func() bool { return len(sockets()) == 2 }) {
			t.Errorf("the directors do not start: %s", errs)
		}
		begin := time.Now()
		cmd.Process.Signal(sig)
		if err := cmd.Wait(); err == nil || !strings.Contains(errs.String(), "interrupted") {
			t.Errorf("after %v: %v\n%s%s", sig, err, out, errs)
		}
		if time.Since(begin) > patience {
			t.Errorf("took %v to end", time.Since(begin))
		}
		if left, _ := os.ReadDir(tmp); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if left := processesWith(tmp); len(left) > 0 {
			t.Errorf("left running: %v", left)
		}
	}
}

// processesWith lists the processes whose arguments contain a text.
func processesWith(text string) []string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var out []string
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), text) {
			out = append(out, strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return out
}

func TestLabSaysWhatItCannotPlay(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "empty.conf")
	if err := os.WriteFile(file, []byte("global_defs {\n}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{file: "nothing to play", file + ".gone": "no such file"} {
		cmd, _, errs, _ := labCommand(t, name)
		if err := cmd.Run(); err == nil || !strings.Contains(errs.String(), want) {
			t.Errorf("lab %s: %v, %q, want %q", name, err, errs, want)
		}
	}
}

// TestLabTellsOfADaemonThatDies has the lab run a program that ends at once.
func TestLabTellsOfADaemonThatDies(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	script := filepath.Join(t.TempDir(), "daemon.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho out of order\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := lab.Run(t.Context(), lab.Options{File: example, Out: new(bytes.Buffer), Daemon: []string{script}})
	if text := fmt.Sprint(err); !strings.Contains(text, "out of order") || !strings.Contains(text, "exit status 3") {
		t.Errorf("error %q does not say why", text)
	}
}

// wholeLab asks for the labs of the whole collection, which take half an hour.
var wholeLab = flag.Bool("labs", false, "start a lab for every file of the collection that has a virtual_server")

// TestLabSweep starts a lab for every file of the collection that has a
// virtual_server: it comes to rest with all servers that it has, or says by name
// what is missing.
func TestLabSweep(t *testing.T) {
	if !*wholeLab {
		t.Skip("takes half an hour: asked for with -labs")
	}
	needsRoot(t)
	files, _ := filepath.Glob("../../shared/corpus/*.conf")
	if len(files) == 0 {
		t.Skip("the corpus is not here")
	}
	book := filepath.Join(t.TempDir(), "drill")
	must(0, os.WriteFile(book, []byte("* skip\nstart\nserver skip"), 0o644))(t)
	for _, file := range files {
		b := must(os.ReadFile(file))(t)
		if !regexp.MustCompile(`(?m)^\s*virtual_server\s`).Match(b) {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			cmd, out, errs, _ := labCommand(t, "--drills", "--json", "--limits", book, file)
			err := cmd.Run()
			if why := notRehearsed[filepath.Base(file)]; err != nil && why != "" && strings.Contains(out.String()+errs.String(), why) {
				t.Skipf("known: %s", why)
			}
			var r drill.Report
			if json.Unmarshal(out.Bytes(), &r) != nil {
				t.Fatalf("%v\n%s%s", err, out, errs)
			}
			for _, n := range r.Notes {
				t.Log("note: " + n)
			}
			for _, s := range r.Scenes {
				t.Logf("%s %s: %s", s.Verdict(), s.Name, s.Why)
			}
			for _, a := range r.HTTP {
				t.Log(a)
			}
			if err != nil || !r.OK {
				t.Errorf("%v %s", err, errs)
			}
		})
	}
}

// notRehearsed are the files of the collection for which no lab comes to rest,
// and what it says of them.
var notRehearsed = map[string]string{
	"077-lvs-x-zh-keepalive.conf":                   "10.3.145.101 of VI_1 is with neither",
	"261-issue1173-lvs-dr.conf":                     "every address is with the director of the higher priority",
	"284-issue1819-lvs-nat-ipv6-routes.conf":        "nothing to play",
	"285-issue1819-lvs-nat-routes.conf":             "nothing to play",
	"296-issue2067-lvs-dr.conf":                     "which has 2 errors",
	"306-issue754-lvs-nat-routes.conf":              "every address is with the director of the higher priority", // adverts every 10 ms
	"316-kdt-lvs-dr-bfd-sip-vmac-sync.conf":         "is with",
	"317-kdt-lvs-dr-nat-tun-bfd-sip-vmac-sync.conf": "is with",
	"318-kdt-lvs-nat-bfd-dns-vmac-sync.conf":        "is with",
	"319-kdt-lvs-dr-nat-tun-bfd-sip-vmac-sync.conf": "is with",
}

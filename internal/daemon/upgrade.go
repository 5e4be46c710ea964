package daemon

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/control"
	"keepgo/internal/lb"
	"keepgo/internal/status"
)

// Variables in the environment of a program that is executed in place of this
// one: the descriptor of the legacy, and the configuration file.
const (
	legacyVar     = "KEEPGO_LEGACY_FD"
	legacyFileVar = "KEEPGO_LEGACY_FILE"
)

// programLimit is how long a new program may take to tell its version.
const programLimit = 10 * time.Second

// legacy is what a daemon leaves to the program that takes its place. Its fields
// are known by their names: another version may have more or fewer.
type legacy struct {
	Version  string
	Masters  []string
	Counted  map[string]uint32
	Servers  *lb.State
	Running  map[string]bool
	Sessions map[string]bool // of BFD
	Scripts  map[string]bool // results of tracked scripts
	Events   []status.Event
	Reloaded *time.Time
	VRRP     *detached // nil where none runs
}

// detached is a VRRP process that goes on until it has a successor.
type detached struct{ PID, FD int }

// program is the file that this process was executed from, as it was called
// then: an upgrade puts another one there.
var program, _ = os.Executable()

// serveUpgrade puts the program that the file of this one is now in its place.
// Whoever can name a program can do anything, so only root may.
func (p *parent) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	if !trusted(r) {
		refuse(w, http.StatusForbidden, errors.New("only root may have the program replaced"))
		return
	}
	if err := p.settled(); err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	version, err := programVersion(r.Context(), program, p.opts.File)
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	p.scripts.Drain(stopLimit)
	reply(w, control.Upgraded{From: p.opts.Version, To: version, Program: program})
	_ = http.NewResponseController(w).Flush()
	p.events <- func() { p.upgrade(version) }
}

// settled says why the configuration must be seen to first: the new program
// reads it, and nobody would stand by if it were wrong.
func (p *parent) settled() error {
	seen := p.ask()
	var v *status.Preview
	var err error
	begun := false
	p.onLoop(func() {
		v, err = p.preview(p.opts.File, seen)
		begun = p.back == nil && p.vrrp.before == nil && p.lvs.before == nil && p.bfd.before == nil && len(p.former)+len(p.stood) == 0
	})
	switch {
	case !begun:
		return errors.New("the processes have not yet taken over from those before them, or have not done all of the last reload; ask again in a moment")
	case err != nil:
		return err
	case v.Refused != "":
		return fmt.Errorf("%s would be refused (%s); put it right first", p.opts.File, v.Refused)
	case len(v.Changes) > 0:
		return fmt.Errorf("%s is not what runs: %s is %s; reload first, so that one thing changes at a time", p.opts.File, v.Changes[0].Name, v.Changes[0].What)
	}
	return nil
}

// programVersion tries a program before all depends on it: it must be keepgo,
// and find no more wrong with the configuration than this one does.
func programVersion(ctx context.Context, path, file string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, programLimit)
	defer cancel()
	out, err := try(ctx, path, "version")
	version, ok := strings.CutPrefix(strings.TrimSpace(string(out)), "keepgo ")
	switch {
	case err != nil:
		return "", fmt.Errorf("%s cannot be executed: %w; the daemon goes on as it is", path, err)
	case !ok:
		return "", fmt.Errorf("%s is not keepgo; the daemon goes on as it is", path)
	}
	test := []string{"run", "-t", "-f", file}
	said, err := try(ctx, path, test...)
	if err == nil {
		return version, nil
	}
	if _, own := try(ctx, "/proc/self/exe", test...); own != nil && own.Error() == err.Error() {
		return version, nil
	}
	said, _, _ = bytes.Cut(said, []byte("\n"))
	return "", fmt.Errorf("keepgo %s does not take %s (%w: %s); the daemon goes on as it is", version, file, err, said)
}

// try runs a program under the name of keepgo, and returns what it says.
func try(ctx context.Context, path string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Args[0] = "keepgo"
	return cmd.CombinedOutput()
}

// upgrade lets the children end and leave everything standing; when they have,
// the new program is executed.
func (p *parent) upgrade(version string) {
	if p.stopping || p.leaves {
		return
	}
	p.log.printf("Upgrading to keepgo %s", version)
	p.depart()
}

// depart lets the children make way for those of another program.
func (p *parent) depart() {
	p.leaves = true
	p.last = p.results()
	p.tracked.set(nil)
	ctx, cancel := context.WithTimeout(context.Background(), killLimit)
	defer cancel()
	p.outlet.Close(ctx)
	p.vrrp.detach()
	p.lvs.leave()
	p.bfd.leave()
	p.ended()
}

// detach lets a process go on until the new program has one in its place: it
// speaks all the while.
func (c *child) detach() {
	c.needed = false
	if c.running() && c.before != nil { // that one speaks, and this one has nothing yet
		c.kill()
		return
	}
	if !c.running() {
		c.leave()
		return
	}
	c.tell(toChild{Detach: true})
	process := c.cmd.Process
	time.AfterFunc(stopLimit, func() {
		c.parent.events <- func() {
			if !c.detached && c.running() && c.cmd.Process == process {
				c.kill()
			}
		}
	})
}

// leave lets a process end without a word to anybody but its parent.
func (c *child) leave() {
	c.needed = false
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	if c.running() {
		c.leaving = true
		c.tell(toChild{Leave: true})
		process := c.cmd.Process
		time.AfterFunc(stopLimit, func() { _ = process.Kill() })
	}
}

// results are those of the tracked scripts, or what the last program knew.
func (p *parent) results() map[string]bool {
	all := map[string]bool{}
	for _, s := range p.cfg.Scripts {
		if ok, known := p.result(s.Name); known {
			all[s.Name] = ok
		}
	}
	return all
}

// become executes the new program in this process. If that fails the children
// are started again, where they were.
func (p *parent) become() {
	p.restoreCore()
	err := p.succumb()
	p.listenSignals()
	p.log.printf("upgrade: %v; this program goes on", err)
	p.noteDaemon("UPGRADE_FAILED", "%v", err)
	p.back.close()
	p.leaves, p.heir, p.back = false, true, nil
	if p.vrrp.detached {
		p.vrrp.detached = false
		p.vrrp.tell(toChild{Attach: true})
	}
	p.apply()
}

// succumb executes the program, with all that it needs to go on. It returns if
// that fails.
func (p *parent) succumb() error {
	old, err := p.vrrp.handle()
	if err != nil {
		return err
	}
	if old != nil {
		defer unix.Close(old.FD)
	}
	fd, err := p.bequeath(old)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	back := p.back
	if back == nil {
		back = keepProgram()
		defer back.close()
	}
	path, env := p.successor(back, append(os.Environ(), legacyVar+"="+strconv.Itoa(fd), legacyFileVar+"="+p.opts.File))
	return fmt.Errorf("%s: %w", path, execute(path, env))
}

// bequeath writes the legacy to a file in memory that outlives the program.
func (p *parent) bequeath(old *detached) (fd int, err error) {
	servers, err := p.servers.State()
	if err != nil {
		return -1, fmt.Errorf("legacy: %w", err)
	}
	var b bytes.Buffer
	err = gob.NewEncoder(&b).Encode(&legacy{
		Version: p.opts.Version, Masters: slices.Sorted(maps.Keys(p.masters)), Counted: p.counted, Servers: servers,
		Running: p.running, Sessions: p.sessions, Scripts: p.last, Events: p.history.After(0), Reloaded: p.reloaded, VRRP: old,
	})
	if err != nil {
		return -1, fmt.Errorf("legacy: %w", err)
	}
	if fd, err = unix.MemfdCreate("keepgo-legacy", 0); err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	for text := b.Bytes(); len(text) > 0 && err == nil; {
		var n int
		n, err = unix.Write(fd, text)
		text = text[max(n, 0):]
	}
	if err == nil {
		_, err = unix.Seek(fd, 0, 0)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("legacy: %w", err)
	}
	return fd, nil
}

// handle is what another program needs to take the process over.
func (c *child) handle() (*detached, error) {
	if before, is := c.before.(*detached); is {
		fd, err := unix.FcntlInt(uintptr(before.FD), unix.F_DUPFD, 0)
		return &detached{before.PID, fd}, err
	}
	if !c.running() {
		return nil, nil
	}
	raw, err := c.link.conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	d := &detached{PID: c.cmd.Process.Pid}
	failed := raw.Control(func(fd uintptr) { d.FD, err = unix.FcntlInt(fd, unix.F_DUPFD, 0) })
	return d, errors.Join(failed, err)
}

// end ends the process and returns what it kept.
func (d *detached) end() (last []fromChild, err error) {
	process, _ := os.FindProcess(d.PID)
	defer process.Wait()
	defer process.Kill() // it has ended by itself, or never will
	f := os.NewFile(uintptr(d.FD), "vrrp")
	defer f.Close()
	if err := unix.Shutdown(d.FD, unix.SHUT_WR); err != nil {
		return nil, fmt.Errorf("shutdown: %w", err)
	}
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(stopLimit))
	err = json.NewDecoder(conn).Decode(&last)
	_, _ = io.Copy(io.Discard, conn) // until it has ended
	return last, err
}

// inherit takes the legacy of the program that was here before, if there was
// one. What of it cannot be read is lost, and that is told: the children start
// as after a restart then.
func (p *parent) inherit() {
	fd, err := strconv.Atoi(os.Getenv(legacyVar))
	os.Unsetenv(legacyVar)
	os.Unsetenv(legacyFileVar)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), "legacy")
	defer f.Close()
	var l legacy
	if err := gob.NewDecoder(f).Decode(&l); err != nil {
		p.log.printf("the legacy of the last program: %v; starting anew", err)
		return
	}
	for _, name := range l.Masters {
		p.masters[name] = true
	}
	maps.Copy(p.counted, l.Counted)
	maps.Copy(p.running, l.Running)
	maps.Copy(p.sessions, l.Sessions)
	p.servers, p.last, p.reloaded, p.heir = l.Servers.Pack(), l.Scripts, l.Reloaded, true
	for _, c := range []*child{p.vrrp, p.lvs, p.bfd} {
		c.sought = true // the processes of the last program are told of here
	}
	if l.VRRP != nil {
		unix.CloseOnExec(l.VRRP.FD)
		p.vrrp.before = l.VRRP
	}
	p.history.Adopt(l.Events)
	if p.failed != "" {
		p.log.printf("upgrade: %s; this program takes its place again", p.failed)
		p.noteDaemon("UPGRADE_FAILED", "%s", p.failed)
		return
	}
	p.noteDaemon("UPGRADE", "%s took the place of %s", p.opts.Version, l.Version)
}

// isHeir tells whether this program took the place of another.
func isHeir() bool { return os.Getenv(legacyVar) != "" }

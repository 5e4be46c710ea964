package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"keepgo/checker/script"
	"keepgo/confparse"
	"keepgo/internal/dump"
	"keepgo/internal/status"
)

// defaultUmask is what files of the daemon lack unless the configuration or -u
// says otherwise: they are for root alone.
const defaultUmask = 0o177

// dumpFile is a file to write, and what makes its text.
type dumpFile struct {
	path string
	text func(dump.World) []byte
}

// dump writes the files that a signal asks for, and calls done then, on another
// goroutine. The children only tell their state as a value: the writing is the
// parent's, and not on its loop.
func (p *parent) dump(s os.Signal, done func()) {
	w, files := p.world(), p.dumpFiles(s)
	p.collect(s == sigStatsClear, func(st *status.Status) {
		w.Status = st
		go func() {
			p.writeDumps(files, w)
			done()
		}()
	})
}

// dumpFiles are the files of a signal.
func (p *parent) dumpFiles(s os.Signal) (files []dumpFile) {
	switch s {
	case unix.SIGUSR1:
		files = append(files, dumpFile{p.dataFile("parent"), dump.Parent})
		if p.vrrp.needed {
			files = append(files, dumpFile{p.dataFile(""), func(w dump.World) []byte {
				w.Links = links(virtual(w.Config))
				return dump.VRRP(w)
			}})
		}
		if p.lvs.needed {
			files = append(files, dumpFile{p.dataFile("check"), dump.Check})
		}
	case sigJSON:
		files = append(files, dumpFile{TempFile("keepalived.json"), dump.JSON})
	case unix.SIGUSR2, sigStatsClear:
		files = append(files, dumpFile{TempFile("keepalived.stats"), func(w dump.World) []byte { return dump.Stats(w.Status) }})
	}
	return files
}

// world is what dumps tell of, but for the status.
func (p *parent) world() dump.World {
	host, _ := os.Hostname()
	return dump.World{
		Config: p.cfg, Namespace: p.scope.namespace, HostName: host, Umask: p.umask(),
		Identity: func(user, group string) (uid, gid uint32) {
			id, _ := script.Resolve(user, group)
			return id.UID, id.GID
		},
	}
}

// logConfig logs the configuration, if -d asks for it.
func (p *parent) logConfig() {
	if !p.opts.DumpConf {
		return
	}
	w := p.world()
	w.Status = &status.Status{}
	texts := [][]byte{dump.VRRP(w)}
	if needsLVS(p.cfg) {
		texts = append(texts, dump.Check(w))
	}
	for _, text := range texts {
		for line := range strings.Lines(string(text)) {
			p.log.printf("%s", strings.TrimSuffix(line, "\n"))
		}
	}
}

// umask is what files of the daemon lack.
func (p *parent) umask() uint32 {
	switch {
	case p.opts.Umask != nil:
		return *p.opts.Umask
	case p.cfg.Global.Umask != nil:
		return *p.cfg.Global.Umask
	}
	return defaultUmask
}

// setUmask gives the process, and with it its scripts, the umask that somebody
// asked for.
func (p *parent) setUmask() {
	if p.opts.Umask != nil || p.cfg.Global.Umask != nil {
		unix.Umask(int(p.umask()))
	}
}

// writeDumps writes files. One without a text is not written.
func (p *parent) writeDumps(files []dumpFile, w dump.World) {
	p.dumping.Lock()
	defer p.dumping.Unlock()
	for _, f := range files {
		text := f.text(w)
		if text == nil {
			continue
		}
		if err := writeSafe(f.path, text, 0o666&^fs.FileMode(w.Umask)); err != nil {
			p.log.printf("dump: %v", err)
		}
	}
}

// dataFile is the path of a dump of the state. state_dump_file gives another
// directory, or name, or both.
func (p *parent) dataFile(process string) string {
	path := TempFile("keepalived.data")
	if file := p.cfg.Global.StateDumpFile; file != "" {
		dir, name := filepath.Split(file)
		if name == "" {
			name = "keepalived.data"
		}
		if path = TempFile(name); strings.HasPrefix(dir, "/") {
			path = filepath.Join(dir, name)
		}
	}
	in := scope{}
	if p.cfg.Global.DataUseInstance {
		in = p.scope
	}
	return fileName(path, process, in)
}

// writeSafe replaces a file in a directory that others may write to. Readers
// see the old text or the new one, never a part; those who wait for a rename
// wake as well as those who wait until a writer has closed the file. A symbolic
// link in the way is refused.
func writeSafe(path string, text []byte, mode fs.FileMode) (err error) {
	if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
		return fmt.Errorf("%s is not written: a %s is in the way; remove it", path, kind(fi.Mode()))
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	// Who waits for IN_CLOSE_WRITE gets it, on the name and with all of the text.
	if last, err := os.OpenFile(path, os.O_WRONLY|oNoFollow, 0); err == nil {
		last.Close()
	}
	return nil
}

func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m.IsDir():
		return "directory"
	}
	return "special file"
}

// virtual are the addresses that stand because we say so.
func virtual(cfg *confparse.Config) map[netip.Addr]bool {
	set := map[netip.Addr]bool{}
	note := func(list []confparse.Address) {
		for i := range list {
			set[list[i].Prefix.Addr()] = true
		}
	}
	note(cfg.StaticAddresses)
	for _, in := range cfg.Instances {
		note(in.Addresses)
		note(in.Excluded)
	}
	return set
}

// links are the network interfaces of the host, with addresses that are not
// virtual. What cannot be read is left
// out: a dump is told as far as it is known.
func links(virtual map[netip.Addr]bool) []dump.Link {
	var list []dump.Link
	all, _ := net.Interfaces()
	place := make(map[int]int, len(all))
	for i, n := range all {
		l := dump.Link{
			Name: n.Name, Index: n.Index, MTU: n.MTU, MAC: n.HardwareAddr.String(),
			Broadcast: n.Flags&net.FlagBroadcast != 0, Loopback: n.Flags&net.FlagLoopback != 0,
			Multicast: n.Flags&net.FlagMulticast != 0, Up: n.Flags&net.FlagUp != 0, Running: n.Flags&net.FlagRunning != 0,
		}
		if l.Loopback {
			l.MAC = ""
		}
		list, place[n.Index] = append(list, l), i
	}
	addrs, _ := netlink.AddrList(nil, netlink.FAMILY_ALL) // of all interfaces at once
	for _, a := range addrs {
		i, known := place[a.LinkIndex]
		addr, ok := netip.AddrFromSlice(a.IP)
		if addr = addr.Unmap(); known && ok && !virtual[addr] {
			list[i].Addr4, list[i].Addr6 = firstOf(list[i].Addr4, list[i].Addr6, addr)
		}
	}
	return list
}

// firstOf takes an address if it is the first of its family, or the first
// link-local one of IPv6. The ::1 of lo is none.
func firstOf(v4, v6, a netip.Addr) (netip.Addr, netip.Addr) {
	switch {
	case a.Is4() && !v4.IsValid():
		v4 = a
	case a.Is6() && !a.IsLoopback() && (!v6.IsValid() || a.IsLinkLocalUnicast() && !v6.IsLinkLocalUnicast()):
		v6 = a
	}
	return v4, v6
}

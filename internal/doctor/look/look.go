// Package look gathers the facts that package doctor judges: from the daemon, the
// kernel, the files of other programs, and the network.
package look

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"keepgo/confparse"
	"keepgo/internal/control"
	"keepgo/internal/doctor"
	"keepgo/ipvsctl"
	"keepgo/ipvsctl/genl"
	"keepgo/ipvsctl/nft"
)

// Options say what is looked at, and how.
type Options struct {
	Control string   // path of the control socket
	Peers   []string // URLs or addresses of the other director's status; none guesses
	Passive bool     // nothing is sent on the network
	Root    string   // where the file tree of the machine begins, "/"
	// Within calls a function in the network namespace of IPVS; nil where that is
	// ours.
	Within func(func() error) error
}

// settling is how long what is on its way may take before it counts.
const settling = 1200 * time.Millisecond

// looker is a look under way.
type looker struct {
	Options
	*doctor.Facts
	client *control.Client
	handle *netlink.Handle
}

// Complete adds to what is known of a configuration all other facts. What cannot
// be found out is noted in them.
func Complete(ctx context.Context, f *doctor.Facts, o Options) {
	l := &looker{Options: o, Facts: f, client: control.New(o.Control)}
	f.Passive = o.Passive
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		f.Silent = err.Error()
		return
	}
	defer handle.Close()
	l.handle = handle
	for range 2 { // what is on its way at the first look is there at the second
		l.own(ctx)
		if doctor.Settled(f) || !pause(ctx, settling) {
			break
		}
	}
	l.filters()
	l.others()
	l.static()
	l.peers(ctx)
	if !o.Passive {
		l.wire(ctx)
	}
}

// pause waits, and says whether ctx still holds.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// own is what this machine has: the daemon, the kernel, addresses.
func (l *looker) own(ctx context.Context) {
	l.daemon(ctx)
	l.addresses()
	l.sysctls()
	l.listeners()
	l.table()
}

// daemonTime bounds how long a daemon may take to say how it is.
const daemonTime = 5 * time.Second

func (l *looker) daemon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, daemonTime)
	defer cancel()
	st, err := l.client.Status(ctx)
	l.Status = st
	if err != nil {
		l.NoStatus = err.Error()
		l.Denied = unix.Access(l.Control, unix.W_OK) == unix.EACCES
		return
	}
	info, err := os.Stat(l.File)
	read := st.Began
	if st.Reloaded != nil {
		read = *st.Reloaded
	}
	l.Changed = err == nil && info.ModTime().After(read)
}

// addresses are those of this machine, and its interfaces.
func (l *looker) addresses() {
	l.Links, l.Standing = map[string]doctor.Link{}, nil
	names := map[int]string{}
	links, _ := l.handle.LinkList()
	for _, link := range links {
		a := link.Attrs()
		names[a.Index] = a.Name
		l.Links[a.Name] = doctor.Link{Index: a.Index, Up: a.RawFlags&unix.IFF_UP != 0, MAC: a.HardwareAddr.String()}
	}
	list, _ := l.handle.AddrList(nil, netlink.FAMILY_ALL)
	for _, a := range list {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			ones, _ := a.Mask.Size()
			l.Standing = append(l.Standing, doctor.Standing{Prefix: netip.PrefixFrom(ip.Unmap(), ones), Link: names[a.LinkIndex]})
		}
	}
}

// sysctls reads the settings that are judged.
func (l *looker) sysctls() {
	l.Sysctls = map[string]string{}
	paths := doctor.Sysctls()
	for name := range l.Links {
		paths = append(paths, "net/ipv4/conf/"+name+"/rp_filter", "net/ipv4/conf/"+name+"/arp_ignore")
	}
	for _, path := range append(paths, "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/all/arp_ignore") {
		if b, err := os.ReadFile("/proc/sys/" + path); err == nil {
			l.Sysctls[path] = strings.TrimSpace(string(b))
		}
	}
}

// table reads the services that stand in the kernel.
func (l *looker) table() {
	l.Plane, l.NoPlane, l.Have = doctor.IPVS, "", nil
	if l.Plan == nil || len(l.Plan.Services) == 0 {
		return
	}
	switch {
	case l.Status != nil && l.Status.DataPlane != "":
		l.Plane = l.Status.DataPlane
	case l.Config.Global.DataPlane == confparse.PlaneNFTables:
		l.Plane = doctor.NFTables
	}
	read := readIPVS
	if l.Plane == doctor.NFTables {
		read = readNFTables
	}
	within := l.Within
	if within == nil {
		within = func(f func() error) error { return f() }
	}
	err := within(func() (err error) {
		l.Have, err = read()
		return err
	})
	if err != nil {
		l.NoPlane, l.Have = err.Error(), nil
	}
}

func readIPVS() (ipvsctl.Table, error) {
	k, err := genl.Dial()
	if err != nil {
		return nil, err
	}
	defer k.Close()
	services, err := k.Services()
	if err != nil {
		return nil, err
	}
	t := ipvsctl.Table{}
	for _, s := range services {
		servers, err := k.Servers(s.Key)
		if err != nil {
			return nil, err
		}
		e := ipvsctl.Entry{Service: s.Service, Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
		for _, d := range servers {
			e.Destinations[d.Key] = d.Destination
		}
		t[s.Key.Canonical()] = e.Canonical(s.Key)
	}
	return t, nil
}

func readNFTables() (ipvsctl.Table, error) {
	d, err := nft.Open(nft.Options{})
	if err != nil {
		return nil, err
	}
	d.Leave(true)
	defer d.Close()
	return d.Read()
}

// sizeLimit bounds a file that is read whole.
const sizeLimit = 1 << 20

// text reads a file of the machine, as far as it goes; "" where there is none.
func (l *looker) text(path string) string {
	f, err := os.Open(filepath.Join(l.Root, path))
	if err != nil {
		return ""
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(f, sizeLimit)); err != nil {
		return ""
	}
	return b.String()
}

// listenState is TCP_LISTEN in /proc/net/tcp (net/tcp_states.h).
const listenState = "0A"

// listeners are sockets that wait at one address only.
func (l *looker) listeners() {
	l.Listening = nil
	for _, path := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			fields := strings.Fields(line)
			if len(fields) < 4 || fields[3] != listenState {
				continue
			}
			if at, ok := socketAddr(fields[1]); ok && !at.Addr().IsUnspecified() {
				l.Listening = append(l.Listening, doctor.Listener{At: at})
			}
		}
	}
}

// socketAddr reads "0100007F:0050": words of 4 bytes in the machine's order.
func socketAddr(text string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(text, ":")
	var number uint16
	if _, err := fmt.Sscanf(port, "%X", &number); err != nil || !ok {
		return netip.AddrPort{}, false
	}
	var b []byte
	for ; len(host) >= 8; host = host[8:] {
		var word uint32
		if _, err := fmt.Sscanf(host[:8], "%X", &word); err != nil {
			return netip.AddrPort{}, false
		}
		b = append(b, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), number), ok
}

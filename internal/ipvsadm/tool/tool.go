// Package tool carries out the command lines of ipvsadm(8) on a kernel.
package tool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"keepgo/internal/ipvsadm"
	"keepgo/ipvsctl"
	"keepgo/ipvsctl/genl"
)

// Kernel is what is asked of the kernel's IPVS; a genl.Client is one.
type Kernel interface {
	Info() (version [3]int, size int, err error)
	Services() ([]ipvsctl.ServiceListing, error)
	Service(ipvsctl.ServiceKey) (ipvsctl.ServiceListing, error)
	Servers(ipvsctl.ServiceKey) ([]ipvsctl.ServerListing, error)
	Apply(ipvsctl.Op) error
	Flush() error
	Zero(*ipvsctl.ServiceKey) error
	Timeouts() (ipvsctl.Timeouts, error)
	SetTimeouts(ipvsctl.Timeouts) error
	Daemons() (ipvsctl.Daemons, error)
	StartDaemon(ipvsctl.SyncRole, ipvsctl.Sync) error
	StopDaemon(ipvsctl.SyncRole) error
	Close()
}

// Guard knows which services another program holds.
type Guard interface {
	// Holder is who holds a service, in words; "" for nobody.
	Holder(ipvsctl.ServiceKey) string
	// Tell says to the holder that a service of its was changed on purpose.
	Tell(ipvsctl.ServiceKey) error
}

// Tool is the world of a command line.
type Tool struct {
	Open      func() (Kernel, error)
	Names     ipvsadm.Names
	Guard     Guard // nil: nobody holds anything
	In        io.Reader
	Out, Errs io.Writer

	kernel  Kernel
	force   bool
	changes []ipvsctl.ServiceKey // services that the command under way changes
}

// forced is the option that changes what another program holds.
const forced = "--force"

// connectionsFile lists the connections of the thread's network namespace.
const connectionsFile = "/proc/thread-self/net/ip_vs_conn"

// Run carries out a command line; args[0] is what the program is called. It
// returns the exit status.
func (t *Tool) Run(args []string) int {
	out := bufio.NewWriter(t.Out)
	defer out.Flush()
	whole := *t
	whole.Out = out
	whole.force = slices.Contains(args, forced)
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == forced })
	k, err := t.Open()
	if err != nil {
		return whole.lost(err)
	}
	defer k.Close()
	whole.kernel = k
	code, _ := whole.one(args, false)
	return code
}

// lost says why there is no kernel to ask.
func (t *Tool) lost(err error) int {
	if errors.Is(err, genl.ErrNoIPVS) {
		fmt.Fprintf(t.Errs, "%v\n", err)
		err = unix.ENOPROTOOPT
	}
	fmt.Fprintf(t.Errs, "Can't initialize ipvs: %s\nAre you sure that IP Virtual Server is built in the kernel or as module?\n",
		message(ipvsadm.List, err))
	return ipvsadm.ExitFault
}

// one carries out one command line. After a fatal mistake nothing more is to be
// done.
func (t *Tool) one(args []string, restoring bool) (code int, fatal bool) {
	c, err := ipvsadm.Parse(args, t.Names)
	if err == nil && restoring && c.Verb == ipvsadm.Restore {
		err = ipvsadm.TryHelp(args[0])
	}
	if err == nil {
		err = t.guard(c)
	}
	var fault *ipvsadm.Fault
	if errors.As(err, &fault) {
		fmt.Fprint(t.Errs, fault.Text)
		return fault.Code, true
	}
	if c.Verb == ipvsadm.Restore {
		return t.restore(args[0]), false
	}
	if err := t.do(c, args[0]); err != nil {
		fmt.Fprintln(t.Errs, message(c.Verb, err))
		if c.Verb == ipvsadm.List || c.Verb == ipvsadm.Save {
			return ipvsadm.ExitUnknown, false
		}
		return ipvsadm.ExitFailed, false
	}
	if restoring && c.Verb >= ipvsadm.Help {
		return ipvsadm.ExitOK, true
	}
	return t.tell(), false
}

// restore carries out the lines of standard input.
func (t *Tool) restore(name string) (code int) {
	lines := bufio.NewScanner(t.In)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) > 0 && words[0] == "ipvsadm" {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		var fatal bool
		if code, fatal = t.one(append([]string{name}, words...), true); fatal {
			return code
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintf(t.Errs, "standard input: %v\n", err)
		return ipvsadm.ExitFailed
	}
	return code
}

// do carries out a command that is not to restore.
func (t *Tool) do(c ipvsadm.Command, name string) error {
	switch c.Verb {
	case ipvsadm.Clear:
		return t.kernel.Flush()
	case ipvsadm.Zero:
		if !c.Keyed {
			return t.kernel.Zero(nil)
		}
		return t.kernel.Zero(&c.Key)
	case ipvsadm.SetTimeouts:
		return t.kernel.SetTimeouts(c.Timeouts)
	case ipvsadm.StartDaemon:
		return t.kernel.StartDaemon(c.Role, c.Sync)
	case ipvsadm.StopDaemon:
		return t.kernel.StopDaemon(c.Role)
	case ipvsadm.List:
		return t.list(c)
	case ipvsadm.Save:
		return t.each(ipvsadm.Printer{Show: c.Show, Names: t.Names}, ipvsadm.Printer.Saved)
	case ipvsadm.Help, ipvsadm.Version:
		return t.introduce(c.Verb, name)
	}
	return t.kernel.Apply(op(c))
}

// op is the change of the table that a command asks for.
func op(c ipvsadm.Command) ipvsctl.Op {
	kind := map[ipvsadm.Verb]ipvsctl.OpKind{
		ipvsadm.Add: ipvsctl.AddService, ipvsadm.Edit: ipvsctl.EditService, ipvsadm.Delete: ipvsctl.DelService,
		ipvsadm.AddServer: ipvsctl.AddDest, ipvsadm.EditServer: ipvsctl.EditDest, ipvsadm.DeleteServer: ipvsctl.DelDest,
	}[c.Verb]
	s := c.Service
	if s.Timeout > 0 {
		s.Flags |= ipvsctl.FlagPersistent
	}
	return ipvsctl.Op{Kind: kind, Service: c.Key, Definition: s, Dest: c.Server, Destination: c.Destination}
}

func (t *Tool) introduce(v ipvsadm.Verb, name string) error {
	version, _, err := t.kernel.Info()
	if err != nil {
		return err
	}
	fmt.Fprint(t.Out, ipvsadm.VersionText(version))
	if v == ipvsadm.Help {
		fmt.Fprint(t.Out, ipvsadm.Usage(name))
	}
	return nil
}

func (t *Tool) list(c ipvsadm.Command) error {
	p := ipvsadm.Printer{Show: c.Show, Names: t.Names}
	switch {
	case c.Show.Connections:
		return t.connections(p)
	case c.Keyed:
		return t.listOne(p, c.Key)
	case c.Show.Timeouts:
		all, err := t.kernel.Timeouts()
		if err == nil {
			fmt.Fprint(t.Out, ipvsadm.Timeouts(all))
		}
		return err
	case c.Show.Daemons:
		all, err := t.kernel.Daemons()
		if err == nil {
			fmt.Fprint(t.Out, ipvsadm.Daemons(all))
		}
		return err
	}
	version, size, err := t.kernel.Info()
	if err != nil {
		return err
	}
	fmt.Fprint(t.Out, ipvsadm.Banner(version, size), p.Titles())
	return t.each(p, ipvsadm.Printer.Service)
}

func (t *Tool) listOne(p ipvsadm.Printer, k ipvsctl.ServiceKey) error {
	s, err := t.kernel.Service(k)
	if err != nil {
		return err
	}
	servers, err := t.kernel.Servers(k)
	if err != nil {
		return err
	}
	one := p.Order([]ipvsadm.Listed{{ServiceListing: s, Servers: servers}})
	fmt.Fprint(t.Out, p.Titles(), p.Service(one[0]))
	return nil
}

// each prints every service of the table. One that goes meanwhile is left out.
func (t *Tool) each(p ipvsadm.Printer, text func(ipvsadm.Printer, ipvsadm.Listed) string) error {
	services, err := t.kernel.Services()
	if err != nil {
		return err
	}
	var list []ipvsadm.Listed
	for _, s := range services {
		servers, err := t.kernel.Servers(s.Key)
		switch {
		case errors.Is(err, unix.ESRCH):
		case err != nil:
			return err
		default:
			list = append(list, ipvsadm.Listed{ServiceListing: s, Servers: servers})
		}
	}
	for _, l := range p.Order(list) {
		fmt.Fprint(t.Out, text(p, l))
	}
	return nil
}

// connections prints the kernel's connections as they come: there may be
// millions.
func (t *Tool) connections(p ipvsadm.Printer) error {
	f, err := os.Open(connectionsFile)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprint(t.Out, p.ConnectionTitles())
	lines := bufio.NewScanner(f)
	for first := true; lines.Scan(); first = false {
		if first {
			continue // the titles
		}
		c, err := ipvsadm.ParseConnection(lines.Text())
		if err != nil {
			fmt.Fprintf(t.Errs, "%s: %v\n", connectionsFile, err)
			continue
		}
		fmt.Fprint(t.Out, p.Connection(c))
	}
	return lines.Err()
}

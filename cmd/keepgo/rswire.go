package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"keepgo/internal/daemon"
	"keepgo/internal/doctor"
	"keepgo/internal/doctor/look"
)

// wireTime is how long answers and adverts are listened for.
const wireTime = 3 * time.Second

// runWire is keepgo rs verify --wire: who answers for virtual addresses on the
// network, from any machine of it.
func runWire(o *nodeOptions, out, errs io.Writer) int {
	found, err := verifyWire(o, out)
	if err != nil {
		fmt.Fprintf(errs, "keepgo rs verify: %v\n", err)
		return exitFaulty
	}
	if slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Severity == doctor.Fault }) {
		return exitFaulty
	}
	return exitOK
}

func verifyWire(o *nodeOptions, out io.Writer) ([]doctor.Finding, error) {
	vips, err := addresses(o.wire)
	if err != nil {
		return nil, err
	}
	names, err := o.servers()
	if err != nil {
		return nil, err
	}
	links := map[string][]netip.Addr{}
	for _, v := range vips {
		link := o.dev
		if link == "" {
			if link, err = linkOf(v); err != nil {
				return nil, err
			}
		}
		links[link] = append(links[link], v)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var answers []doctor.Answer
	for link, list := range links {
		a, err := look.Who(ctx, link, list, names, wireTime)
		if err != nil {
			return nil, err
		}
		answers = append(answers, a...)
	}
	slices.SortFunc(answers, func(a, b doctor.Answer) int { return a.Addr.Compare(b.Addr) })
	for i := range answers {
		// A master does not hear its own adverts, nor its answers.
		answers[i].Ours = answers[i].Master == nil && stands(answers[i].Addr, answers[i].Link)
	}
	found := doctor.Wire(answers)
	found = append(found, ours(answers)...)
	o.printWire(out, answers, found)
	return found, nil
}

// servers are the real servers of the file, by which stations are recognized.
// The usual file may be missing: then they have no names.
func (o *nodeOptions) servers() (map[netip.Addr]string, error) {
	names := map[netip.Addr]string{}
	cfg, _, err := daemon.Read(daemon.Options{File: o.file})
	if err != nil {
		if o.file == daemon.Defaults().File {
			err = nil
		}
		return names, err
	}
	for _, vs := range cfg.VirtualServers {
		for _, rs := range vs.Servers {
			names[rs.Addr] = "real server " + rs.Addr.String()
		}
	}
	return names, nil
}

// linkOf is the interface whose network an address belongs to.
func linkOf(a netip.Addr) (string, error) {
	links, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, l := range links {
		addrs, _ := l.Addrs()
		for _, of := range addrs {
			p, err := netip.ParsePrefix(of.String())
			if err == nil && l.Flags&net.FlagLoopback == 0 && len(l.HardwareAddr) == 6 && p.Bits() < a.BitLen() && p.Contains(a) {
				return l.Name, nil
			}
		}
	}
	return "", fmt.Errorf("%s is in no network of this machine: name the interface with --dev", a)
}

// stands tells whether an address stands on an interface of this machine.
func stands(a netip.Addr, link string) bool {
	l, err := net.InterfaceByName(link)
	if err != nil {
		return false
	}
	addrs, _ := l.Addrs()
	return slices.ContainsFunc(addrs, func(of net.Addr) bool {
		p, err := netip.ParsePrefix(of.String())
		return err == nil && p.Addr() == a
	})
}

// ours is what this machine answers itself, which it does not hear: for an
// address of the interface, and with arp_ignore 0 for all that it has. The kernel
// takes the greater of the setting of all interfaces and that of one.
func ours(answers []doctor.Answer) (found []doctor.Finding) {
	for _, a := range answers {
		why := ""
		switch {
		case a.Ours || !standsAnywhere(a.Addr):
			continue
		case stands(a.Addr, a.Link):
			why = "it stands on " + a.Link
		case a.Addr.Is4() && arpIgnore("all") == "0" && arpIgnore(a.Link) == "0":
			why = "net.ipv4.conf.all.arp_ignore and net.ipv4.conf." + a.Link + ".arp_ignore are 0"
		default:
			continue
		}
		found = append(found, doctor.Finding{Severity: doctor.Fault, What: fmt.Sprintf("this machine answers for %s too", a.Addr), Evidence: why, Fix: "keepgo rs up; keepgo rs verify"})
	}
	return found
}

func arpIgnore(link string) string {
	b, _ := os.ReadFile("/proc/sys/net/ipv4/conf/" + link + "/arp_ignore")
	return strings.TrimSpace(string(b))
}

func standsAnywhere(a netip.Addr) bool {
	links, _ := net.Interfaces()
	return slices.ContainsFunc(links, func(l net.Interface) bool { return stands(a, l.Name) })
}

func (o *nodeOptions) printWire(out io.Writer, answers []doctor.Answer, found []doctor.Finding) {
	if o.json {
		doc := struct {
			Answers  []doctor.Answer  `json:"answers"`
			Findings []doctor.Finding `json:"findings"`
		}{answers, found}
		_ = encode(out, doc)
		return
	}
	for _, a := range answers {
		for _, st := range a.Stations {
			fmt.Fprintf(out, "%s on %s: %s\n", a.Addr, a.Link, st)
		}
	}
	printFindings(out, found)
	if len(found) == 0 {
		fmt.Fprintln(out, "all is as it should be")
	}
}

package integration

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

// kase is one thing that a director must do.
type kase struct {
	name  string
	conf  string // lines of the instance; see stand.conf
	play  func(*stand)
	alone string // why keepalived 2.2.7 does otherwise
}

// kit is all of them.
var kit = [][]kase{fieldCases, timerCases, takeoverCases, trackingCases, reloadCases, abuseCases()}

// TestConformance plays the kit. With -oracle it plays it with keepalived too:
// what keepalived does not do is not right to ask for.
func TestConformance(t *testing.T) {
	for _, c := range slices.Concat(kit...) {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			c.run(t, *subject)
		})
		if *oracle {
			t.Run(strings.ReplaceAll(c.name, " ", "-")+"/keepalived", func(t *testing.T) {
				t.Parallel()
				c.run(t, theirs)
			})
		}
	}
}

func (c *kase) run(t *testing.T, d daemon) {
	if c.alone != "" && d == theirs {
		t.Skip("keepalived 2.2.7: " + c.alone)
	}
	w := newWorld(t, d, d)
	s := &stand{world: w, d: w.a, in: must(w.b.Inject(lanLink))(t), lines: c.conf}
	c.play(s)
}

// stand is a director under test, and another machine on its wire, at
// 10.0.0.2, that sends whatever the case wants.
type stand struct {
	*world
	d     *director
	in    *netlab.Injector
	lines string

	global, before, after string    // of the configuration
	begin                 time.Time // the director's start
}

// quick are the usual lines: version 3 every 100 ms.
const quick = "version 3\nadvert_int 0.1\n"

const quickInterval = 100 * time.Millisecond

// conf renders the configuration: one instance with what the case says, and
// what it says nothing of.
func (s *stand) conf() string {
	lines := s.lines
	for keyword, line := range map[string]string{
		"interface":         "interface " + lanLink,
		"virtual_router_id": "virtual_router_id 51",
		"virtual_ipaddress": "virtual_ipaddress {\n10.0.0.100/24\n}",
	} {
		if !slices.ContainsFunc(strings.Split(lines, "\n"), func(l string) bool { return strings.HasPrefix(l, keyword+" ") }) {
			lines += line + "\n"
		}
	}
	return "global_defs {\nrouter_id a\nscript_user root\n" + s.d.unpaused() + s.global + "}\n" + s.before + "vrrp_instance VI {\n" + lines + "}\n" + s.after
}

// unpaused is a line of global_defs for a director alone whose intervals are so
// short that a busy machine keeps it from work for longer than a takeover lasts:
// it goes on as keepalived does.
func (d *director) unpaused() string {
	if d.daemon == ours {
		return "vrrp_listen_after_pause off\n"
	}
	return ""
}

// start starts the director.
func (s *stand) start(more ...string) *stand {
	s.t.Helper()
	s.d.configure(s.conf())
	s.begin = time.Now()
	s.d.start(more...)
	return s
}

// master starts it and waits until it is MASTER.
func (s *stand) master() *stand {
	s.t.Helper()
	s.start()
	s.speaks(s.begin)
	return s
}

// calm is a master that lets its backups wait for 3 s: a busy machine does not
// make them take over.
func calm(priority uint8) pdu { return pdu{priority: priority, interval: 100} }

// backup starts it as BACKUP of the other machine, which then says no more.
func (s *stand) backup(p pdu) *stand {
	s.t.Helper()
	s.start()
	stop := s.keep(p, quickInterval)
	s.d.logs("Entering BACKUP STATE")
	s.rest(5 * quickInterval)
	stop()
	return s
}

// change makes the director read other lines.
func (s *stand) change(lines string) time.Time {
	s.t.Helper()
	s.lines = lines
	s.d.configure(s.conf())
	now := time.Now()
	s.d.reload()
	return now
}

// said are all adverts of the director, also the last with priority 0.
func (s *stand) said(since time.Time) []netlab.Advert {
	return slices.DeleteFunc(s.sniff.Adverts(since), func(a netlab.Advert) bool { return a.From != s.d.Host })
}

// speaks waits for the director's next advert that is no goodbye.
func (s *stand) speaks(since time.Time) netlab.Advert {
	s.t.Helper()
	s.eventually("it speaks as MASTER", func() bool { return len(s.d.speaks(since)) > 0 })
	return s.d.speaks(since)[0]
}

// says waits for an advert that is as wanted.
func (s *stand) says(what string, since time.Time, ok func(*view) bool) netlab.Advert {
	s.t.Helper()
	var found netlab.Advert
	s.eventually("it sends "+what, func() bool {
		i := slices.IndexFunc(s.said(since), func(a netlab.Advert) bool { return ok(look(a.Frame)) })
		if i >= 0 {
			found = s.said(since)[i]
		}
		return i >= 0
	})
	return found
}

// saysPriority waits for an advert with a priority.
func (s *stand) saysPriority(p uint8, since time.Time) netlab.Advert {
	s.t.Helper()
	return s.says(fmt.Sprintf("priority %d", p), since, func(v *view) bool { return v.priority == p })
}

// silent checks that the director says nothing for a time.
func (s *stand) silent(during time.Duration, why string) {
	s.t.Helper()
	now := time.Now()
	s.rest(during)
	if said := s.d.speaks(now); len(said) > 0 {
		s.t.Errorf("%s, but it speaks: %s", why, look(said[0].Frame))
	}
}

// rest lets a time pass in which something must not happen.
func (s *stand) rest(d time.Duration) { <-time.After(d) }

// addrs waits until the director holds an address, or does no longer.
func (s *stand) addr(ip string, held bool) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("it holds %s: %v", ip, held), func() bool { return s.d.Holds(netip.MustParseAddr(ip)) == held })
}

// garps are the announcements of an address.
func (s *stand) garps(ip string, since time.Time) []netlab.ARP {
	return slices.DeleteFunc(s.sniff.ARPs(since), func(a netlab.ARP) bool {
		return a.From != s.d.Host || !a.Gratuitous() || a.Sender != netip.MustParseAddr(ip)
	})
}

// announces waits for a number of announcements of an address.
func (s *stand) announces(ip string, n int, since time.Time) []netlab.ARP {
	s.t.Helper()
	s.eventually(fmt.Sprintf("it announces %s %d times", ip, n), func() bool { return len(s.garps(ip, since)) >= n })
	return s.garps(ip, since)
}

// send sends one advert of the other machine.
func (s *stand) send(p pdu) time.Time {
	s.t.Helper()
	now := time.Now()
	s.do(s.in.Send(p.frame(s.b.MAC(lanLink), s.d.MAC(lanLink))))
	return now
}

// keep sends it again and again until stop is called or the world ends.
func (s *stand) keep(p pdu, every time.Duration) (stop func()) {
	s.t.Helper()
	frame := p.frame(s.b.MAC(lanLink), s.d.MAC(lanLink))
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for s.in.Send(frame) == nil {
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-done }
}

// within checks a time that the protocol gives: never earlier, and not much
// later than a busy machine may make it.
func (s *stand) within(what string, got, want time.Duration) {
	s.t.Helper()
	const tick = 15 * time.Millisecond // between sending and noting
	late := want + max(want/2, time.Second) + noise.since(s.begin)
	if got < want-tick || got > late {
		s.t.Errorf("%s after %v, want %v", what, got, want)
	}
}

// script writes a shell script.
func (s *stand) script(name, body string) string {
	s.t.Helper()
	file := s.file(name)
	s.do(os.WriteFile(file, []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	return file
}

// file is a name in the world's directory.
func (s *stand) file(name string) string { return filepath.Join(s.lab.Dir, name) }

// write writes a file anew, as who replaces it does.
func (s *stand) write(name, text string) string {
	s.t.Helper()
	s.do(os.WriteFile(s.file(name), []byte(text), 0o644))
	return s.file(name)
}

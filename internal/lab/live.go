package lab

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"keepgo/internal/netlab"
)

// live is a pair that somebody plays with: keys break things, and a table shows
// what comes of it.
type live struct {
	*play
	screen   *console
	director int // chosen; -1 for the master of the first instance
	server   int // chosen, of net.servers
	cuts     [2]netlab.Cut
	down     [2]bool // the cable of the first lan is out
	parted   bool
	since    time.Time // of the last deed
	old      []snapshot
}

// lookSlowly is how often the table is drawn.
const lookSlowly = 200 * time.Millisecond

// keyList is the bottom of the screen.
var keyList = []string{
	"director: 1 2 m(aster)  k kill -9  s stop  f freeze  c continue or start",
	"  l link out/in  o cut: nothing out  i cut: nothing in  h heal  v VIP away",
	"  t clear services  r reload from the file     both: p partition    q quit",
	"server: n next  d down  w slow  e wrong  u up again",
}

// playLive starts the pair and does what the keys say until one says that it is
// enough.
func (p *play) playLive(screen *console) error {
	if err := p.beginPings(); err != nil {
		return err
	}
	l := &live{play: p, screen: screen, director: nobody, since: time.Now()}
	p.live, screen.foot = l, keyList
	defer func() { p.held = drop(p.held) }()
	p.key = "start"
	if err := p.start(); err != nil {
		return err
	}
	if p.hopeless {
		p.view.say(p.clock() + "  the pair did not start well; break and mend all the same")
	}
	tick := time.NewTicker(lookSlowly)
	defer tick.Stop()
	keys := screen.keys(p.ctx)
	for {
		select {
		case key, open := <-keys:
			if !open || key == 'q' || key == interrupt {
				p.report.HTTP = p.answers()
				return nil
			}
			l.press(key)
		case <-tick.C:
		case <-p.ctx.Done():
			return nil
		}
		if err := p.look(); err != nil {
			return err
		}
	}
}

// interrupt is what Ctrl-C sends to a terminal that makes no signal of it.
const interrupt = 3

// press does what a key means, and tells.
func (l *live) press(key byte) {
	if l.choose(key) {
		return
	}
	what, err := l.deed(key)
	switch {
	case err != nil:
		l.view.say(l.clock() + "  " + err.Error())
	case what != "":
		l.since = time.Now()
		for _, w := range l.webs {
			w.forget()
		}
		l.view.say(l.clock() + "  -> " + what)
	}
}

// choose says whether a key chooses what others break.
func (l *live) choose(key byte) bool {
	switch key {
	case '1', '2':
		l.director = int(key - '1')
	case 'm':
		l.director = nobody
	case 'n':
		if n := len(l.stage.net.servers); n > 0 {
			l.server = (l.server + 1) % n
		}
	default:
		return false
	}
	return true
}

// chosen is the director that keys are for.
func (l *live) chosen() *director {
	if l.director != nobody {
		return l.stage.directors[l.director]
	}
	m, _ := l.current()
	return l.stage.directors[m]
}

// deed does what a key means; it returns what was done, "" for a key that means
// nothing.
func (l *live) deed(key byte) (what string, err error) {
	d := l.chosen()
	switch key {
	case 'k':
		return "kill -9 of the daemon of " + d.Name, d.kill()
	case 's':
		return d.Name + " is stopped", l.running(d, d.stop)
	case 'f':
		return d.Name + " is frozen", l.running(d, d.freeze)
	case 'c':
		return l.goOn(d)
	case 'v':
		v := l.stage.net.vips[0]
		return fmt.Sprintf("%s is taken from %s", v.addr, d.Name), d.takeAway(v.addr)
	case 't':
		return "the services are removed from " + d.Name, l.clear(d)
	case 'r':
		return d.Name + " reads " + l.src.name + " again", l.running(d, func() error { return l.reread(d) })
	case 'd', 'w', 'e', 'u':
		return l.trouble(key)
	}
	return l.cable(d, key)
}

// running does something to a daemon that must be there for it.
func (l *live) running(d *director, do func() error) error {
	if d.ended() {
		return fmt.Errorf("%s does not run: c starts it", d.Name)
	}
	return do()
}

// goOn starts a daemon that has ended, and lets a frozen one go on.
func (l *live) goOn(d *director) (string, error) {
	switch {
	case d.frozen:
		return d.Name + " goes on", d.thaw()
	case d.ended():
		return d.Name + " is started", d.start()
	}
	return "", fmt.Errorf("%s runs", d.Name)
}

func (l *live) clear(d *director) error {
	plane := d.dataPlane()
	if plane == "" {
		return fmt.Errorf("%s has no services in its kernel", d.Name)
	}
	return d.clearServices(plane)
}

// reread has a director read the user's file as it is now.
func (l *live) reread(d *director) error {
	src, err := loadPair(l.options)
	if err != nil {
		return err
	}
	src.plane = l.src.plane
	if _, err := planNetwork(src); err != nil {
		return err
	}
	src.net = l.stage.net // the machines are those that stand
	return d.rewrite(src.text(d))
}

// cable breaks and mends the cables of the first lan.
func (l *live) cable(d *director, key byte) (what string, err error) {
	lan, i := l.stage.net.lans[0], d.index()
	cut := func(way netlab.Cut, text string) (string, error) {
		l.cuts[i], l.parted = way, false
		return fmt.Sprintf(text, lan.links[i], d.Name), d.Cut(lan.links[i], way)
	}
	switch key {
	case 'l':
		l.down[i] = !l.down[i]
		text := map[bool]string{true: "the cable of %s of %s is pulled", false: "the cable of %s of %s is plugged in"}[l.down[i]]
		return fmt.Sprintf(text, lan.links[i], d.Name), d.Cable(lan.links[i], !l.down[i])
	case 'o':
		return cut(netlab.Mute, "nothing gets out of %s of %s")
	case 'i':
		return cut(netlab.Deaf, "nothing gets into %s of %s")
	case 'h':
		return cut(netlab.Healed, "the cable of %s of %s is mended")
	case 'p':
		l.parted = !l.parted
		l.cuts = [2]netlab.Cut{}
		if l.parted {
			return "the directors do not hear each other", l.part(netlab.Parted)
		}
		return "the directors hear each other again", l.part(netlab.Healed)
	}
	return "", nil
}

// trouble does something to the chosen server.
func (l *live) trouble(key byte) (string, error) {
	if len(l.stage.net.servers) == 0 {
		return "", fmt.Errorf("the file has no real_server")
	}
	m := l.stage.servers[l.stage.net.servers[l.server].addr]
	name := "real server " + m.addr.String()
	if m.host == nil {
		return "", fmt.Errorf("%s stands on a director", name)
	}
	switch key {
	case 'd':
		return name + " dies", m.close()
	case 'w':
		m.mood.Store(slow)
		return name + " answers too slowly", nil
	case 'e':
		m.mood.Store(wrong)
		return name + " answers wrongly", nil
	}
	return name + " is well", m.cure()
}

// snapshot is what the clients had got at an instant.
type snapshot struct {
	at  time.Time
	got []map[string]int // by service, then server
}

// shareTime is how far back shares are counted.
const shareTime = 10 * time.Second

// recent is what the clients got lately, by service and server.
func (l *live) recent() []map[string]int {
	now := snapshot{at: time.Now()}
	for _, a := range l.answers() {
		now.got = append(now.got, a.Servers)
	}
	l.old = append(l.old, now)
	first := slices.IndexFunc(l.old, func(s snapshot) bool { return now.at.Sub(s.at) <= shareTime })
	l.old = slices.Delete(l.old, 0, first)
	list := make([]map[string]int, len(now.got))
	for i := range now.got {
		list[i] = map[string]int{}
		for name, n := range now.got[i] {
			if i < len(l.old[0].got) {
				n -= l.old[0].got[i][name]
			}
			list[i][name] = n
		}
	}
	return list
}

// table is the picture of everything.
func (l *live) table() []string {
	head := fmt.Sprintf("keepgo lab %s   %s", l.src.name, l.clock())
	if l.report.DataPlane != "" {
		head += "   balanced by " + l.report.DataPlane
	}
	lines := []string{head}
	for i, d := range l.stage.directors {
		lines = append(lines, l.directorLine(i, d))
	}
	for v := range l.stage.net.vips {
		lines = append(lines, l.vipLine(v))
	}
	return append(lines, l.serviceTable()...)
}

func (l *live) directorLine(i int, d *director) string {
	mark := map[bool]string{true: ">", false: " "}[l.chosen() == d]
	state := l.play.directorLine(i)
	switch {
	case d.proc == nil || d.ended():
		state = "does not run"
	case d.frozen:
		state = "frozen"
	case state == "-":
		state = "does not answer"
	}
	broken := ""
	if l.down[i] {
		broken += "  [link out]"
	}
	broken += map[netlab.Cut]string{netlab.Mute: "  [nothing out]", netlab.Deaf: "  [nothing in]"}[l.cuts[i]]
	if l.parted {
		broken += "  [partition]"
	}
	return fmt.Sprintf("%s %s  %s%s", mark, d.Name, state, broken)
}

// vipLine shows who has an address, and how the client fares that pings it.
func (l *live) vipLine(v int) string {
	var holders []string
	for i, d := range l.stage.directors {
		if len(l.holds[i]) > v && l.holds[i][v] {
			holders = append(holders, d.Name)
		}
	}
	who := strings.Join(holders, " and ")
	if who == "" {
		who = "nobody"
	}
	ping, answer := l.stage.pings[v], "no answer yet"
	if last := ping.Last(); !last.IsZero() {
		answer = fmt.Sprintf("ping %s ago, longest gap %s", ago(time.Since(last)), ago(ping.Gap(l.since)))
	}
	return fmt.Sprintf("  %-18s on %-11s %s", l.stage.net.vips[v].addr, who, answer)
}

// serviceTable has a line for each service and one for each of its servers, as
// the master sees them.
func (l *live) serviceTable() (lines []string) {
	m, _ := l.current()
	s := l.status[m]
	if s == nil {
		s = l.status[1-m]
	}
	if s == nil {
		return []string{"  nobody tells of the services"}
	}
	recent, at := l.recent(), map[string]int{}
	for i, w := range l.webs {
		at[w.target.AddrPort.String()] = i
	}
	for _, service := range s.Services {
		line, got := "  "+service.Name, map[string]int{}
		if i, asked := at[addrPortOf(service.Name)]; asked {
			now, longest := l.webs[i].silence()
			line = fmt.Sprintf("  %-26s answer %s ago, longest gap %s, %d lost", l.webs[i].target, ago(now), ago(longest), l.webs[i].soFar().Failed)
			got = recent[i]
		}
		if service.Sorry {
			line += "  SORRY SERVER"
		}
		lines = append(lines, line)
		for _, server := range service.Servers {
			lines = append(lines, l.serverLine(server.Name, server.Up, server.Weight, got))
		}
	}
	return lines
}

// addrPortOf is 10.0.0.1:80 of [10.0.0.1]:tcp:80; "" of what is no such name.
func addrPortOf(name string) string {
	host, rest, _ := strings.Cut(strings.TrimPrefix(name, "["), "]:")
	_, port, _ := strings.Cut(rest, ":")
	a, err := netip.ParseAddrPort("[" + host + "]:" + port)
	if err != nil {
		a, err = netip.ParseAddrPort(host + ":" + port)
	}
	if err != nil {
		return ""
	}
	return a.String()
}

// serverLine shows a server with its share of the last answers.
func (l *live) serverLine(name string, up bool, weight int, got map[string]int) string {
	addr, _, _ := strings.Cut(strings.TrimPrefix(name, "["), "]")
	sum := 0
	for _, n := range got {
		sum += n
	}
	share := ""
	if sum > 0 {
		share = fmt.Sprintf("%3d %%", (100*got[addr]+sum/2)/sum)
	}
	mark, mood := " ", ""
	for i, s := range l.stage.net.servers {
		if s.addr.String() == addr {
			mood = l.moodOf(s)
			if i == l.server {
				mark = ">"
			}
		}
	}
	return fmt.Sprintf("  %s %-32s %-3s  weight %-3d  %5s  %s", mark, name, map[bool]string{true: "in", false: "OUT"}[up], weight, share, mood)
}

// moodOf is what was done to a server.
func (l *live) moodOf(s *server) string {
	m := l.stage.servers[s.addr]
	switch {
	case m == nil || m.host == nil:
		return ""
	case len(m.open) == 0 && len(m.sites) > 0:
		return "[down]"
	}
	return map[int32]string{slow: "[slow]", wrong: "[wrong]"}[m.mood.Load()]
}

// takeTerminal takes the terminal over where there is one and nothing else was
// asked for; nil elsewhere.
func takeTerminal(o Options) (*console, error) {
	out, _ := o.Out.(*os.File)
	if o.JSON || o.Drills || o.Beside != "" || o.JUnit != "" || o.HTML != "" || len(o.Planes) > 1 || !IsTerminal(o.Out) || !IsTerminal(os.Stdin) {
		return nil, nil
	}
	return openConsole(os.Stdin, out)
}

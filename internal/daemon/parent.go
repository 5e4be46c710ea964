package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"keepgo/confparse"
	"keepgo/internal/ha"
	"keepgo/internal/lb"
	"keepgo/internal/notify"
	"keepgo/internal/status"
	"keepgo/internal/watch"
	"keepgo/vip"
)

// stopLimit is how long scripts told of the stop may take, as in keepalived.
const stopLimit = time.Second

// readGC is how much the heap may grow between two collections while a
// configuration is read and planned, in percent: most of it stays, and looking for
// what does not would take a third of the time. The rest is let go afterwards.
const readGC = 400

// readGarbage is what may lie about then, however small the heap: two thousand
// instances leave 20 MiB.
const readGarbage = 32 << 20

// parent is the first process: it reads the configuration, starts and watches
// the children, runs scripts and answers on the control socket. Everything
// happens on the goroutine of run; others hand it functions.
type parent struct {
	opts   Options
	log    *logger
	events chan func()
	// signals are taken from the first instruction on: one that comes while the
	// configuration is read must not end the daemon.
	signals chan os.Signal

	cfg      *confparse.Config
	scope    scope
	pids     pidFiles
	manager  *manager
	tellers  map[string]teller // of the configuration in force, and of the one before: what a reload takes away is told by it
	known    map[string]bool   // faults of the configuration in force
	vrrp     *child
	lvs      *child
	bfd      *child
	former   []*confparse.Config // that were in force before, while not all of what the VRRP process does about that is done
	bequest  vip.Want            // what a process of an earlier parent left
	masters  map[string]bool     // instances that are MASTER, for a replaced process
	counted  map[string]uint32   // the sequence numbers of auth_type AH that may be used, by instance
	servers  *lb.Packed          // what the LVS process knew last, for a replaced one
	stood    []byte              // services that may stand beside those, while not all is done of what it was told
	tracked  *tracker
	files    *watch.Files
	numbers  map[string]int // in the tracked files, by name
	procs    *watch.Processes
	running  map[string]bool // tracked processes that are as they should be, by name
	sessions map[string]bool // BFD sessions that are up, by name
	outlet   *notify.Outlet
	scripts  *notify.Queue

	life        context.Context // of the notification scripts; ends when those of the stop have had their time
	kill        context.CancelFunc
	requests    []*request
	history     status.History // what happened lately
	began       time.Time
	reloaded    *time.Time   // nil before the first
	looks       *time.Ticker // whether a process hangs
	exporter    exporter
	onBus       onBus
	snmp        snmpAgent
	orders      orders
	drills      drills
	agreed      agreed
	leaves      bool            // another program takes the place of this one
	back        *wayBack        // the program before, while this one is on probation
	failed      string          // why the program that took the place of this one gave it back
	heir        bool            // this one took the place of another: the children go on where theirs were
	last        map[string]bool // results of tracked scripts, before there are own ones
	home        string          // path of the network namespace the daemon came from, "" for its own
	soon        *appointment
	readFile    string     // the reload file, while it stands
	saved       int        // configurations that were saved
	dumping     sync.Mutex // one dump is written at a time
	doing       string     // Startup or Reload, until every child has its plan in force
	complete    bool       // every child was ready once
	stopping    bool
	tidy        tidier
	restoreCore func()
	code        int // exit status
	stopped     chan struct{}
}

// Run is the main function of the daemon. It returns the exit status.
func Run(o Options) int {
	p := &parent{
		opts:     o,
		began:    time.Now(),
		events:   make(chan func(), 16),
		signals:  make(chan os.Signal, 32),
		masters:  map[string]bool{},
		counted:  map[string]uint32{},
		numbers:  map[string]int{},
		running:  map[string]bool{},
		sessions: map[string]bool{},
		looks:    time.NewTicker(watchEvery),
		stopped:  make(chan struct{}),
	}
	p.back, p.failed = inheritWayBack()
	p.listenSignals()
	defer signal.Stop(p.signals)
	p.life, p.kill = context.WithCancel(context.Background())
	defer func() { p.pids.remove() }()
	p.tidy.rest = debug.SetGCPercent(readGC)
	code, err := p.prepare()
	if err == nil {
		code, err = exitFatal, p.start()
	}
	if err != nil {
		p.log.printf("%v", err)
		p.giveUp(err)
		return code
	}
	p.restoreCore = p.takeCores()
	defer p.restoreCore()
	parentRights().confined(p.log.printf)
	p.run()
	return p.code
}

// prepare reads the configuration, and takes the place among the processes of
// the host that it asks for. The number is the exit status for the error.
func (p *parent) prepare() (code int, err error) {
	setName(parentName)
	cfg, list, err := Read(p.opts)
	if err == nil {
		p.scope = scopeOf(p.opts, &cfg.Global)
		err = enter(p.scope.namespace)
	}
	p.log = newSink(p.opts).logger("Keepalived", "", os.Getpid(), p.scope)
	p.log.printf("Starting Keepalived %s", p.opts.Version)
	p.log.printf("Configuration file %s", p.opts.File)
	switch {
	case cfg == nil && errors.Is(err, os.ErrNotExist):
		return exitNoConfig, err
	case err != nil:
		return exitConfig, err
	}
	p.cfg, p.known, p.tellers = cfg, p.vet(cfg, list).keys(), tellers(cfg)
	p.manager = newManager()
	p.opts = pidPaths(p.opts, &cfg.Global)
	if p.pids, err = createPIDFiles(p.opts); errors.Is(err, errRunning) {
		return exitOK, err
	}
	return exitFatal, err
}

// start starts what the configuration needs.
func (p *parent) start() (err error) {
	p.vrrp = newChild(p, VRRPProcess, p.pids.vrrp)
	p.lvs = newChild(p, LVSProcess, p.pids.lvs)
	p.bfd = newChild(p, BFDProcess, p.pids.bfd)
	p.share()
	p.scripts = notify.NewQueue(p.runScript, p.log.printf)
	p.tracked = newTracker(func(name string, ok bool, words string) {
		p.events <- func() { p.scriptEnded(name, ok, words) }
	}, p.log.printf)
	if p.files, err = watch.NewFiles(p.log.printf); err != nil {
		return err
	}
	if err = p.watchProcesses(); err != nil {
		return err
	}
	p.outlet = notify.NewOutlet(p.runReader, p.log.printf)
	p.inherit()
	if !p.heir {
		p.initFiles()
	}
	p.recall()
	p.recallDrills()
	p.soon = newAppointment(p.log.printf)
	p.logConfig()
	if err := p.listen(); err != nil {
		p.log.printf("%v; there is no status while this daemon runs", err)
	}
	if err := p.pids.parent.write(os.Getpid()); err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	tellStarted()
	if !p.heir {
		p.noteDaemon("START", "%s", p.opts.Version)
		if p.endedDuring(p.runStartup) {
			p.stop()
			return nil
		}
	}
	p.doing = "Startup"
	p.probe()
	p.apply()
	p.completed()
	return nil
}

// watchProcesses opens the kernel's news of processes, which no namespace but
// the first gets: that is where we come from, if from anywhere.
func (p *parent) watchProcesses() error {
	home := os.Getenv(homeVar)
	p.home = home
	os.Unsetenv(homeVar)
	return within(home, func() (err error) {
		p.procs, err = watch.NewProcesses(p.log.printf)
		return err
	})
}

// run is the parent's loop; it ends when every child has.
func (p *parent) run() {
	pulse := p.manager.pulse()
	defer pulse.Stop()
	for {
		select {
		case s := <-p.signals:
			p.signal(s)
		case f := <-p.events:
			f()
		case now := <-p.soon.clock.C:
			if p.soon.due(now) {
				p.reload()
			}
		case <-p.looks.C:
			p.look()
		case <-pulse.C:
			p.manager.tell("WATCHDOG=1")
		case <-p.files.Ready():
			p.filesSay(p.takeNumbers())
		case <-p.procs.Ready():
			news := p.procs.Take()
			maps.Copy(p.running, news)
			p.vrrp.tell(toChild{Processes: news})
		case <-p.stopped:
			p.farewell()
			return
		}
	}
}

// reload puts the file as it is now in force. One with a fault that the running
// configuration did not have changes nothing. A daemon that ends reads none, and
// a program in its place reads it anyway.
func (p *parent) reload() {
	if p.stopping || p.leaves {
		return
	}
	p.tidy.busy(readGC, readGarbage)
	p.log.printf("Reloading")
	p.manager.reloading()
	p.reading()
	defer p.completed()
	cfg, faults, err := p.load()
	if err != nil {
		p.log.printf("%v; the running configuration goes on", err)
		p.noteDaemon("RELOAD_REFUSED", "%v", err)
		return
	}
	if n := faults.news(p.known); n > 0 {
		for _, e := range beyond(cfg) {
			p.log.printf("%v", e)
		}
		p.log.printf("Reload refused: %d new faults in %s; the running configuration goes on", n, p.opts.File)
		p.noteDaemon("RELOAD_REFUSED", "%d new faults in %s; keepgo check tells them", n, p.opts.File)
		return
	}
	if name := unchangeable(&p.cfg.Global, &cfg.Global); name != "" {
		p.log.printf("Reload refused: %s cannot change while the daemon runs, restart it instead; the running configuration goes on", name)
		p.noteDaemon("RELOAD_REFUSED", "%s cannot change while the daemon runs", name)
		return
	}
	p.tellers = tellers(p.cfg, cfg)
	if p.places() {
		p.former = append(p.former, p.cfg)
	}
	p.cfg, p.known = cfg, faults.keys()
	p.doing = "Reload"
	now := time.Now()
	p.reloaded = &now
	p.noteDaemon("RELOAD", "%s was read anew", p.opts.File)
	p.snmp.undone(p)
	p.apply()
}

// apply gives the children the configuration, starts those that have become
// needed and stops those that have nothing left to do.
func (p *parent) apply() {
	vrrp := p.places() || p.strays()
	lvs := p.balances() || p.leftovers()
	if !vrrp && !lvs {
		p.log.printf("%s configures neither a vrrp_instance nor a virtual_server: there is nothing to run", p.opts.File)
	}
	setName(cmp.Or(p.cfg.Global.Parent.Name, parentName))
	p.setUmask()
	p.soon.set(p.cfg.Global.Reload)
	p.save(p.cfg)
	p.tracked.set(trackedScripts(p.cfg))
	p.files.Set(trackedFiles(p.cfg))
	p.takeNumbers()
	if err := p.procs.SetBuffer(p.cfg.Global.ProcessBuffer.Bytes, p.cfg.Global.ProcessBuffer.Force); err != nil {
		p.log.printf("%v", err)
	}
	p.procs.Set(trackedProcesses(p.cfg))
	p.outlet.Apply(notify.OptionsOf(&p.cfg.Global, p.umask()))
	p.export()
	p.snmp.set(p)
	loadIPVS(p.cfg, vrrp)
	p.bfd.need(len(p.cfg.BFDs) > 0 && !p.opts.NoBFD)
	p.vrrp.need(vrrp)
	p.showInstances()
	p.lvs.need(lvs)
	p.guard()
	runtime.Gosched() // what the children are told is written first: nobody waits for what follows
	p.foresee()
	p.heir = false
	if !lvs {
		p.withdrawn()
	}
	p.tidy.busy(readGC, readGarbage) // the next may follow soon, after a start as well
}

// plan is what a child starts or goes on with.
func (p *parent) plan(c *child, replaced bool) []toChild {
	switch c {
	case p.bfd:
		plans := planBFD(p.cfg)
		return []toChild{{BFD: &plans}}
	case p.lvs:
		m := toChild{LB: p.planLB(), Files: p.numbersFor(p.cfg)}
		if !c.ready { // a process that died before left a state, and a table to go on with
			m.State = p.servers.Beside(p.stood)
			m.Flush = p.cfg.Global.LVSFlush && p.servers == nil && p.balances()
		}
		p.handsOver(m.LB)
		return []toChild{m}
	}
	m := toChild{HA: p.planHA(), Monitor: p.opts.LogAddresses, States: stateFile(p.opts), Processes: maps.Clone(p.running), Sessions: maps.Clone(p.sessions)}
	m.Files = maps.Clone(p.numbers)
	p.place(c, &m, replaced)
	messages := []toChild{m}
	for i, s := range p.aim().Scripts {
		if ok, known := p.result(s.Name); known {
			messages = append(messages, toChild{Script: &scriptResult{Script: i, OK: ok}})
		}
	}
	return messages
}

// planHA plans the VRRP half and logs what cannot be done.
func (p *parent) planHA() *ha.Plan {
	plan, problems := routed(p.aim())
	plan.Held, plan.Repeat = p.held(), plan.Repeat && p.doing == "Reload"
	for _, problem := range problems {
		p.log.printf("%v", problem)
	}
	return plan
}

// planLB plans the LVS half and logs what cannot be done.
func (p *parent) planLB() *lb.Plan {
	plan, problems := lb.Build(p.aim())
	plan.Orders = p.serverOrders()
	for _, problem := range problems {
		p.log.printf("%v", problem)
	}
	for _, err := range identifyChecks(plan) {
		p.log.printf("%v", err)
	}
	return plan
}

// heard obeys a child.
func (p *parent) heard(c *child, m fromChild) {
	switch {
	case m.Log != "":
		if !m.Detail || p.opts.LogDetail > 0 {
			c.log.printf("%s", m.Log)
		}
	case m.Signal != 0:
		p.signal(m.Signal)
	case m.Sequence != nil:
		p.counted[m.Sequence.Instance] = m.Sequence.Number
	case m.Edge != nil:
		p.noteEdge(m.Edge, m.Why)
		p.edge(*m.Edge)
		p.snmp.edge(*m.Edge, m.Why)
	case m.Server != nil:
		if !m.Server.Quiet {
			p.noteServer(m.Server, m.Why)
			p.server(m.Server)
		}
		p.snmp.server(*m.Server)
	case m.Fault != nil:
		p.snmp.fault(*m.Fault)
	case m.BFD != nil:
		p.sessionIs(*m.BFD)
	case m.Report != nil:
		p.reported(c, m.Report)
	case m.State != nil && c.needed:
		p.servers = m.State
	case m.Detached:
		c.detached = true
		p.ended()
	case m.Waiting && c.needed:
		c.succeed()
	case m.Ready:
		p.inForce(c, m.Masters)
	case m.Settled > 0:
		if m.Settled == c.handed && c.needed { // one that is to end has come away when it has
			p.cameAway(c)
		}
	}
}

// completed tells when every child has its plan in force.
func (p *parent) completed() {
	if p.leaves || p.stopping {
		return
	}
	for _, c := range []*child{p.vrrp, p.lvs, p.bfd} {
		if c.needed && !c.ready {
			return
		}
	}
	p.read()
	if p.doing != "" {
		p.log.printf("%s complete", p.doing)
	}
	p.doing, p.complete = "", true
	p.proven()
	p.manager.ready()
}

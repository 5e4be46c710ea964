package watch

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Match is how the parameters of a process are compared, as param_match asks
// for.
type Match uint8

// Comparisons of parameters. If there are Params, the first is as the second.
const (
	ParamsIgnored Match = iota
	ParamsExact
	ParamsInitial // the first ones are those; the last may be longer
	ParamsPartial // the first ones are those
)

// Process is a tracked process. It is good while at least Quorum and at most
// QuorumMax processes match.
type Process struct {
	Name           string
	Process        string   // name of at most 15 bytes, or the first word of the command line
	Params         []string // the other words of the command line
	Match          Match
	Quorum         int
	QuorumMax      int           // negative: any number
	ForkDelay      time.Duration // that a change by a new process must last
	TerminateDelay time.Duration // that a change by an ended process must last
	FullCommand    bool          // Process is the first word of the command line; with Params or Match it always is
}

const (
	blindPeriod = 2 * time.Second // between two counts where the kernel tells no events
	safePeriod  = time.Minute     // and where it does
	lostPeriod  = time.Second     // and at least, however many events are lost
	maxTurn     = 256             // events between two looks at the clock
)

// Processes knows which tracked processes are good. The kernel tells it what
// begins and ends; where it may not, all processes are counted now and then.
// A change that reverts before it was looked at is none.
type Processes struct {
	log    func(format string, args ...any)
	ready  chan struct{}
	done   chan struct{}
	source *os.File // the connector; without one, a pipe that stays silent
	raw    syscall.RawConn

	mu      sync.Mutex
	want    []Process
	renewed bool
	closed  bool
	news    map[string]bool // what was not taken yet

	// of the goroutine alone
	connector *connector    // nil: there is none
	why       error         // there is none, or it does not speak
	hears     bool          // the connector said that it speaks
	lost      bool          // events were lost
	period    time.Duration // between two counts
	blind     int           // counts without hearing
	census    census
	procfs    procfs
	counted   time.Time
	count     time.Time // when to count next; zero: never
	buf       [msgSize + 64]byte
}

// NewProcesses tracks nothing yet. It belongs where the machine's first network
// namespace still is the caller's: the kernel tells its events only there.
func NewProcesses(log func(format string, args ...any)) (*Processes, error) {
	c, err := openConnector()
	return newProcesses(log, c, err, blindPeriod)
}

func newProcesses(log func(format string, args ...any), c *connector, why error, blind time.Duration) (*Processes, error) {
	p := &Processes{
		log: log, ready: make(chan struct{}, 1), done: make(chan struct{}), news: map[string]bool{},
		connector: c, why: why, period: blind, procfs: procfs{root: "/proc"},
	}
	if c != nil {
		p.source = os.NewFile(uintptr(c.fd), "process connector")
		return p, p.start(nil)
	}
	source, silent, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.source = source
	return p, p.start(silent)
}

// start begins to follow; silent is closed in the end.
func (p *Processes) start(silent *os.File) (err error) {
	if p.raw, err = p.source.SyscallConn(); err != nil {
		return err
	}
	go func() {
		defer close(p.done)
		p.follow()
		p.source.Close()
		if silent != nil {
			silent.Close()
		}
	}()
	return nil
}

// Set replaces the processes that are tracked. It does not wait: the verdict on
// each comes at once, but by Take. One that is tracked already, with the same
// terms, goes on as it was.
func (p *Processes) Set(want []Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want, p.renewed = want, true
	clear(p.news)
	p.wake(time.Now())
}

// SetBuffer changes how many bytes of events may wait; 0 is the default of 1
// MiB. force goes beyond the limit of the system (net.core.rmem_max).
func (p *Processes) SetBuffer(bytes int, force bool) error {
	if bytes == 0 {
		bytes, force = receiveBuffer, true
	}
	var failed error
	err := p.raw.Control(func(fd uintptr) { failed = setBuffer(int(fd), bytes, force) })
	if failed == unix.ENOTSOCK { // the kernel tells no events here
		failed = nil
	}
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("sizing the receive buffer of process events: %w", err)
	}
	return nil
}

// Ready is readable while there are verdicts to take.
func (p *Processes) Ready() <-chan struct{} { return p.ready }

// Take is which tracked processes are good, by name, of those whose verdict is
// new since the last Take.
func (p *Processes) Take() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	news := p.news
	p.news = map[string]bool{}
	return news
}

// Close ends the tracking, and waits for its end.
func (p *Processes) Close() {
	p.mu.Lock()
	p.closed = true
	p.wake(time.Now())
	p.mu.Unlock()
	<-p.done
}

// wake makes the goroutine look up at a time; the zero time: only for events.
func (p *Processes) wake(at time.Time) { _ = p.source.SetReadDeadline(at) }

// follow hears events until the tracking ends.
func (p *Processes) follow() {
	for {
		err := p.raw.Read(p.hear)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			p.log("tracked processes: %v; they are followed no more", err)
			return
		}
		if !p.adopt() {
			return
		}
		p.sleep(p.turn(time.Now()))
	}
}

// adopt takes the newest want over. It says whether to go on.
func (p *Processes) adopt() bool {
	p.mu.Lock()
	want, renewed, closed := p.want, p.renewed, p.closed
	p.renewed = false
	p.mu.Unlock()
	if closed {
		p.listen(false)
		return false
	}
	if renewed {
		p.listen(len(want) > 0)
		p.census.set(want)
		p.count = time.Now()
	}
	return true
}

// sleep lets the goroutine wait for events until a time, unless somebody wants
// it now.
func (p *Processes) sleep(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.renewed && !p.closed {
		p.wake(until)
	}
}

// listen asks for events, or for no more.
func (p *Processes) listen(on bool) {
	if p.connector == nil {
		return
	}
	if err := p.connector.listen(on); err != nil {
		p.why = err
	}
}

// turn counts if it is time, settles the verdicts and says when to look again.
func (p *Processes) turn(now time.Time) time.Time {
	if len(p.census.trackers) == 0 {
		p.lost = false
		return time.Time{}
	}
	if p.lost {
		p.lost = false
		p.count = earlier(p.count, p.counted.Add(lostPeriod))
	}
	if !now.Before(p.count) {
		p.recount()
		p.counted, p.count = now, now.Add(p.period)
	}
	return earlier(p.census.settle(now, p.tell), p.count)
}

// recount looks at all processes.
func (p *Processes) recount() {
	p.census.recount()
	if err := p.procfs.each(p.look); err != nil {
		p.log("tracked processes: %v; those that were not seen do not count", err)
	}
	if p.hears {
		return
	}
	if p.blind++; p.blind == 2 { // an answer would have come by now
		why := p.why
		if why == nil {
			why = errors.New("no answer")
		}
		p.log("tracked processes: the kernel tells no events here (%v): they are counted every %v instead. "+
			"Events need root, in the machine's first user, process and network namespace", why, p.period)
	}
}

// look counts a process as what it is.
func (p *Processes) look(pid int32) {
	if comm, cmdline, alive := p.procfs.look(pid, p.census.longest); alive {
		p.census.see(pid, comm, cmdline)
		return
	}
	p.census.gone(pid)
}

// hear reads the events that wait. It says whether there were any.
func (p *Processes) hear(fd uintptr) bool {
	for i := range maxTurn {
		n, err := unix.Read(int(fd), p.buf[:])
		switch {
		case err == nil:
			p.take(p.buf[:n])
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOBUFS):
			p.lost = true
		default:
			return i > 0
		}
	}
	return true
}

// take does what a message says.
func (p *Processes) take(b []byte) {
	e, ok := parseEvent(b)
	if !ok {
		return
	}
	switch e.what {
	case eventNone:
		p.answered(e)
	case eventFork:
		p.census.forked(e.parent, e.pid)
	case eventExec, eventComm:
		p.look(e.pid)
	case eventExit:
		p.census.gone(e.pid)
	}
}

// answered takes the answer to what listen asked. Others get theirs by the same
// way.
func (p *Processes) answered(e event) {
	switch {
	case p.connector == nil || !p.connector.listening || e.seq != p.connector.seq:
	case e.errno != 0:
		p.why = unix.Errno(e.errno)
	case !p.hears:
		p.hears, p.period = true, safePeriod
		p.count = p.counted.Add(lostPeriod) // once more, for what happened before
	}
}

// tell leaves a verdict to be taken. One that came too late, after another
// want, is of no use to anybody.
func (p *Processes) tell(name string, good bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.renewed {
		return
	}
	p.news[name] = good
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

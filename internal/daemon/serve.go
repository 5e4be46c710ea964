package daemon

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"

	"keepgo/internal/control"
	"keepgo/internal/status"
)

// Bounds of the control socket. Who is slower with a request, or with taking the
// answer, than requestLimit is let go; who comes when requests clients are there
// waits until one has gone.
const (
	requests      = 128
	requestLimit  = 5 * time.Second
	requestHeader = 16 << 10
	requestBody   = 64 << 10
)

// listen opens the control socket, for root and the group that the
// configuration names. A socket left by a dead daemon is replaced: the pid
// file's lock says that it is dead.
func (p *parent) listen() error {
	path := p.opts.Control
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&os.ModeSocket != 0 {
		os.Remove(path)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if err := p.admit(); err != nil {
		l.Close()
		return fmt.Errorf("control socket: %w", err)
	}
	server := &http.Server{
		Handler: p.routes(), ReadTimeout: requestLimit, IdleTimeout: requestLimit, MaxHeaderBytes: requestHeader,
		ConnContext: caller, ErrorLog: p.log.std("control socket: "),
	}
	d := doorway{l, make(chan struct{}, requests)}
	server.ConnState = d.leave
	go func() { _ = server.Serve(d) }()
	return nil
}

// doorway lets so many in at a time as there are places.
type doorway struct {
	net.Listener
	places chan struct{}
}

// Accept waits for a place, and then for who takes it.
func (d doorway) Accept() (net.Conn, error) {
	d.places <- struct{}{}
	c, err := d.Listener.Accept()
	if err != nil {
		<-d.places
	}
	return c, err
}

// leave gives the place of a connection that ended to the next.
func (d doorway) leave(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed {
		<-d.places
	}
}

// admit lets those use the control socket who may.
func (p *parent) admit() error {
	group := p.cfg.Global.ControlGroup
	if group == "" {
		return os.Chmod(p.opts.Control, 0o600)
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return errors.Join(fmt.Errorf("control_group: %w", err), os.Chmod(p.opts.Control, 0o600))
	}
	gid, _ := strconv.Atoi(g.Gid)
	return errors.Join(os.Chown(p.opts.Control, -1, gid), os.Chmod(p.opts.Control, 0o660))
}

// routes are what may be asked for.
func (p *parent) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", p.serveStatus)
	mux.HandleFunc("GET /events", p.serveEvents)
	mux.HandleFunc("POST /rs", steer(p.steerServer))
	mux.HandleFunc("POST /leave", steer(p.steerLeave))
	mux.HandleFunc("POST /maintenance", steer(p.steerMaintenance))
	mux.HandleFunc("POST /switchover", steer(p.steerSwitchover))
	mux.HandleFunc("POST /drill", steer(p.steerDrill))
	mux.HandleFunc("POST /drill/end", steer(p.steerDrillEnd))
	mux.HandleFunc("POST /upgrade", p.serveUpgrade)
	mux.HandleFunc("POST /plan", p.servePreview)
	mux.HandleFunc("GET /explain/{name...}", p.serveExplain)
	return mux
}

// onLoop runs f on the parent's loop and waits for it.
func (p *parent) onLoop(f func()) { p.onLoopUnless(nil, f) }

// onLoopUnless does so too, but not beyond an end. Whether f was done by then is not
// known where it returns false.
func (p *parent) onLoopUnless(ended <-chan struct{}, f func()) bool {
	done := make(chan struct{})
	run := func() {
		f()
		close(done)
	}
	select {
	case p.events <- run:
	case <-ended:
		return false
	}
	select {
	case <-done:
		return true
	case <-ended:
		return false
	}
}

// ask gets the whole status, from outside the parent's loop.
func (p *parent) ask() *status.Status {
	c := make(chan *status.Status, 1)
	p.events <- func() { p.collect(false, func(s *status.Status) { c <- s }) }
	return <-c
}

func (p *parent) serveStatus(w http.ResponseWriter, _ *http.Request) { reply(w, p.ask()) }

// serveEvents tells what happened after the event of a number.
func (p *parent) serveEvents(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(cmp.Or(r.FormValue("after"), "0"), 10, 64)
	if err != nil {
		refuse(w, http.StatusBadRequest, errors.New("after is the number of an event"))
		return
	}
	reply(w, p.eventsAfter(after))
}

func (p *parent) eventsAfter(number uint64) (list []status.Event) {
	p.onLoop(func() { list = p.history.After(number) })
	return list
}

// reply answers with a value.
func reply(w http.ResponseWriter, v any) { answer(w, http.StatusOK, v) }

// answer writes an answer to a client that takes it in time.
func answer(w http.ResponseWriter, code int, v any) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(requestLimit))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, code int, err error) {
	answer(w, code, control.Refusal{Error: err.Error()})
}

// stand notes which addresses of instances the kernel has.
func stand(instances []status.Instance) error {
	if len(instances) == 0 {
		return nil
	}
	all, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("reading the addresses: %w", err)
	}
	names := map[int]string{}
	links, _ := net.Interfaces()
	for _, l := range links {
		names[l.Index] = l.Name
	}
	have := map[string]bool{}
	for _, a := range all {
		have[a.IPNet.String()+" "+names[a.LinkIndex]] = true
	}
	for i := range instances {
		for j := range instances[i].Places {
			pl := &instances[i].Places[j]
			pl.Stands = have[pl.Address+" "+pl.Link]
		}
	}
	return nil
}

// note keeps an event.
func (p *parent) note(e status.Event) {
	e.At = time.Now()
	p.history.Add(e)
}

// noteDaemon keeps an event of the daemon itself.
func (p *parent) noteDaemon(state, format string, args ...any) {
	p.note(status.Event{Kind: "DAEMON", Name: p.opts.File, State: state, Why: fmt.Sprintf(format, args...)})
}

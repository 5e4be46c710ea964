package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"golang.org/x/sys/unix"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/control"
	"keepgo/internal/ha"
	"keepgo/internal/lb"
	"keepgo/internal/status"
	"keepgo/vip"
)

// callerKey finds the user id of who asks among the values of a request.
type callerKey struct{}

// caller notes who is at the other end of the control socket (unix(7),
// SO_PEERCRED).
func caller(ctx context.Context, conn net.Conn) context.Context {
	uid := -1
	if raw, err := conn.(*net.UnixConn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				uid = int(cred.Uid)
			}
		})
	}
	return context.WithValue(ctx, callerKey{}, uid)
}

// trusted tells whether a request is root's, or of the daemon's own user.
func trusted(r *http.Request) bool {
	uid := r.Context().Value(callerKey{})
	return uid == 0 || uid == os.Getuid()
}

// servePreview tells what a reload of a file would do. Messages about a file
// quote it, so only root may name one.
func (p *parent) servePreview(w http.ResponseWriter, r *http.Request) {
	var asked control.File
	if !trusted(r) {
		refuse(w, http.StatusForbidden, errors.New("only root may have a file read"))
		return
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, requestBody)).Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if info, err := os.Stat(asked.Path); err == nil && !info.Mode().IsRegular() {
		refuse(w, http.StatusUnprocessableEntity, fmt.Errorf("%s is no file", asked.Path))
		return
	}
	seen := p.ask()
	var answer *status.Preview
	var err error
	p.onLoop(func() { answer, err = p.preview(asked.Path, seen) })
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err)
		return
	}
	reply(w, answer)
}

// preview goes the way of a reload up to where it would touch anything.
func (p *parent) preview(file string, seen *status.Status) (*status.Preview, error) {
	o := p.opts
	o.File = file
	cfg, list, err := Read(o)
	if err != nil {
		return nil, err
	}
	o.override(&cfg.Global)
	answer := &status.Preview{File: file, Changes: []status.Change{}}
	for _, e := range list {
		if e.Severity > syntax.Note {
			answer.Faults = append(answer.Faults, e.Error())
		}
	}
	for _, err := range append(vetScripts(cfg), readKeys(cfg)...) {
		answer.Faults = append(answer.Faults, err.Error())
	}
	if n := faults(list).news(p.known); n > 0 {
		answer.Refused = fmt.Sprintf("%d faults that the running configuration does not have", n)
	} else if name := unchangeable(&p.cfg.Global, &cfg.Global); name != "" {
		answer.Refused = name + " cannot change while the daemon runs"
	}
	if !p.opts.NoVRRP {
		was, _ := routed(p.cfg)
		is, _ := routed(cfg)
		answer.Changes = append(answer.Changes, was.Preview(is, seen.Instances)...)
	}
	if !p.opts.NoLVS {
		was, _ := lb.Build(p.cfg)
		is, _ := lb.Build(cfg)
		was.Orders, is.Orders = p.serverOrders(), p.serverOrders()
		state, err := p.servers.State()
		if err != nil {
			return answer, err
		}
		answer.Changes = append(answer.Changes, was.Preview(is, state)...)
	}
	return answer, nil
}

// routed is the plan of the VRRP half with its routes and rules, and what
// cannot be done.
func routed(cfg *confparse.Config) (*ha.Plan, []error) {
	plan := ha.Build(cfg)
	dirs := vip.NameDirs(cfg.Global.IPRouteEtcDir, cfg.Global.IPRouteUsrDir)
	var problems []error
	for _, problem := range plan.Route(cfg, vip.ReadNames(os.DirFS("/"), dirs...)) {
		problems = append(problems, problem)
	}
	return plan, problems
}

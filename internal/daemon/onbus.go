package daemon

import (
	"context"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"keepgo/internal/bus"
	"keepgo/internal/notify"
	"keepgo/internal/status"
)

// busDoor is a *bus.Door.
type busDoor interface {
	Set(p *bus.Presence, reloaded bool)
	Tell(instance string, s bus.State, gone bool)
	Close(ctx context.Context)
}

// onBus is the daemon on D-Bus.
type onBus struct {
	door busDoor // nil until it is wanted
	on   bool    // it is wanted
	// changing: a plan is on its way to the VRRP process. Names may mean other
	// instances before and after; how they all are is told when it is in force.
	changing bool
	asked    bool // it is in force, and the VRRP process was asked how they are
	reloaded bool // by a reload
}

// showInstances puts the configuration's words about D-Bus in force. As with
// keepalived, the bus knows VRRP alone.
func (p *parent) showInstances() {
	b := &p.onBus
	b.on = p.cfg.Global.DBus.Enabled && p.vrrp.needed
	b.changing, b.asked = b.on, false
	switch {
	case b.on && b.door == nil:
		b.door = bus.New(bus.Options{Address: os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"), Obey: p.obeyBus, Log: p.log.printf})
	case !b.on && b.door != nil:
		b.door.Set(nil, false)
	}
}

// planned asks how the instances are once their plan is in force.
func (b *onBus) planned(c *child, reload bool) {
	if b.on {
		b.asked, b.reloaded = true, b.reloaded || reload
		c.tell(toChild{Report: true})
	}
}

// show has the bus show the instances as the VRRP process reports them.
func (p *parent) show(s *status.Status) {
	b := &p.onBus
	if !b.asked {
		return
	}
	b.door.Set(p.presence(s.Instances), b.reloaded)
	b.changing, b.asked, b.reloaded = false, false, false
}

// presence is what is to be seen on the bus.
func (p *parent) presence(instances []status.Instance) *bus.Presence {
	states := make(map[string]bus.State, len(instances))
	for i := range instances {
		states[instances[i].Name], _ = bus.StateOf(instances[i].State)
	}
	g := &p.cfg.Global.DBus
	show := &bus.Presence{Service: g.Service, NoInterface: g.NoInterface}
	for _, part := range []string{p.scope.namespace, p.scope.instance} {
		if part != "" {
			show.Scope = append(show.Scope, part)
		}
	}
	for _, in := range p.cfg.Instances {
		show.Instances = append(show.Instances, bus.Instance{Name: in.Name, Interface: in.Interface, VRID: in.VRID, IPv6: in.IPv6, State: states[in.Name]})
	}
	return show
}

// tell tells the bus of a change of state.
func (b *onBus) tell(e notify.Edge) {
	state, turns := bus.StateOf(e.State)
	if b.door == nil || e.Kind != "INSTANCE" || e.Again || !turns || b.changing && !e.Gone {
		return
	}
	b.door.Tell(e.Name, state, e.Gone)
}

// leave says goodbye.
func (b *onBus) leave() {
	if b.door == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	b.door.Close(ctx)
}

// busSignals are what methods of keepalived's D-Bus do as signals.
var busSignals = map[bus.Order]os.Signal{
	bus.PrintData: unix.SIGUSR1, bus.PrintStats: unix.SIGUSR2, bus.PrintStatsClear: sigStatsClear,
}

// obeyBus carries out what a caller on the bus asks for. The files are written
// when it returns.
func (p *parent) obeyBus(ctx context.Context, o bus.Order, instance string) error {
	done := make(chan struct{})
	s, dumps := busSignals[o]
	var do func()
	switch {
	case dumps:
		do = func() { p.dump(s, func() { close(done) }) }
	case o == bus.ReloadConfig: // the caller is answered before: the daemon may be leaving the bus
		do = func() { close(done); p.reload() }
	case o == bus.SendGarp:
		do = func() { p.vrrp.tell(toChild{Announce: instance}); close(done) }
	default:
		return errors.ErrUnsupported
	}
	select {
	case p.events <- func() { p.log.printf("D-Bus: told to %s", strings.TrimSpace(string(o)+" "+instance)); do() }:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

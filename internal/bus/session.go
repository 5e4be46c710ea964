package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/godbus/dbus/v5"
)

// session is a connection that has its name.
type session struct {
	conn    *dbus.Conn
	service string
	general string
}

// attend is on the bus under a name, until another or none is wanted, or the
// connection ends with an error.
func (d *Door) attend(service string) error {
	conn, err := d.connect(service)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer d.quiet()
	s := session{conn: conn, service: service}
	if s.general = d.greet(service); s.general == "" {
		return nil
	}
	d.opt.Log("D-Bus: here as %s", service)
	for {
		signals, over := d.take(service)
		if err := s.emit(signals); closedBy(err) {
			return d.hungUp()
		} else if err != nil {
			return fmt.Errorf("%s: %w", d.address(), err)
		}
		if over {
			return s.emit([]signal{{path: s.general, member: "VrrpStopped"}})
		}
		select {
		case <-d.wake:
		case <-conn.Context().Done():
			return d.hungUp()
		}
	}
}

// hungUp is said of a bus that ended the connection, whoever noticed first.
func (d *Door) hungUp() error {
	return fmt.Errorf("%s: the bus closed the connection", d.address())
}

// closedBy is whether a word failed because the other side has gone.
func closedBy(err error) bool {
	return errors.Is(err, dbus.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// greet says that we are there, and how all instances are. It returns the path
// of the object for the whole, "" if the name is not wanted any more.
func (d *Door) greet(service string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tree == nil || d.tree.service != service {
		return ""
	}
	d.live, d.lost = true, false
	d.queue = append(d.queue[:0], signal{path: d.tree.general, member: "VrrpStarted"})
	for _, o := range d.tree.objects {
		d.queue = append(d.queue, o.change())
	}
	return d.tree.general
}

// quiet stops the queueing.
func (d *Door) quiet() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.live, d.queue = false, nil
}

// take returns what is to be said, and whether that is all under this name.
func (d *Door) take(service string) (signals []signal, over bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	signals, d.queue = d.queue, nil
	return signals, d.tree == nil || d.tree.service != service
}

// emit says something to all who listen.
func (s *session) emit(signals []signal) error {
	for _, g := range signals {
		var err error
		if g.member == "VrrpStatusChange" {
			err = s.conn.Emit(dbus.ObjectPath(g.path), instanceInterface+"."+g.member, uint32(g.state))
		} else {
			err = s.conn.Emit(dbus.ObjectPath(g.path), generalInterface+"."+g.member)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// connect gets a connection that has its name. All of it takes patience at most.
func (d *Door) connect(service string) (conn *dbus.Conn, err error) {
	raw, err := dial(d.address())
	if err != nil {
		return nil, err
	}
	if conn, err = dbus.NewConn(raw, dbus.WithHandler(handler{d}), dbus.WithSignalHandler(deaf{})); err != nil {
		raw.Close()
		return nil, err
	}
	if err = raw.hurry(); err == nil {
		err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	}
	if err == nil {
		err = conn.Hello()
	}
	if err == nil {
		err = own(conn, service)
	}
	if err = errors.Join(err, raw.relax()); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", d.address(), err)
	}
	return conn, nil
}

// own takes the name, for as long as the connection stands.
func own(conn *dbus.Conn, service string) error {
	reply, err := conn.RequestName(service, dbus.NameFlagDoNotQueue)
	var refused dbus.Error
	switch {
	case errors.As(err, &refused): // its words name the connection, and would be news each time
		return fmt.Errorf("the name %s is refused (%s); a policy in /usr/share/dbus-1/system.d must allow it", service, refused.Name)
	case err != nil:
		return fmt.Errorf("taking the name %s: %w", service, err)
	case reply != dbus.RequestNameReplyPrimaryOwner && reply != dbus.RequestNameReplyAlreadyOwner:
		return fmt.Errorf("another program has the name %s; dbus_service_name gives this one another", service)
	}
	return nil
}

// deaf hears no signals.
type deaf struct{}

func (deaf) DeliverSignal(string, string, *dbus.Signal) {}

// handler has every method of every object: it is answer that knows which there
// are.
type handler struct{ d *Door }

func (h handler) LookupObject(dbus.ObjectPath) (dbus.ServerObject, bool) { return h, true }
func (h handler) LookupInterface(string) (dbus.Interface, bool)          { return h, true }
func (h handler) LookupMethod(string) (dbus.Method, bool)                { return h, true }
func (h handler) NumArguments() int                                      { return 0 }
func (h handler) NumReturns() int                                        { return 0 }
func (h handler) ArgumentValue(int) any                                  { return nil }
func (h handler) ReturnValue(int) any                                    { return nil }

// DecodeArguments takes the whole message for the one argument of Call.
func (h handler) DecodeArguments(conn *dbus.Conn, sender string, msg *dbus.Message, args []any) ([]any, error) {
	c := &call{args: args, caller: func(ctx context.Context) (uid uint32, err error) {
		err = conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetConnectionUnixUser", 0, sender).Store(&uid)
		return uid, err
	}}
	path, _ := msg.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	signature, _ := msg.Headers[dbus.FieldSignature].Value().(dbus.Signature)
	c.path, c.signature = string(path), signature.String()
	c.iface, _ = msg.Headers[dbus.FieldInterface].Value().(string)
	c.member, _ = msg.Headers[dbus.FieldMember].Value().(string)
	return []any{c}, nil
}

// Call carries out the call.
func (h handler) Call(args ...any) ([]any, error) { return h.d.answer(args[0].(*call)) }

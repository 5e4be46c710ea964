package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

// Bounds of answering: so many calls are carried out at a time, and one takes
// no longer than callLimit. The bus itself gives up after 25 s.
const (
	calls     = 16
	callLimit = 10 * time.Second
)

// Errors by their names on the bus, as keepalived answers them.
const (
	errUnknownMethod = "org.freedesktop.DBus.Error.UnknownMethod"
	errInvalidArgs   = "org.freedesktop.DBus.Error.InvalidArgs"
	errAccessDenied  = "org.freedesktop.DBus.Error.AccessDenied"
	errLimits        = "org.freedesktop.DBus.Error.LimitsExceeded"
	errFailed        = "org.freedesktop.DBus.Error.Failed"
)

// refusal is an error for a caller.
func refusal(name, format string, args ...any) error {
	return *dbus.NewError(name, []any{fmt.Sprintf(format, args...)})
}

// call is a method call.
type call struct {
	path, iface, member string
	signature           string // of args
	args                []any
	caller              func(context.Context) (uid uint32, err error)
}

// signatures are those of the arguments of every method, by interface and name.
var signatures = map[string]map[string]string{
	introspectable:    {"Introspect": ""},
	properties:        {"Get": "ss", "GetAll": "s", "Set": "ssv"},
	generalInterface:  {string(PrintData): "", string(PrintStats): "", string(PrintStatsClear): "", string(ReloadConfig): ""},
	instanceInterface: {string(SendGarp): ""},
}

// answer carries out a call.
func (d *Door) answer(c *call) ([]any, error) {
	select {
	case d.places <- struct{}{}:
		defer func() { <-d.places }()
	default:
		return nil, refusal(errLimits, "%d calls are being answered already; call again later", calls)
	}
	t, o := d.at(c.path)
	if t == nil {
		return nil, refusal(errUnknownMethod, "there is nothing here any more")
	}
	if err := t.check(c, o); err != nil {
		return nil, err
	}
	switch c.iface {
	case introspectable:
		return []any{t.introspect(c.path)}, nil
	case properties:
		return o.property(c)
	}
	return nil, d.order(c, o)
}

// check says why a call cannot be meant.
func (t *tree) check(c *call, o *object) error {
	general := c.path == t.general
	if o == nil && !general && c.iface != introspectable {
		return refusal(errUnknownMethod, "there is no object at %s", c.path)
	}
	signature, known := signatures[c.iface][c.member]
	if !known || c.iface == instanceInterface && o == nil || c.iface == generalInterface && !general {
		return refusal(errUnknownMethod, "%s has no method %s.%s", c.path, c.iface, c.member)
	}
	switch {
	case c.signature == signature:
		return nil
	case c.iface == properties || c.iface == introspectable: // so GLib has it, and with it keepalived
		return refusal(errUnknownMethod, "%s.%s takes (%s), not (%s)", c.iface, c.member, signature, c.signature)
	}
	return refusal(errInvalidArgs, "%s takes (%s), not (%s)", c.member, signature, c.signature)
}

// property answers about properties. The object for the whole, which is nil
// here, has none.
func (o *object) property(c *call) ([]any, error) {
	iface := c.args[0].(string)
	has := map[string]dbus.Variant{}
	switch {
	case o != nil && iface == instanceInterface:
		has["Name"] = dbus.MakeVariant(struct{ Name string }{o.name})
		has["State"] = dbus.MakeVariant(struct {
			Number uint32
			Word   string
		}{uint32(o.state), o.state.String()})
	case o != nil || iface != generalInterface:
		return nil, refusal(errInvalidArgs, "%s has no properties of %s", c.path, iface)
	}
	if c.member == "GetAll" {
		return []any{has}, nil
	}
	name := c.args[1].(string)
	value, ok := has[name]
	switch {
	case !ok:
		return nil, refusal(errInvalidArgs, "%s has no property %s", iface, name)
	case c.member == "Set":
		return nil, refusal(errInvalidArgs, "%s cannot be set", name)
	}
	return []any{value}, nil
}

// order has the daemon obey, if the caller may give orders: root, and the user
// of the daemon. The policy of the bus should not let others through, but it is
// a file that anybody may have changed.
func (d *Door) order(c *call, o *object) error {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	uid, err := c.caller(ctx)
	if err != nil {
		return refusal(errAccessDenied, "who calls is not known: %v", err)
	}
	if uid != 0 && int(uid) != os.Geteuid() {
		return refusal(errAccessDenied, "only root may call %s, not user %d", c.member, uid)
	}
	name := ""
	if o != nil {
		name = o.name
	}
	err = d.opt.Obey(ctx, Order(c.member), name)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not done within %v", callLimit)
	}
	if err != nil {
		return refusal(errFailed, "%s: %v", c.member, err)
	}
	return nil
}

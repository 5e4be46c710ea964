package bus

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// systemBus is where the system bus listens (D-Bus Specification, "Well-known
// Message Bus Instances").
const systemBus = "unix:path=/run/dbus/system_bus_socket"

// patience is how long the bus may take to let us in, or to take what we say.
const patience = 5 * time.Second

// address is that of the bus.
func (d *Door) address() string { return cmp.Or(d.opt.Address, systemBus) }

// patient is a connection to a bus that may hang.
type patient struct{ net.Conn }

// Write gives up on a bus that does not take it.
func (p patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// hurry lets answers take patience at most, until relax.
func (p patient) hurry() error { return p.SetReadDeadline(time.Now().Add(patience)) }

func (p patient) relax() error { return p.SetReadDeadline(time.Time{}) }

// dial connects to the first bus of a list that answers (D-Bus Specification,
// "Server Addresses").
func dial(addresses string) (patient, error) {
	var failed error
	for a := range strings.SplitSeq(addresses, ";") {
		name, err := socket(a)
		if err == nil {
			var c net.Conn
			if c, err = net.DialTimeout("unix", name, patience); err == nil {
				return patient{c}, nil
			}
		}
		failed = errors.Join(failed, err)
	}
	return patient{}, failed
}

// socket is the name of the Unix socket of an address; those of the abstract
// namespace begin with @.
func socket(address string) (string, error) {
	keys, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return "", fmt.Errorf("the address '%s' of the bus is not understood: unix:path=... is", address)
	}
	for pair := range strings.SplitSeq(keys, ",") {
		key, value, _ := strings.Cut(pair, "=")
		if key != "path" && key != "abstract" {
			continue
		}
		value, err := dbus.UnescapeBusAddressValue(value)
		if err != nil {
			return "", fmt.Errorf("the address '%s' of the bus: %w", address, err)
		}
		if key == "abstract" {
			value = "@" + value
		}
		return value, nil
	}
	return "", fmt.Errorf("the address '%s' of the bus has neither path nor abstract", address)
}

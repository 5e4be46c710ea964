package genl

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"keepgo/ipvsctl"
)

// errFought is the trouble of a service that never is what it was made.
var errFought = errors.New("another program keeps changing it; find it, as ipvsadm or a second balancer, and stop it")

// settle brings the kernel to the newest want of the services Set since.
func (d *Door) settle() {
	keys := d.takeDirty()
	for range attempts {
		if len(keys) == 0 {
			return
		}
		keys = d.correct(keys)
	}
	d.leave(keys)
}

// takeDirty is the services to be applied, in order.
func (d *Door) takeDirty() []ipvsctl.ServiceKey {
	d.mu.Lock()
	defer d.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(d.dirty), ipvsctl.ServiceKey.Compare)
	clear(d.dirty)
	return keys
}

// leave puts services off to the next look: they are fought over, or the
// kernel cannot be reached, which has been told.
func (d *Door) leave(keys []ipvsctl.ServiceKey) {
	for _, k := range keys {
		if d.conn != nil {
			d.tell(k, fmt.Errorf("IPVS: %s: %w", k, errFought))
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		d.dirty[k] = struct{}{}
	}
}

// wanted is the newest want of the given services.
func (d *Door) wanted(keys []ipvsctl.ServiceKey) ipvsctl.Table {
	d.mu.Lock()
	defer d.mu.Unlock()
	want := make(ipvsctl.Table, len(keys))
	for _, k := range keys {
		if e, ok := d.want[k]; ok {
			want[k] = e // entries are never changed once they are Set
		}
	}
	return want
}

// correct applies the difference between belief and want of the services, and
// returns those that turned out to be other than believed.
func (d *Door) correct(keys []ipvsctl.ServiceKey) []ipvsctl.ServiceKey {
	have, err := d.believed(keys)
	if err != nil {
		d.trouble(err)
		return keys
	}
	ops := ipvsctl.Diff(have, d.wanted(keys))
	errs, err := d.conn.apply(ops)
	if err != nil {
		d.trouble(err)
		return keys
	}
	d.tell(ipvsctl.ServiceKey{}, nil)
	return d.takeResults(keys, ops, errs)
}

// trouble gives up the sockets; the next attempt opens new ones.
func (d *Door) trouble(err error) {
	d.drop()
	d.tell(ipvsctl.ServiceKey{}, err)
}

// believed is what the kernel holds of the services; what is not known yet is
// read.
func (d *Door) believed(keys []ipvsctl.ServiceKey) (ipvsctl.Table, error) {
	if err := d.connect(); err != nil {
		return nil, err
	}
	have := make(ipvsctl.Table, len(keys))
	for _, k := range keys {
		e, known := d.have[k]
		if !known {
			var stands bool
			var err error
			if e, stands, err = d.conn.read(k); err != nil {
				return nil, err
			}
			if !stands {
				continue
			}
			d.have[k] = e
		}
		have[k] = e
	}
	return have, nil
}

// takeResults enters what the kernel accepted into the belief and tells of
// what it refused.
func (d *Door) takeResults(keys []ipvsctl.ServiceKey, ops []ipvsctl.Op, errs []error) []ipvsctl.ServiceKey {
	refused := map[ipvsctl.ServiceKey][]error{}
	other := map[ipvsctl.ServiceKey]bool{}
	for i, op := range ops {
		switch err := errs[i]; {
		case err == nil:
			d.have.Apply(op)
		case drifted(op, err):
			other[op.Service] = true
		default:
			refused[op.Service] = append(refused[op.Service], explain(op, err))
		}
	}
	var again []ipvsctl.ServiceKey
	for _, k := range keys {
		// A service the kernel refuses has no servers to speak of.
		if other[k] && refused[k] == nil {
			delete(d.have, k)
			again = append(again, k)
			continue
		}
		d.tell(k, joined(refused[k]))
	}
	return again
}

// startLook queues every service of ours to be read.
func (d *Door) startLook() {
	d.nudge() // what was left for later
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = slices.SortedFunc(maps.Keys(d.want), ipvsctl.ServiceKey.Compare)
}

// lookNext reads the next service of the queue and corrects it if it is other
// than it should be.
func (d *Door) lookNext() {
	k := d.queue[0]
	d.queue = d.queue[1:]
	was, known := d.have[k]
	if err := d.reread(k); err != nil {
		d.trouble(err)
		d.queue = nil
		return
	}
	drift := d.drift(k, was, known)
	for range attempts {
		if len(d.correct([]ipvsctl.ServiceKey{k})) == 0 {
			break
		}
	}
	if len(drift) > 0 {
		d.opt.Report(Event{Kind: Repaired, Service: k, Ops: drift})
	}
}

// reread replaces the belief about k by what the kernel holds.
func (d *Door) reread(k ipvsctl.ServiceKey) error {
	if err := d.connect(); err != nil {
		return err
	}
	e, stands, err := d.conn.read(k)
	if err != nil {
		return err
	}
	delete(d.have, k)
	if stands {
		d.have[k] = e
	}
	return nil
}

// drift is what another hand undid since the service was last known.
func (d *Door) drift(k ipvsctl.ServiceKey, was ipvsctl.Entry, known bool) []ipvsctl.Op {
	if !known {
		return nil
	}
	now := ipvsctl.Table{}
	if e, stands := d.have[k]; stands {
		now[k] = e
	}
	return ipvsctl.Diff(now, ipvsctl.Table{k: was})
}

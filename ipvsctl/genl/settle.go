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

// settle brings the kernel to the newest want of what was Set since.
func (d *Door) settle() {
	d.settleConfig()
	d.correctAll(d.takeDirty())
}

// correctAll corrects services until they are as they should be, but not for
// ever, and not where the kernel cannot be reached.
func (d *Door) correctAll(keys []ipvsctl.ServiceKey) {
	for range attempts {
		if len(keys) == 0 {
			return
		}
		if keys = d.correct(keys); d.conn == nil {
			break
		}
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
			d.tell(subject{service: k}, fmt.Errorf("IPVS: %s: %w", k, errFought))
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
	d.tell(subject{}, nil)
	return d.takeResults(keys, ops, errs)
}

// trouble gives up the sockets; the next attempt opens new ones.
func (d *Door) trouble(err error) {
	d.drop()
	d.tell(subject{}, err)
}

// few is how many services are read one by one; for more the whole table is
// asked which of them stand at all.
const few = 8

// believed is what the kernel holds of the services; what is not known yet is
// read.
func (d *Door) believed(keys []ipvsctl.ServiceKey) (ipvsctl.Table, error) {
	if err := d.connect(); err != nil {
		return nil, err
	}
	var stand map[ipvsctl.ServiceKey]ipvsctl.Service
	if d.unknown(keys) > few {
		var err error
		if stand, err = d.conn.services(); err != nil {
			return nil, err
		}
	}
	have := make(ipvsctl.Table, len(keys))
	for _, k := range keys {
		if _, known := d.have[k]; !known {
			if err := d.reread(k, stand); err != nil {
				return nil, err
			}
		}
		if e, stands := d.have[k]; stands {
			have[k] = e
		}
	}
	return have, nil
}

func (d *Door) unknown(keys []ipvsctl.ServiceKey) int {
	n := 0
	for _, k := range keys {
		if _, known := d.have[k]; !known {
			n++
		}
	}
	return n
}

// reread replaces the belief about k by what the kernel holds. With a list of
// the services that stand only their servers are asked for.
func (d *Door) reread(k ipvsctl.ServiceKey, stand map[ipvsctl.ServiceKey]ipvsctl.Service) error {
	var e ipvsctl.Entry
	var stands bool
	var err error
	if s, listed := stand[k]; listed {
		e, stands, err = d.conn.readDests(k, s)
	} else if stand == nil {
		e, stands, err = d.conn.read(k)
	}
	delete(d.have, k)
	if err == nil && stands {
		d.have[k] = e
	}
	return err
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
		d.tell(subject{service: k}, joined(refused[k]))
	}
	return again
}

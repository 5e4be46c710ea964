package snmp

import (
	"time"

	"keepgo/confparse"
	"keepgo/internal/agentx"
	"keepgo/internal/status"
)

// traffic is what went through a service or to a server, which is nothing while
// it does not stand.
func traffic(t *status.Traffic) status.Traffic {
	if t == nil {
		t = &status.Traffic{}
	}
	out := *t
	if out.Rates == nil {
		out.Rates = &status.Rates{}
	}
	return out
}

// flow is a column of a number that traffic has.
type flow struct {
	id   uint32
	kind func(uint64) agentx.Value
	of   func(*status.Traffic) uint64
}

func conns(t *status.Traffic) uint64    { return t.Connections }
func pktsIn(t *status.Traffic) uint64   { return t.PacketsIn }
func pktsOut(t *status.Traffic) uint64  { return t.PacketsOut }
func bytesIn(t *status.Traffic) uint64  { return t.BytesIn }
func bytesOut(t *status.Traffic) uint64 { return t.BytesOut }

// rates are the rates in the order of their columns.
var rates = []func(*status.Traffic) uint64{
	func(t *status.Traffic) uint64 { return t.Rates.Connections },
	func(t *status.Traffic) uint64 { return t.Rates.PacketsIn }, func(t *status.Traffic) uint64 { return t.Rates.PacketsOut },
	func(t *status.Traffic) uint64 { return t.Rates.BytesIn }, func(t *status.Traffic) uint64 { return t.Rates.BytesOut },
}

// halves are rates in two numbers of 32 bits each, from a column on.
func halves(first uint32) (list []flow) {
	for i, of := range rates {
		id := first + 2*uint32(i)
		list = append(list, flow{id, func(n uint64) agentx.Value { return agentx.Gauge(n & (1<<32 - 1)) }, of},
			flow{id + 1, func(n uint64) agentx.Value { return agentx.Gauge(n >> 32) }, of})
	}
	return list
}

func gauges(first uint32) (list []flow) {
	for i, of := range rates {
		list = append(list, flow{first + uint32(i), agentx.Gauge, of})
	}
	return list
}

// flows are columns out of traffic.
func flows[T any](of func(*T) *status.Traffic, list []flow) (columns []column[T]) {
	for _, f := range list {
		columns = append(columns, column[T]{f.id, func(row *T) agentx.Value {
			t := traffic(of(row))
			return f.kind(f.of(&t))
		}})
	}
	return columns
}

func serviceTraffic() []column[service] {
	list := []flow{{27, agentx.Gauge, conns}, {28, agentx.Count, pktsIn}, {29, agentx.Count, pktsOut}, {30, agentx.Count64, bytesIn}, {31, agentx.Count64, bytesOut}}
	list = append(list, gauges(32)...)
	more := append([]flow{{38, agentx.Count64, conns}, {39, agentx.Count64, pktsIn}, {40, agentx.Count64, pktsOut}}, halves(41)...)
	of := func(v *service) *status.Traffic { return v.now.Traffic }
	columns := append(flows(of, list), column[service]{37, func(v *service) agentx.Value { return truth(v.OnePacket) }})
	return append(columns, flows(of, more)...)
}

func serverTraffic() []column[cell[server]] {
	list := []flow{
		{14, agentx.Gauge, conns}, {15, agentx.Gauge, func(t *status.Traffic) uint64 { return uint64(t.Active) }},
		{16, agentx.Gauge, func(t *status.Traffic) uint64 { return uint64(t.Inactive) }}, {17, agentx.Gauge, func(t *status.Traffic) uint64 { return uint64(t.Persistent) }},
		{18, agentx.Count, pktsIn}, {19, agentx.Count, pktsOut}, {20, agentx.Count64, bytesIn}, {21, agentx.Count64, bytesOut},
	}
	list = append(append(list, gauges(22)...), flow{27, agentx.Count64, conns}, flow{28, agentx.Count64, pktsIn}, flow{29, agentx.Count64, pktsOut})
	return flows(func(r *cell[server]) *status.Traffic { return r.of.now.Traffic }, append(list, halves(30)...))
}

// syncDaemon are the words of lvs_sync_daemon.
func (s *snapshot) syncDaemon() table {
	type D = confparse.SyncDaemon
	d := s.Config.Global.LVSSync
	on := d != nil
	if !on {
		d = &D{}
	}
	return scalars(check.Add(6), d, []column[D]{
		{1, func(*D) agentx.Value { return truth(on) }},
		{2, func(d *D) agentx.Value { return text(d.Interface) }},
		{3, func(d *D) agentx.Value { return text(d.Instance) }},
		{4, func(d *D) agentx.Value { return when(on, agentx.Int(int32(max(d.ID, 0)))) }},
		{5, func(d *D) agentx.Value { return when(on, agentx.Int(int32(d.MaxLen))) }},
		{6, func(d *D) agentx.Value { return when(on, agentx.Int(int32(d.Port))) }},
		{7, func(d *D) agentx.Value { return when(on, agentx.Int(int32(d.TTL))) }},
		{8, func(d *D) agentx.Value { return family(d.Group) }},
		{9, func(d *D) agentx.Value { return address(d.Group) }},
	})
}

// timeouts are those of lvs_timeouts.
func (s *snapshot) timeouts() table {
	type T = confparse.LVSTimeouts
	of := func(d time.Duration) agentx.Value { return when(d > 0, agentx.Int(int32(d/time.Second))) }
	return scalars(check.Add(7), &s.Config.Global.LVSTimeouts, []column[T]{
		{1, func(t *T) agentx.Value { return of(t.TCP) }},
		{2, func(t *T) agentx.Value { return of(t.TCPFin) }},
		{3, func(t *T) agentx.Value { return of(t.UDP) }},
	})
}

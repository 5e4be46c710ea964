package snmp

import (
	"cmp"
	"net/netip"

	"keepgo/confparse"
	"keepgo/internal/agentx"
)

// setting is a default that may be unset.
func setting(b *bool) agentx.Value {
	if b == nil {
		return agentx.Int(3)
	}
	return truth(*b)
}

// global is what concerns the daemon as a whole.
func (s *snapshot) global() []table {
	g := &s.Config.Global
	mail := global.Add(3)
	type G = confparse.Global
	return []table{
		scalars(global, g, []column[G]{
			{1, func(*G) agentx.Value { return agentx.Text("Keepalived " + s.Status.Version) }},
			{2, func(g *G) agentx.Value { return agentx.Text(cmp.Or(g.RouterID, s.HostName)) }},
		}),
		scalars(mail, g, []column[G]{
			{1, func(g *G) agentx.Value { kind, _ := mailServer(g.SMTPServer); return kind }},
			{2, func(g *G) agentx.Value { _, addr := mailServer(g.SMTPServer); return addr }},
			{3, func(g *G) agentx.Value { return seconds(g.SMTPTimeout) }},
			{4, func(g *G) agentx.Value { return text(g.EmailFrom) }},
		}),
		newTable(mail.Add(5, 1), g.NotificationEmail, byNumber, []column[string]{
			{2, func(a *string) agentx.Value { return agentx.Text(*a) }},
		}),
		scalars(mail, g, []column[G]{
			{6, func(g *G) agentx.Value { return when(g.SMTPServer != "", agentx.Gauge(uint64(g.SMTPPort))) }},
			{7, func(g *G) agentx.Value { return truth(!g.NoEmailFaults) }},
			{8, func(g *G) agentx.Value { return setting(g.Defaults.Alert) }},
			{9, func(g *G) agentx.Value { return setting(g.Defaults.AlertVRRP) }},
			{10, func(g *G) agentx.Value { return setting(g.Defaults.AlertChecker) }},
		}),
		scalars(global, g, []column[G]{
			{4, func(g *G) agentx.Value { return truth(g.SNMP.Traps) }},
			{5, func(g *G) agentx.Value { return choose(g.LinkbeatPolling, 2, 1) }},
			{6, func(g *G) agentx.Value { return truth(g.LVSFlush) }},
			{7, func(*G) agentx.Value { return truth(true) }}, // counters of IPVS have 64 bits
			{8, func(*G) agentx.Value { return agentx.Text(s.Namespace) }},
			{9, func(g *G) agentx.Value { return truth(g.DBus.Enabled) }},
			{10, func(g *G) agentx.Value { return truth(g.DynamicInterfaces) }},
			{11, func(g *G) agentx.Value {
				if g.LVSFlushOnStop && g.LVSFlushVS {
					return agentx.Int(3)
				}
				return truth(g.LVSFlushOnStop)
			}},
		}),
	}
}

// mailServer is the type and the address of a mail server: dns(16) for a name,
// which mails look up each time.
func mailServer(name string) (kind, addr agentx.Value) {
	if a, err := netip.ParseAddr(name); err == nil {
		return family(a), address(a)
	}
	return when(name != "", agentx.Int(16)), text(name)
}

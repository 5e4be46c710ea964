package confparse

import (
	"slices"
	"strings"
	"time"
)

// outletRows say where changes and state are told.
func outletRows() []row[globals] {
	type G = globals
	snmp := field("enable_snmp_vrrp", flag(), func(g *G) *bool { return &g.SNMP.VRRP }, "Serves the VRRP part of the SNMP tables.").since("2.0.0")
	rows := fifoRows("notify_fifo", "every change of state is", func(g *G) *FIFO { return &g.NotifyFIFO })
	rows = append(rows, fifoRows("vrrp_notify_fifo", "changes of VRRP are", func(g *G) *FIFO { return &g.VRRPNotifyFIFO })...)
	rows = append(rows, fifoRows("lvs_notify_fifo", "changes of servers are", func(g *G) *FIFO { return &g.LVSNotifyFIFO })...)
	age := func(at func(*G) *time.Duration, name, who, def string) row[G] {
		return field(name, seconds(0.001, 30).or(def), at, "How old the counters of "+who+" may be.").without("what SNMP tells is never older than about a second")
	}
	return append(rows,
		field("fifo_write_vrrp_states_on_reload", flag(), func(g *G) *bool { return &g.FIFOOnReload }, "Writes all states after a reload.").since("2.2.5"),
		field("snmp_socket", text("agentx address").or("unix:/var/agentx/master"), func(g *G) *string { return &g.SNMP.Socket }, "Where the AgentX master listens.").since("1.2.20"),
		field("enable_traps", flag(), func(g *G) *bool { return &g.SNMP.Traps }, "Sends SNMP traps.").since("1.2.5"),
		snmp, snmp.old("enable_snmp_keepalived").since("1.2.20"),
		action("enable_snmp_rfc", "", func(s *stmt, g *G) { g.SNMP.RFCv2, g.SNMP.RFCv3 = true, true }, "Serves the tables of RFC 2787 and RFC 6527.").or("off").since("1.2.20"),
		field("enable_snmp_rfcv2", flag(), func(g *G) *bool { return &g.SNMP.RFCv2 }, "Serves the tables of RFC 2787.").since("1.2.20"),
		field("enable_snmp_rfcv3", flag(), func(g *G) *bool { return &g.SNMP.RFCv3 }, "Serves the tables of RFC 6527.").since("1.2.20"),
		field("enable_snmp_checker", flag(), func(g *G) *bool { return &g.SNMP.Checker }, "Serves the tables of virtual servers.").since("1.2.20"),
		age(func(g *G) *time.Duration { return &g.SNMP.VSInterval }, "snmp_vs_stats_update_interval", "virtual servers", "5").since("2.3.0"),
		age(func(g *G) *time.Duration { return &g.SNMP.RSInterval }, "snmp_rs_stats_update_interval", "real servers", "snmp_vs_stats_update_interval").since("2.3.0"),
		field("enable_dbus", flag(), func(g *G) *bool { return &g.DBus.Enabled }, "Shows the instances on D-Bus, and takes orders there.").since("1.3.0"),
		field("dbus_service_name", busName().or("org.keepalived.Vrrp1"), func(g *G) *string { return &g.DBus.Service }, "The name taken on the bus.").since("1.3.7"),
		field("dbus_no_interface_name", busPart().or("none"), func(g *G) *string { return &g.DBus.NoInterface }, "How an instance without interface is named there.").since("2.3.0"))
}

// busName is a well-known name of D-Bus: letters, digits, _ and - in parts, none
// of which begins with a digit (D-Bus Specification, "Valid Names").
func busName() kind[string] {
	return formed("a bus name like org.example.Vrrp1", func(text string) bool {
		parts := strings.Split(text, ".")
		wrong := func(part string) bool {
			return !made(part, "-_") || '0' <= part[0] && part[0] <= '9'
		}
		return len(parts) > 1 && len(text) <= 255 && !slices.ContainsFunc(parts, wrong)
	})
}

// busPart is a part of a path of D-Bus (D-Bus Specification, "Valid Object Paths").
func busPart() kind[string] {
	return formed("letters, digits and _", func(text string) bool { return made(text, "_") })
}

// made tells whether a text is there, and of letters, digits and others.
func made(text, others string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return text != "" && strings.Trim(text, letters+others) == ""
}

// formed is one word of a certain form.
func formed(form string, good func(string) bool) kind[string] {
	return kind[string]{args: "<NAME>", rng: form, read: func(s *stmt) (string, bool) {
		w, ok := s.value("a name")
		if ok && !good(w.Text) {
			s.fail(w, s.fallback(), "%s '%s' is not %s", s.name(), clip(w.Text), form)
			ok = false
		}
		return w.Text, ok
	}}
}

// fifoRows are a pipe and its reader.
func fifoRows(name, what string, at func(*globals) *FIFO) []row[globals] {
	type G = globals
	return []row[G]{
		action(name, "<PATH> [<USER> [<GROUP>]]", func(s *stmt, g *G) {
			path, ok := absolute().read(s)
			if !ok {
				return
			}
			f := at(g)
			f.Path, f.User, f.Group = path, "", ""
			if s.i < len(s.n.Words) {
				identity(&f.User, &f.Group, s)
			}
		}, "The named pipe that "+what+" written to.").in("an absolute path").since("1.3.6"),
		field(name+"_script", command(), func(g *G) **Command { return &at(g).Script }, "Reads "+name+"; its path is the last argument.").since("1.3.6"),
	}
}

// fileRows are files, names and the treatment of the configuration itself.
func fileRows() []row[globals] {
	type G = globals
	return []row[G]{
		field("umask", given(umask()).or("0177"), func(g *G) **uint32 { return &g.Umask }, "The permissions that created files lack.").since("2.0.9"),
		field("random_seed", given(number[uint64](0, 1<<32-1).in("a number, 0 or above")).or("of the time"), func(g *G) **uint64 { return &g.RandomSeed }, "Makes random numbers repeatable.").without("chance decides nothing but when checks begin").since("2.0.15"),
		action("reload_check_config", "[<LOGFILE>]", func(s *stmt, g *G) {
			if path, ok := optional(absolute(), "/dev/null").read(s); ok {
				g.Reload.Check, g.Reload.CheckLog = true, path
			}
		}, "Checks a configuration before it is used.").in("an absolute path").or("off; /dev/null when no argument").without("a wrong configuration is never loaded by a reload").since("2.2.0"),
		field("reload_time_file", absolute(), func(g *G) *string { return &g.Reload.TimeFile }, "Names the time of a reload.").since("2.1.0"),
		field("reload_repeat", flag(), func(g *G) *bool { return &g.Reload.Repeat }, "Repeats that reload every day.").since("2.1.0"),
		action("reload_file", "[<PATH>]", func(s *stmt, g *G) {
			if path, ok := optional(absolute(), "").read(s); ok {
				g.Reload.UseFile, g.Reload.File = true, path
			}
		}, "Exists while a configuration is read.").in("an absolute path").or("off; a path of the daemon when no argument").since("2.2.0"),
		action("include_check", "[[+|-]read|match|wildcard_match|brace_match ...]", includeCheck, "Which failing includes are errors.").
			in("see its words").many().without("a failing include is always told").
			options(option("read", "[+|-]", "A file that cannot be read.").or("off"), option("match", "[+|-]", "A name without a file.").or("off"),
				option("wildcard_match", "[+|-]", "A pattern that matches nothing.").or("off"), option("brace_match", "[+|-]", "A name in braces without a file.").or("off")).since("2.2.0"),
		field("config_save_dir", text("dir").in("made if it is missing"), func(g *G) *string { return &g.ConfigSaveDir }, "Where read configurations are kept.").since("2.2.3"),
		field("tmp_config_directory", absolute().or("memory"), func(g *G) *string { return &g.TmpConfigDir }, "Where the joined configuration is kept.").without("it is never written to a file").since("2.2.0"),
		field("data_use_instance", boolean(), func(g *G) *bool { return &g.DataUseInstance }, "Puts the name of the instance into that of the dump.").since("2.2.3"),
		field("json_version", number[int](1, 2).or(1), func(g *G) *int { return &g.JSONVersion }, "The layout of the JSON dump.").since("2.2.8"),
		field("iproute_usr_dir", absolute().or("/usr/share/iproute2"), func(g *G) *string { return &g.IPRouteUsrDir }, "Where the names of iproute2 come from.").since("2.3.2"),
		field("iproute_etc_dir", absolute().or("/etc/iproute2"), func(g *G) *string { return &g.IPRouteEtcDir }, "Where the administrator's names of iproute2 are.").since("2.3.2"),
		field("state_dump_file", filePath().in("a path, a name, or a directory with / at its end").or("keepalived.data in TMPDIR"), func(g *G) *string { return &g.StateDumpFile }, "Where the dump of the state goes.").since("2.3.3"),
		field("stats_dump_file", filePath().or("keepalived.stats in TMPDIR"), func(g *G) *string { return &g.StatsDumpFile }, "Where the dump of the counters goes.").without("keepalived does not use it either").since("2.3.3"),
		field("json_dump_file", filePath().or("keepalived.json in TMPDIR"), func(g *G) *string { return &g.JSONDumpFile }, "Where the JSON dump goes.").without("keepalived does not use it either").since("2.3.3"),
		gone[G]("lvs_id", "<STRING>", "was renamed to 'router_id'").since("1.1.0"),
		gone[G]("plugin_dir", "<DIR>", "was removed from keepalived long ago and has no effect").since("1.1.8"),
	}
}

// includeCheck reads a set of checks: words replace it, + and - change it.
func includeCheck(s *stmt, g *globals) {
	c := &g.IncludeCheck
	if s.i == len(s.n.Words) {
		*c = IncludeCheck{true, true, true, true}
	}
	for _, w := range s.rest() {
		word, on := w.Text, true
		if word != "" && (word[0] == '+' || word[0] == '-') {
			word, on = word[1:], word[0] == '+'
		} else {
			*c = IncludeCheck{Read: true}
		}
		switch word {
		case "read", "readable":
			c.Read = on
		case "match":
			c.Match = on
		case "wildcard_match":
			c.Wildcard = on
		case "brace_match":
			c.Brace = on
		default:
			s.fail(w, "read, match, wildcard_match or brace_match", "unknown include check '%s'", clip(w.Text))
		}
	}
}

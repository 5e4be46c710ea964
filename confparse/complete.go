package confparse

import (
	"cmp"
	"maps"
	"slices"

	"keepgo/confparse/syntax"
)

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// complete applies defaults and inheritance, and checks what only the whole
// configuration can tell.
func (r *reader) complete() {
	r.completeGlobal()
	r.completeScripts()
	r.completeTrackers()
	for _, i := range r.cfg.Instances {
		r.completeInstance(i)
	}
	r.resolveReferences()
	r.completeGroups()
	r.checkRouters()
	r.checkAddresses()
	r.checkTracking()
	r.checkDelays()
	for _, o := range r.pending {
		r.completeService(o)
	}
	r.completeAlerts()
	r.checkServices()
	r.checkSecurity()
}

// checkSecurity tells of scripts that anybody might be able to change.
func (r *reader) checkSecurity() {
	if r.cfg.Global.ScriptSecurity {
		return
	}
	const why, hint = "scripts run as root without 'enable_script_security'", "add it and 'script_user' to global_defs"
	if len(r.cfg.Scripts) > 0 {
		r.note(r.cfg.Scripts[0], "", hint, why)
		return
	}
	for _, m := range r.cfg.Mentions {
		if m.Kind == MentionProgram {
			r.found(syntax.Note, m.Pos, len(m.Name), m.Path, hint, why)
			return
		}
	}
}

func (r *reader) fail(obj any, keyword, hint, format string, args ...any) {
	r.about(syntax.Failure, obj, keyword, hint, format, args...)
}

func (r *reader) warn(obj any, keyword, hint, format string, args ...any) {
	r.about(syntax.Warning, obj, keyword, hint, format, args...)
}

func (r *reader) note(obj any, keyword, hint, format string, args ...any) {
	r.about(syntax.Note, obj, keyword, hint, format, args...)
}

// line is the line of a keyword in an object's text.
func (r *reader) line(obj any, keyword string) int {
	if n := r.where(obj, keyword); n != nil {
		return n.Words[0].Pos.Line
	}
	return 0
}

func (r *reader) completeGlobal() {
	g := &r.globals
	g.VRRPVersion = g.version
	r.completeBetter()
	g.garp.Repeat = max(g.garp.Repeat, 1)
	if !r.has(g, "vrrp_garp_lower_prio_delay") {
		g.garp.LowerDelay = g.garp.Delay
	}
	if !r.has(g, "vrrp_garp_lower_prio_repeat") {
		g.garp.LowerRepeat = g.garp.Repeat
	}
	g.Defaults = r.defaults()
	r.completeOutlets()
	r.completeMail()
	for i := range r.cfg.StaticAddresses {
		a := &r.cfg.StaticAddresses[i]
		a.Interface = cmp.Or(a.Interface, g.DefaultInterface)
	}
}

// defaults are what instances and checkers inherit.
func (r *reader) defaults() Defaults {
	g := &r.globals
	d := Defaults{
		GARP: g.garp, DownTimerAdverts: g.adverts, LowerPriorityNoAdvert: g.noAdvert, HigherPrioritySend: g.sendHigh,
		CheckPeer: g.checkSrc, SkipAddressCheck: g.skipAddr, Strict: g.strict,
		NotifyPriorityChanges: g.prioNote, LogAllFailures: g.logAll,
	}
	for keyword, a := range map[string]struct {
		to **bool
		on bool
	}{"smtp_alert": {&d.Alert, g.alert.all}, "smtp_alert_vrrp": {&d.AlertVRRP, g.alert.vrrp}, "smtp_alert_checker": {&d.AlertChecker, g.alert.checker}} {
		if r.has(g, keyword) {
			*a.to = &a.on
		}
	}
	return d
}

// completeOutlets applies the defaults of names and pipes to each other.
func (r *reader) completeOutlets() {
	g := &r.globals
	def(r, g, "vmac_addr_prefix", &g.VMACAddrPrefix, g.VMACPrefix)
	def(r, g, "snmp_rs_stats_update_interval", &g.SNMP.RSInterval, g.SNMP.VSInterval)
	for _, f := range []struct {
		own  *FIFO
		name string
	}{{&g.VRRPNotifyFIFO, "vrrp_notify_fifo"}, {&g.LVSNotifyFIFO, "lvs_notify_fifo"}} {
		if f.own.Path != "" && f.own.Path == g.NotifyFIFO.Path {
			r.fail(g, f.name, "it is ignored", "%s %s is notify_fifo as well", f.name, clip(f.own.Path))
			*f.own = FIFO{}
		}
	}
	if d := g.LVSSync; d != nil && d.Instance == "" && d.ID < 0 {
		d.ID = 0
	}
}

// alert is the default of smtp_alert for one side.
func (r *reader) alert(own bool, keyword string, fallback bool) bool {
	g := &r.globals
	switch {
	case r.has(g, keyword):
		return own
	case r.has(g, "smtp_alert"):
		return g.alert.all
	}
	return fallback
}

func (r *reader) completeScripts() {
	kept := r.cfg.Scripts[:0]
	for _, o := range r.cfg.Scripts {
		if len(o.Command.Args) == 0 {
			if !r.has(o, "script") {
				r.fail(o, "", "", "vrrp_script %s has no 'script'", o.Name)
			}
			continue
		}
		o.Interval = cmp.Or(o.Interval, defaultInterval)
		o.Timeout = cmp.Or(o.Timeout, o.Interval)
		o.Rise, o.Fall = cmp.Or(o.Rise, 1), cmp.Or(o.Fall, 1)
		kept = append(kept, o)
	}
	r.cfg.Scripts = kept
}

func (r *reader) scripts() map[string]*Script {
	scripts := make(map[string]*Script, len(r.cfg.Scripts))
	for _, o := range r.cfg.Scripts {
		scripts[o.Name] = o
	}
	return scripts
}

// resolveReferences checks every name that must be defined somewhere and
// gives trackers what their definition says.
func (r *reader) resolveReferences() {
	used := map[string]bool{}
	for _, ref := range r.refs {
		used[ref.word.Text] = used[ref.word.Text] || ref.kind == "vrrp_script"
		r.resolve(ref)
	}
	r.inheritTracks()
	for _, o := range r.cfg.Scripts {
		if !used[o.Name] {
			r.warn(o, "", "add it to a track_script block", "vrrp_script %s is defined and never used", o.Name)
		}
	}
}

// resolve reports a name that is not defined.
func (r *reader) resolve(ref reference) {
	name := ref.word.Text
	if _, ok := r.defined[ref.kind][name]; ok || ref.kind == "" {
		return
	}
	if _, ok := r.defined["vrrp_track_file"][name]; ok && ref.kind == "track_file" {
		return
	}
	hint := "it is ignored"
	if r.unknown++; r.unknown <= maxExplained {
		known := slices.Sorted(maps.Keys(r.defined[ref.kind]))
		if near := nearest(name, known); near != "" {
			hint = "did you mean '" + near + "'?"
		}
	}
	r.found(syntax.Failure, ref.word.Pos, len(name), ref.path, hint, "no %s '%s' is defined", ref.kind, clip(name))
}

// completeGroups resolves the members of sync groups.
func (r *reader) completeGroups() {
	if len(r.members)+len(r.cfg.SyncGroups) == 0 {
		return
	}
	instances, owner := map[string]*Instance{}, map[string]*SyncGroup{}
	for _, i := range r.cfg.Instances {
		instances[i.Name] = i
	}
	for _, m := range r.members {
		for _, w := range m.words {
			r.join(m, w, instances[w.Text], owner)
		}
	}
	kept := r.cfg.SyncGroups[:0]
	for _, g := range r.cfg.SyncGroups {
		if r.completeGroup(g) {
			kept = append(kept, g)
		}
	}
	r.cfg.SyncGroups = kept
	for name, g := range owner {
		if i := instances[name]; !r.has(i, "notify_priority_changes") {
			i.NotifyPriorityChanges = g.NotifyPriorityChanges
		}
	}
}

// join makes an instance a member of a group, unless it is in one already.
func (r *reader) join(m members, w syntax.Word, i *Instance, owner map[string]*SyncGroup) {
	name := w.Text
	switch {
	case r.count[syntax.Failure] >= maxFindings && (i == nil || owner[name] != nil):
		r.count[syntax.Failure]++
	case i == nil:
		r.found(syntax.Failure, w.Pos, len(name), m.path, r.nearInstance(name), "%s: no vrrp_instance '%s'",
			"vrrp_sync_group "+clip(m.group.Name), clip(name))
	case owner[name] != nil:
		r.found(syntax.Failure, w.Pos, len(name), m.path, "an instance can be in one group only",
			"vrrp_instance %s is already in vrrp_sync_group %s", clip(name), clip(owner[name].Name))
	default:
		owner[name] = m.group
		m.group.Members = append(m.group.Members, name)
	}
}

func (r *reader) nearInstance(name string) string {
	if r.unknown++; r.unknown > maxExplained {
		return ""
	}
	var names []string
	for _, i := range r.cfg.Instances {
		names = append(names, i.Name)
	}
	if near := nearest(name, names); near != "" {
		return "did you mean '" + near + "'?"
	}
	return ""
}

// completeGroup is false for a group without members, which is dropped.
func (r *reader) completeGroup(g *SyncGroup) bool {
	if !r.has(g, "smtp_alert") {
		g.SMTPAlert = r.alert(r.globals.alert.vrrp, "smtp_alert_vrrp", false)
	}
	if !r.has(g, "notify_priority_changes") {
		g.NotifyPriorityChanges = r.globals.prioNote
	}
	switch {
	case len(g.Members) == 0 && !r.has(g, "group"):
		if len(r.where(g, "").Body) == 0 {
			r.fail(g, "", "list instances in 'group { ... }'", "vrrp_sync_group %s has no 'group { ... }'", g.Name)
		}
	case len(g.Members) == 0:
		r.warn(g, "", "it is ignored", "vrrp_sync_group %s has no member", g.Name)
	case len(g.Members) == 1:
		r.warn(g, "", "", "vrrp_sync_group %s has one member and so no effect", g.Name)
	}
	return len(g.Members) > 0
}

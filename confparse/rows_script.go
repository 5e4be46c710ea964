package confparse

import (
	"fmt"
	"time"

	"keepgo/confparse/syntax"
)

// weigh reads a weight with reverse behind it.
func weigh[T any](limit int64, at func(*T) (*int, *bool)) func(*stmt, *T) {
	return func(s *stmt, o *T) {
		weight, reverse := at(o)
		if w, ok := s.value(fmt.Sprintf("-%d - %d", limit, limit)); ok {
			if n, ok := s.trackWeight(w, limit); ok {
				*weight = n
			}
		}
		if w, ok := s.next(); ok {
			if *reverse = w.Text == "reverse"; !*reverse && w.Text != "noreverse" {
				s.fail(w, "reverse, or nothing", "unknown word '%s' after 'weight'", clip(w.Text))
			}
		}
	}
}

// scriptRows are the keywords of vrrp_script.
func scriptRows() []row[Script] {
	type S = Script
	return []row[S]{
		action("script", "<COMMAND> [<USER> [<GROUP>]]", func(s *stmt, o *S) {
			if c, ok := command().read(s); ok {
				c.User, c.Group = or(c.User, o.Command.User), or(c.Group, o.Command.Group)
				o.Command = *c
			}
		}, "The command whose exit status decides: 0 is good.").in("quote a command with arguments").since("1.1.13"),
		field("interval", seconds(0.001, 4294).or(1), func(o *S) *time.Duration { return &o.Interval }, "The time between two runs.").since("1.1.13"),
		field("timeout", seconds(0.001, 4294).or("interval"), func(o *S) *time.Duration { return &o.Timeout }, "How long a run may take.").since("1.2.6"),
		action("weight", "<N> [reverse]", weigh(253, func(o *S) (*int, *bool) { return &o.Weight, &o.Reverse }), "What is added to the priority; 0 is a fault while the script fails.").in("-253 to 253").or("0").since("1.1.13"),
		field("rise", number[int](1, 1<<31-1).or(1), func(o *S) *int { return &o.Rise }, "How many successes in a row make it good.").since("1.1.18"),
		field("fall", number[int](1, 1<<31-1).or(1), func(o *S) *int { return &o.Fall }, "How many failures in a row make it bad.").since("1.1.18"),
		action("user", "<USER> [<GROUP>]", func(s *stmt, o *S) { identity(&o.Command.User, &o.Command.Group, s) }, "Who the script runs as.").in("names or numbers that exist").or("script_user").since("1.3.0"),
		inert[S]("init_fail", "The script has failed until it succeeds.", "keepalived overrides it when the script is tracked").or("off").since("1.3.2"),
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// groupRows are the keywords of vrrp_sync_group.
func groupRows() []row[SyncGroup] {
	type G = SyncGroup
	notify := func(g *G) *Notify { return &g.Notify }
	return append([]row[G]{
		list("group", "{ <INSTANCE> ... }", func(s *stmt, g *G) {
			s.r.members = append(s.r.members, members{g, s.rest(), s.r.path()})
		}, "The instances of the group.").in("instances, each in one group at most").item("<INSTANCE>", "one or more per line", "", "", "The name of an instance.").since("1.1.0"),
		notifyRow("notify_master", func(n *Notify) **Command { return &n.Master }, notify, "Runs on becoming master.").since("1.1.0"),
		notifyRow("notify_backup", func(n *Notify) **Command { return &n.Backup }, notify, "Runs on becoming backup.").since("1.1.0"),
		notifyRow("notify_fault", func(n *Notify) **Command { return &n.Fault }, notify, "Runs on a fault.").since("1.1.0"),
		notifyRow("notify_stop", func(n *Notify) **Command { return &n.Stop }, notify, "Runs when VRRP stops.").since("2.0.0"),
		notifyRow("notify", func(n *Notify) **Command { return &n.Any }, notify, "Runs on every change.").since("1.1.2"),
		field("smtp_alert", boolean().or("smtp_alert_vrrp"), func(g *G) *bool { return &g.SMTPAlert }, "Sends mails about the group.").since("1.1.0"),
		inert[G]("global_tracking", "An old switch.", "tracking is set in the group now").or("off").since("1.2.3"),
		field("sync_group_tracking_weight", flag(), func(g *G) *bool { return &g.TrackWeights }, "Members may have trackers with weights.").since("2.0.0"),
		field("notify_priority_changes", boolean().or("vrrp_notify_priority_changes"), func(g *G) *bool { return &g.NotifyPriorityChanges }, "Tells the FIFOs of changes of the priority too.").since("2.2.0"),
	}, released(trackLists(func(g *G) *tracks {
		return &tracks{&g.TrackInterfaces, &g.TrackScripts, &g.TrackFiles, &g.TrackProcesses, &g.TrackBFDs}
	}), "2.0.0", nil)...)
}

// members are the names on a line of a sync group and their place.
type members struct {
	group *SyncGroup
	words []syntax.Word
	path  string
}

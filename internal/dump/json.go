package dump

import (
	"fmt"
	"strconv"
	"strings"

	"keepgo/confparse"
	"keepgo/internal/status"
)

// JSON is keepalived.json: an array of the instances, or with json_version 2 an
// object with the tracked processes beside them. It is nil without an instance,
// when keepalived writes no file. Order and spelling are keepalived's.
func JSON(w World) []byte {
	if len(w.Config.Instances) == 0 {
		return nil
	}
	p := newPage(w)
	var list []string
	for _, c := range w.Config.Instances {
		if in := p.instances[c.Name]; in != nil {
			o := object{}
			o.raw("data", p.data(c, in).String())
			o.raw("stats", stats(in).String())
			list = append(list, o.String())
		}
	}
	if w.Config.Global.JSONVersion == 2 {
		o := object{}
		o.raw("vrrp", array(list))
		o.raw("track_process", array(p.processes()))
		return []byte(o.String() + "\n")
	}
	return []byte(array(list) + "\n")
}

// object is a JSON object with its members in the order they were added.
type object []string

func (o *object) raw(name, value string) { *o = append(*o, text(name)+":"+value) }

func (o *object) text(name, value string) { o.raw(name, text(value)) }

func (o *object) bool(name string, value bool) { o.raw(name, strconv.FormatBool(value)) }

// flag adds a boolean that keepalived writes as a number.
func (o *object) flag(name string, value bool) { o.raw(name, choose(value, "1", "0")) }

func (o *object) number(name string, value any) { o.raw(name, fmt.Sprint(value)) }

// texts adds an array, unless it is empty.
func (o *object) texts(name string, values []string) {
	if len(values) == 0 {
		return
	}
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = text(v)
	}
	o.raw(name, array(list))
}

func (o object) String() string { return "{" + strings.Join(o, ",") + "}" }

func array(values []string) string { return "[" + strings.Join(values, ",") + "]" }

// text is a JSON string. keepalived escapes the slash too.
func text(s string) string {
	b := []byte{'"'}
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\' || r == '/':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = append(b, string(r)...)
		}
	}
	return string(append(b, '"'))
}

// data is what an instance is configured to and how it stands.
func (p *page) data(c *confparse.Instance, in *status.Instance) object {
	o := object{}
	o.text("iname", c.Name)
	o.flag("dont_track_primary", c.DontTrackPrimary)
	o.flag("skip_check_adv_addr", c.SkipAddressCheck)
	o.flag("strict_mode", c.Strict)
	o.text("vmac_ifname", device(c, in))
	if c.Interface != "" {
		o.text("ifp_ifname", link(c, in))
	}
	o.number("master_priority", in.Heard.Priority)
	o.raw("last_transition", fmt.Sprintf("%d.%06d", in.Since.Unix(), in.Since.Nanosecond()/1000))
	o.garp(&c.GARP)
	o.flag("lower_prio_no_advert", c.LowerPriorityNoAdvert)
	o.flag("higher_prio_send_advert", c.HigherPrioritySend)
	o.number("vrid", c.VRID)
	o.number("base_priority", c.Priority)
	o.number("effective_priority", in.Priority)
	o.bool("vipset", in.Standing)
	o.bool("promote_secondaries", c.PromoteSecondaries)
	o.number("adver_int", c.AdvertInt.Seconds())
	o.number("master_adver_int", in.Heard.Interval)
	o.flag("accept", c.Accept)
	o.bool("nopreempt", c.NoPreempt)
	o.number("preempt_delay", seconds(c.PreemptDelay))
	o.number("state", states[in.State])
	o.number("wantstate", states[in.Want])
	o.number("version", c.Version)
	o.bool("smtp_alert", c.SMTPAlert)
	o.bool("notify_deleted", c.NotifyDeleted)
	o.scripts(&c.Notify)
	o.texts("vips", p.addresses(c, in, c.Addresses))
	o.texts("evips", p.addresses(c, in, c.Excluded))
	o.texts("vroutes", in.Routes)
	o.texts("vrules", in.Rules)
	o.texts("track_ifp", names(c.TrackInterfaces))
	o.texts("track_script", p.commands(c.TrackScripts))
	o.texts("track_process", names(c.TrackProcesses))
	o.number("auth_type", uint8(c.AuthType))
	if c.AuthType != confparse.AuthNone {
		o.text("auth_data", secret)
	}
	return o
}

// secret stands for passwords, as in keepalived since 2.4.0.
const secret = "********"

// states are keepalived's numbers of states (its include/vrrp.h).
var states = map[string]int{"INIT": 0, "BACKUP": 1, "MASTER": 2, "FAULT": 3}

func (o *object) garp(g *confparse.GARP) {
	o.number("garp_delay", seconds(g.Delay))
	o.number("garp_refresh", seconds(g.Refresh))
	o.number("garp_rep", g.Repeat)
	o.number("garp_refresh_rep", g.RefreshRepeat)
	o.number("garp_lower_prio_delay", seconds(g.LowerDelay))
	o.number("garp_lower_prio_rep", g.LowerRepeat)
}

func (o *object) scripts(n *confparse.Notify) {
	for _, s := range []struct {
		name string
		c    *confparse.Command
	}{
		{"script_backup", n.Backup}, {"script_master", n.Master}, {"script_fault", n.Fault}, {"script_stop", n.Stop},
		{"script_deleted", n.Deleted}, {"script", n.Any}, {"script_master_rx_lower_pri", n.LowerPriority},
	} {
		if s.c != nil {
			o.text(s.name, quoted(s.c.Args))
		}
	}
}

// commands are the tracked scripts by what they run, as in keepalived.
func (p *page) commands(tracks []confparse.Track) []string {
	var list []string
	for _, t := range tracks {
		for _, s := range p.Config.Scripts {
			if s.Name == t.Name {
				list = append(list, quoted(s.Command.Args))
			}
		}
	}
	return list
}

func names(tracks []confparse.Track) []string {
	var list []string
	for _, t := range tracks {
		list = append(list, t.Name)
	}
	return list
}

func stats(in *status.Instance) object {
	c, o := &in.Counters, object{}
	for _, m := range []struct {
		name  string
		count uint64
	}{
		{"advert_rcvd", c.AdvertRcvd}, {"advert_sent", c.AdvertSent}, {"become_master", c.BecomeMaster}, {"release_master", c.ReleaseMaster},
		{"packet_len_err", c.PacketLenErr}, {"advert_interval_err", c.AdvertIntervalErr}, {"ip_ttl_err", c.IPTTLErr},
		{"invalid_type_rcvd", c.InvalidTypeRcvd}, {"addr_list_err", c.AddrListErr}, {"invalid_authtype", c.InvalidAuthtype},
		{"authtype_mismatch", c.AuthtypeMismatch}, {"auth_failure", c.AuthFailure},
		{"auth_ext_missing", c.AuthExtMissing}, {"auth_ext_malformed", c.AuthExtMalformed}, {"auth_ext_unknown_key", c.AuthExtUnknownKey},
		{"auth_ext_invalid_hmac", c.AuthExtBadHMAC}, {"auth_ext_stale", c.AuthExtStale}, {"auth_ext_replay", c.AuthExtReplay},
		{"pri_zero_rcvd", c.PriZeroRcvd}, {"pri_zero_sent", c.PriZeroSent},
	} {
		o.number(m.name, m.count)
	}
	return o
}

// processes are the tracked processes of json_version 2.
func (p *page) processes() []string {
	var list []string
	for _, t := range p.Config.TrackProcesses {
		o := object{}
		o.text("process", t.Process)
		o.texts("parameters", t.Params)
		o.text("param_match", matches[t.Match])
		o.number("min_processes", t.Quorum)
		o.number("max_processes", t.QuorumMax)
		o.bool("have_quorum", p.Status.Processes[t.Name])
		o.number("weight", t.Weight)
		o.number("terminate_delay", t.TerminateDelay.Seconds())
		o.number("fork_delay", t.ForkDelay.Seconds())
		o.bool("full_command", t.FullCommand)
		list = append(list, o.String())
	}
	return list
}

var matches = map[confparse.ParamMatch]string{
	confparse.ParamsIgnored: "none", confparse.ParamsExact: "exact", confparse.ParamsInitial: "initial", confparse.ParamsPartial: "partial",
}

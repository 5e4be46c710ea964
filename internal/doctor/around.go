package doctor

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// firewall asks what becomes of adverts that come in.
func (f *Facts) firewall(s *sheet) {
	for _, v := range f.Rules {
		fix := "let it in before that rule, in nftables: meta l4proto 112 accept; in iptables: -p 112 -j ACCEPT (with auth AH: 51)"
		switch {
		case v.Failed != "":
			s.unchecked(v.Where, v.Failed)
		case v.Drops && v.Unsure:
			s.warning(v.What+" is dropped unless a rule that could not be judged lets it in", v.Where+": "+v.Rule, fix)
		case v.Drops:
			s.fault(v.What+" is dropped: this director does not hear the other one, and both become MASTER", v.Where+": "+v.Rule, fix)
		}
	}
}

// competitors are others that do the same work.
func (f *Facts) competitors(s *sheet) {
	for _, o := range f.Others {
		severity := Warning
		if o.Sure {
			severity = Fault
		}
		s.add(severity, o.Name+": "+o.Harm, o.What, o.Fix)
	}
}

// clockFault is how far clocks may be apart before something is refused, by
// default (auth_hmac time_window), and clockWarning before logs do not match.
const (
	clockFault   = 5 * time.Second
	clockWarning = 500 * time.Millisecond
)

// pair compares both directors.
func (f *Facts) pair(s *sheet) {
	if len(f.Pair) == 0 {
		if f.Config != nil && len(f.Config.Instances) > 0 {
			s.unchecked("the other director, and the difference of the clocks", "it is not known where its status is: --peer URL, or metrics_listen on both and adverts by unicast")
		}
		return
	}
	for i := range f.Pair {
		f.Pair[i].judge(f, s)
	}
}

func (p *Peer) judge(f *Facts, s *sheet) {
	if p.Status == nil {
		s.unchecked("the other director "+p.Addr+", and the difference of the clocks", p.Failed)
		return
	}
	if apart := max(p.Ahead, -p.Ahead) - p.Within; apart > clockWarning {
		word := "ahead of"
		if p.Ahead < 0 {
			word = "behind"
		}
		severity := Warning
		if apart > clockFault {
			severity = Fault
		}
		s.add(severity, fmt.Sprintf("the clock of %s is %v %s ours", p.Addr, max(p.Ahead, -p.Ahead).Round(time.Millisecond), word),
			fmt.Sprintf("known within %v", p.Within.Round(time.Millisecond)), "let both follow NTP: adverts with auth_hmac are refused outside their window, and logs do not match")
	}
	if st := f.Status; st != nil && st.Digest != "" && p.Status.Digest != "" && st.Digest != p.Status.Digest {
		s.fault("what must be alike on both directors is not", few(unalike(st.Agreement, p.Status.Agreement)), "keepgo check FILE FILE_OF_THE_PEER names the lines")
	}
	p.masters(f, s)
}

// unalike names what two agreements differ in.
func unalike(here, there map[string]string) (names []string) {
	all := maps.Clone(here)
	maps.Copy(all, there)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if here[name] != there[name] {
			names = append(names, name)
		}
	}
	return names
}

// masters: exactly one of both has each virtual router.
func (p *Peer) masters(f *Facts, s *sheet) {
	if f.Status == nil {
		return
	}
	for i := range f.Status.Instances {
		in := &f.Status.Instances[i]
		for j := range p.Status.Instances {
			t := &p.Status.Instances[j]
			if t.Name != in.Name || t.VRID != in.VRID || t.State != in.State {
				continue
			}
			switch in.State {
			case "MASTER":
				s.fault("both directors are MASTER of "+in.Name, "keepgo status here and on "+p.Addr, "they do not hear each other: see firewall, and keepgo capture on both")
			case "BACKUP":
				s.warning("both directors are BACKUP of "+in.Name, "keepgo status here and on "+p.Addr, "a third has it, or an election is under way: look again")
			}
		}
	}
}

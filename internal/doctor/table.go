package doctor

import (
	"fmt"
	"maps"
	"slices"

	"keepgo/ipvsctl"
)

// table compares what stands in the kernel with what should.
func (f *Facts) table(s *sheet) {
	if f.Plan == nil || f.Have == nil {
		return
	}
	if f.Status == nil {
		f.leftovers(s, nil)
		return
	}
	if !f.runs() || f.Changed {
		s.unchecked("the table against the file", "the daemon does not run with this file as it is now")
		return
	}
	want := f.Plan.Expected(f.Status.Services)
	for k, e := range want {
		want[k] = f.shown(e).Canonical(k)
		if f.Plane == NFTables && ipvsctl.BeyondNFTables(k, e) != nil {
			delete(want, k) // which the step configuration tells
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(want), ipvsctl.ServiceKey.Compare) {
		f.service(s, k, want[k])
	}
	f.leftovers(s, want)
}

// shown is a service as the kernel shows it: IPVS knows nothing of other sources.
func (f *Facts) shown(e ipvsctl.Entry) ipvsctl.Entry {
	if f.Plane == IPVS {
		e.Service.Source = ""
	}
	return e
}

// again is what puts a service back.
const again = "reload the daemon, which programs it anew; keepgo events tells what happened, and 'lvs_repair off' lets others change it"

func (f *Facts) service(s *sheet, k ipvsctl.ServiceKey, want ipvsctl.Entry) {
	have, stands := f.Have[k]
	switch {
	case !stands:
		s.fault(fmt.Sprintf("the service %s is missing in the kernel", k), "keepgo ipvs -Ln", again)
		return
	case have.Service != want.Service:
		s.fault(fmt.Sprintf("the service %s is another than in the file", k), unlike(have.Service, want.Service), again)
	}
	var wrong []string
	for dk := range have.Destinations {
		if _, wanted := want.Destinations[dk]; !wanted {
			wrong = append(wrong, dk.Name(k.Protocol)+" stands there and should not")
		}
	}
	for dk, d := range want.Destinations {
		if is, stands := have.Destinations[dk]; !stands {
			wrong = append(wrong, dk.Name(k.Protocol)+" is missing")
		} else if text := f.differs(is, d); text != "" {
			wrong = append(wrong, dk.Name(k.Protocol)+" "+text)
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		s.fault(fmt.Sprintf("the servers of %s are not those that should stand", k), few(wrong), again)
	}
}

// unlike says in what two services differ.
func unlike(have, want ipvsctl.Service) string {
	switch {
	case have.Scheduler != want.Scheduler:
		return fmt.Sprintf("scheduler %s, wanted %s", have.Scheduler, want.Scheduler)
	case have.Timeout != want.Timeout:
		return fmt.Sprintf("persistence %v, wanted %v", have.Timeout, want.Timeout)
	case have.Engine != want.Engine:
		return fmt.Sprintf("persistence engine %q, wanted %q", have.Engine, want.Engine)
	case have.Source != want.Source:
		return fmt.Sprintf("source %q, wanted %q", have.Source, want.Source)
	}
	return fmt.Sprintf("flags %#x, wanted %#x", have.Flags, want.Flags)
}

// differs says in what a server does. The weight of a slow start is on its way.
func (f *Facts) differs(have, want ipvsctl.Destination) string {
	slow := slices.ContainsFunc(f.Plan.Pools, func(p pool) bool {
		return slices.ContainsFunc(p.Servers, func(s server) bool { return s.SlowStart > 0 })
	})
	switch {
	case have.Weight != want.Weight && !slow:
		return fmt.Sprintf("has weight %d, wanted %d", have.Weight, want.Weight)
	case have.Forward != want.Forward:
		return fmt.Sprintf("is reached by %s, wanted %s", method(have.Forward), method(want.Forward))
	}
	return ""
}

func method(forward uint8) string {
	switch forward {
	case ipvsctl.ForwardDirect:
		return "DR"
	case ipvsctl.ForwardTunnel:
		return "TUN"
	}
	return "NAT"
}

// leftovers are services that nobody here wants.
func (f *Facts) leftovers(s *sheet, want ipvsctl.Table) {
	var names []string
	for _, k := range slices.SortedFunc(maps.Keys(f.Have), ipvsctl.ServiceKey.Compare) {
		if _, wanted := want[k]; !wanted {
			names = append(names, k.String())
		}
	}
	if len(names) == 0 {
		return
	}
	what := "services stand in the kernel that the file does not have"
	if f.Status == nil {
		what = "services stand in the kernel although no daemon looks after them"
	}
	s.warning(what, few(names), "they are another program's (see competitors), or were left behind: keepgo ipvs -D -t ADDRESS:PORT takes one out")
}

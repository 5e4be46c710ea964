package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// arp asks who answers for the virtual addresses.
func (f *Facts) arp(s *sheet) {
	switch {
	case f.Passive:
		s.unchecked("who answers for the virtual addresses", "nothing is sent (--passive)")
	case f.Silent != "":
		s.unchecked("who answers for the virtual addresses", f.Silent)
	}
	for i := range f.Answers {
		f.Answers[i].judge(s)
	}
}

// Wire judges who answers for virtual addresses, as seen from any machine of
// their network.
func Wire(answers []Answer) []Finding {
	var s sheet
	for i := range answers {
		answers[i].judge(&s)
	}
	return s.list
}

func (a *Answer) judge(s *sheet) {
	if a.Failed != "" {
		s.unchecked(fmt.Sprintf("who answers for %s", a.Addr), a.Failed)
		return
	}
	var wrong, right []Station
	for _, st := range a.Stations {
		if a.rightful(st) {
			right = append(right, st)
		} else {
			wrong = append(wrong, st)
		}
	}
	evidence := fmt.Sprintf("asked on %s", a.Link)
	mend := "take the address away there"
	if slices.ContainsFunc(a.Stations, Station.server) {
		mend = "the real server must be silent about it: keepgo rs up there, and keepgo rs verify"
	}
	switch {
	case len(a.Stations) == 0 && a.Ours:
	case len(a.Stations) == 0:
		s.fault(fmt.Sprintf("nobody answers for %s", a.Addr), evidence, "a director must be MASTER: keepgo status on both; where one is, see its step addresses, and the switches between")
	case a.Ours:
		s.fault(fmt.Sprintf("%s stands here, and others answer for it too: %s", a.Addr, stations(a.Stations)), evidence, mend)
	case a.Master == nil && len(a.Stations) > 1:
		s.fault(fmt.Sprintf("%d stations answer for %s: %s", len(a.Stations), a.Addr, stations(a.Stations)), evidence+"; no adverts were heard that say which of them is the master", mend)
	case a.Master == nil && a.Stations[0].server():
		s.fault(fmt.Sprintf("%s is answered for by %s", a.Addr, a.Stations[0]), evidence, mend)
	case a.Master == nil:
		s.add(Unchecked, fmt.Sprintf("whether %s, which answers for %s, is the master", a.Stations[0], a.Addr), "no adverts with this address were heard: by unicast only the pair hears them", "")
	case len(wrong) > 0 && len(right) > 0:
		s.fault(fmt.Sprintf("%s is answered for by the master, %s, and also by %s", a.Addr, right[0], stations(wrong)), evidence, mend)
	case len(wrong) > 0:
		s.fault(fmt.Sprintf("%s is answered for by %s, and not by the master, %s", a.Addr, stations(wrong), a.Master), evidence, mend)
	}
}

// rightful tells whether a station may answer: the one that sends the adverts,
// under its own address or that of the virtual router.
func (a *Answer) rightful(st Station) bool {
	return a.Master != nil && (st.MAC == a.Master.MAC || st.MAC == VirtualMAC(a.VRID, a.Addr.Is6()))
}

// VirtualMAC is the address of a virtual router, RFC 9568 section 7.3.
func VirtualMAC(vrid uint8, six bool) string {
	family := 1
	if six {
		family = 2
	}
	return fmt.Sprintf("00:00:5e:00:%02x:%02x", family, vrid)
}

// server tells whether a station is a real server of the configuration.
func (st Station) server() bool { return strings.HasPrefix(st.Name, "real server") }

// String names a station by all that is known of it.
func (st Station) String() string {
	text := st.MAC
	switch {
	case st.Name != "":
		text += " (" + st.Name + ")"
	case st.Addr.IsValid():
		text += " (" + st.Addr.String() + ")"
	}
	return text
}

func stations(list []Station) string {
	var names []string
	for _, st := range list {
		names = append(names, st.String())
	}
	return few(names)
}

package doctor

import (
	"fmt"
	"strings"

	"keepgo/confparse/syntax"
	"keepgo/internal/status"
)

// configuration passes on what keepgo check --host finds.
func (f *Facts) configuration(s *sheet) {
	if f.Unreadable != "" {
		s.fault(f.Unreadable, "", "name the file that the daemon runs with: keepgo doctor FILE")
		return
	}
	for _, e := range f.Text {
		switch e.Severity {
		case syntax.Failure:
			s.fault(e.Err.Error(), e.Pos.String(), e.Hint)
		case syntax.Warning:
			s.warning(e.Err.Error(), e.Pos.String(), e.Hint)
		}
	}
}

// daemon asks how the running daemon is.
func (f *Facts) daemon(s *sheet) {
	st := f.Status
	if st == nil {
		if f.Denied {
			s.unchecked("the running daemon", f.NoStatus)
			return
		}
		s.fault("no keepgo runs that could be asked", f.NoStatus, "systemctl status keepgo; or name its socket with --control")
		return
	}
	if f.Config != nil && !f.runs() {
		s.warning(fmt.Sprintf("the daemon runs with %s, not with %s", st.Config, f.File), fmt.Sprintf("process %d", st.PID), "keepgo doctor "+st.Config)
	} else if f.Changed {
		s.warning("the file changed since the daemon read it", f.File, "keepgo plan "+f.File+" says what a reload would change; then reload, or restore the file")
	}
	for _, o := range st.Orders {
		s.add(Note, "an order is in force: "+orderText(o), "keepgo status", "")
	}
	for i := range st.Instances {
		f.instance(s, &st.Instances[i])
	}
}

// runs tells whether the daemon runs with the file. A name that is relative means
// what it meant where the daemon was started.
func (f *Facts) runs() bool {
	name := f.Status.Config
	return name == f.File || !strings.HasPrefix(name, "/") && strings.HasSuffix(f.File, "/"+strings.TrimPrefix(name, "./"))
}

func orderText(o status.Order) string {
	switch {
	case o.Server != "":
		return o.Verb + " " + o.Server
	case o.Name != "":
		return o.Verb + " " + o.Name
	}
	return o.Verb
}

// instance asks how a virtual router is.
func (f *Facts) instance(s *sheet, in *status.Instance) {
	name := "instance " + in.Name
	switch in.State {
	case "FAULT":
		s.fault(name+" is in FAULT and takes no part", in.Reason, "mend that; keepgo explain "+in.Name+" tells more")
	case "INIT":
		s.warning(name+" has not begun", in.Reason, "keepgo explain "+in.Name)
	}
	if in.Rival != "" {
		s.fault(name+": there is more than one master", in.Rival, "see the steps firewall and pair; both masters answer for the addresses until they hear each other")
	}
	if in.Drift != "" {
		s.warning(name+": the addresses of the master differ from ours", in.Drift, "make both files alike: keepgo check FILE FILE_OF_THE_PEER")
	}
	for _, p := range in.Peers {
		if p.Fault != "" {
			s.fault(name+": adverts of "+p.Address+" are not accepted", p.Fault, "keepgo check FILE FILE_OF_THE_PEER names the lines that differ")
		}
	}
	for _, d := range in.Devices {
		if d.Name == "" {
			s.fault(name+": its interface above "+d.Parent+" does not stand", "keepgo explain "+in.Name, "see the log of the daemon for why it could not be made")
		}
	}
	for _, part := range in.Parts {
		if part.Fault != "" && in.State != "FAULT" {
			s.warning(name+": "+part.What+" fails", part.Fault, "")
		}
	}
}

package daemon

import (
	"fmt"
	"net/http"
	"slices"

	"keepgo/internal/advice"
	"keepgo/internal/status"
)

// explained is how many events an explanation has at most.
const explained = 12

// serveExplain tells all about one instance, service or server.
func (p *parent) serveExplain(w http.ResponseWriter, r *http.Request) {
	name, s := r.PathValue("name"), p.ask()
	e := status.Explanation{Name: name, At: s.Asked}
	for i := range s.Instances {
		if in := &s.Instances[i]; in.Name == name {
			e.Instance = in
		}
	}
	for i := range s.Services {
		if sv := &s.Services[i]; sv.Name == name {
			e.Service = sv
		}
	}
	if e.Instance == nil && e.Service == nil {
		refuse(w, http.StatusNotFound, fmt.Errorf("no vrrp_instance and no virtual server is called %q; keepgo status lists them", name))
		return
	}
	e.Events = slices.DeleteFunc(p.eventsAfter(0), func(ev status.Event) bool { return !ev.About(e.Instance, e.Service) })
	e.Events = e.Events[max(0, len(e.Events)-explained):]
	p.onLoop(func() {
		for _, o := range advice.Foresee(&advice.File{Label: p.opts.File, Config: p.cfg}) {
			if e.Instance != nil && o.Name == name {
				e.Outlook = o.Text
			}
		}
	})
	reply(w, e)
}

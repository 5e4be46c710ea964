package ha

import "keepgo/confparse"

// poll plans which interfaces are asked for their link: those that are named,
// and with linkbeat_use_polling all that instances depend on. An interface that
// nobody depends on is not asked.
func (p *Plan) poll(cfg *confparse.Config) {
	p.Polls = map[string]string{}
	used := map[string]bool{}
	for i, c := range cfg.Instances {
		in := p.Instances[i]
		for _, t := range append([]Track{{Link: in.Key.Link}}, in.Links...) {
			if used[t.Link] = true; cfg.Global.LinkbeatPolling {
				p.Polls[t.Link] = ""
			}
		}
		if c.LinkbeatPolling {
			p.Polls[c.Interface] = ""
		}
	}
	for _, l := range cfg.Linkbeats {
		if used[l.Interface] {
			p.Polls[l.Interface] = l.Method
		}
	}
	delete(p.Polls, "")
}

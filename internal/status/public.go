package status

// Public is what anybody on the network of the pair may know: what the other
// director needs to judge whether it can hand over. It lacks what the checks
// answered, what scripts and files say, and the paths of this machine.
func (s *Status) Public() *Status {
	p := &Status{Version: s.Version, Asked: s.Asked, Began: s.Began, Reloaded: s.Reloaded, IPVS: s.IPVS, DataPlane: s.DataPlane,
		Orders: s.Orders, Sync: s.Sync, Drills: s.Drills, Agreement: s.Agreement, Digest: s.Digest,
		Instances: make([]Instance, len(s.Instances)), Services: make([]Service, len(s.Services))}
	for i, in := range s.Instances {
		in.Parts, in.Devices, in.Reason, in.Routes, in.Rules = nil, nil, "", nil, nil
		p.Instances[i] = in
	}
	for i, v := range s.Services {
		v.Servers = append([]Server(nil), v.Servers...)
		for j := range v.Servers {
			v.Servers[j].Why, v.Servers[j].Checks = "", nil
		}
		p.Services[i] = v
	}
	return p
}

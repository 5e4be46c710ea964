package metrics

import "keepgo/internal/status"

var daemonFamilies = families[status.Status]{
	{"keepgo_info", gauge, "Always 1; the version stands in a label.", func(*status.Status) float64 { return 1 }},
	{"keepgo_start_time_seconds", gauge, "When the daemon began, in seconds since 1970.", func(s *status.Status) float64 { return float64(s.Began.UnixMilli()) / 1000 }},
}

type in = status.Instance

var instanceFamilies = families[in]{
	{"keepgo_vrrp_state", gauge, "State of the instance: 0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT.", func(i *in) float64 { return stateNumbers[i.State] }},
	{"keepgo_vrrp_priority", gauge, "Effective priority.", func(i *in) float64 { return float64(i.Priority) }},
	{"keepgo_vrrp_since_seconds", gauge, "When it came into its state, in seconds since 1970.", func(i *in) float64 { return float64(i.Since.UnixMilli()) / 1000 }},
	{"keepgo_vrrp_split", gauge, "1 while another router is found to be MASTER too.", func(i *in) float64 { return truth(i.Rival != "") }},
	{"keepgo_vrrp_addresses_differ", gauge, "1 while the master's addresses are not ours.", func(i *in) float64 { return truth(i.Drift != "") }},
	{"keepgo_vrrp_splits_total", counter, "How often another router was found to be MASTER too.", func(i *in) float64 { return float64(i.Splits) }},
	{"keepgo_vrrp_adverts_received_total", counter, "Adverts that counted.", func(i *in) float64 { return float64(i.Counters.AdvertRcvd) }},
	{"keepgo_vrrp_adverts_sent_total", counter, "Adverts that were sent.", func(i *in) float64 { return float64(i.Counters.AdvertSent) }},
	{"keepgo_vrrp_adverts_refused_total", counter, "Adverts with a fault.", func(i *in) float64 { return float64(refused(i)) }},
	{"keepgo_vrrp_became_master_total", counter, "How often it became MASTER.", func(i *in) float64 { return float64(i.Counters.BecomeMaster) }},
	{"keepgo_vrrp_released_master_total", counter, "How often it was MASTER no longer.", func(i *in) float64 { return float64(i.Counters.ReleaseMaster) }},
}

// refused counts adverts with any fault.
func refused(i *in) uint64 {
	c := &i.Counters
	return c.PacketLenErr + c.AdvertIntervalErr + c.IPTTLErr + c.InvalidTypeRcvd + c.AddrListErr + c.InvalidAuthtype + c.AuthtypeMismatch +
		c.AuthFailure + c.AuthExtMissing + c.AuthExtMalformed + c.AuthExtUnknownKey + c.AuthExtBadHMAC + c.AuthExtStale + c.AuthExtReplay +
		c.VersErr + c.ChecksumErr + c.OtherErr
}

// peers tell when other routers were heard.
func (p *page) peers(instances []*in) {
	const name = "keepgo_vrrp_peer_heard_seconds"
	p.head(name, gauge, "When a router was last heard as MASTER, in seconds since 1970; 0 for never.")
	for _, i := range instances {
		for _, peer := range i.Peers {
			at := 0.0
			if peer.Heard != nil {
				at = float64(peer.Heard.UnixMilli()) / 1000
			}
			p.sample(name, append(instanceLabels(i), "peer", peer.Address), at)
		}
	}
}

// places tell which addresses are as they should be.
func (p *page) places(instances []*in) {
	const stands, right = "keepgo_vrrp_address_stands", "keepgo_vrrp_address_right"
	p.head(stands, gauge, "1 while the kernel has the address on its interface.")
	for _, i := range instances {
		for _, a := range i.Places {
			p.sample(stands, append(instanceLabels(i), "address", a.Address, "link", a.Link), truth(a.Stands))
		}
	}
	p.head(right, gauge, "1 while the address stands where its instance is MASTER, and nowhere else.")
	for _, i := range instances {
		for _, a := range i.Places {
			p.sample(right, append(instanceLabels(i), "address", a.Address, "link", a.Link), truth(a.Stands == i.Standing))
		}
	}
}

var scriptFamilies = families[status.Script]{
	{"keepgo_script_good", gauge, "1 while the tracked script counts as good.", func(s *status.Script) float64 { return truth(s.Good) }},
}

var serviceFamilies = families[status.Service]{
	{"keepgo_service_up", gauge, "1 while the virtual server has its quorum.", func(s *status.Service) float64 { return truth(s.Up) }},
	{"keepgo_service_sorry", gauge, "1 while the sorry server answers.", func(s *status.Service) float64 { return truth(s.Sorry) }},
	{"keepgo_service_connections_total", counter, "Connections.", func(s *status.Service) float64 { return float64(load(s.Traffic).Connections) }},
	{"keepgo_service_bytes_in_total", counter, "Bytes from clients.", func(s *status.Service) float64 { return float64(load(s.Traffic).BytesIn) }},
	{"keepgo_service_bytes_out_total", counter, "Bytes to clients.", func(s *status.Service) float64 { return float64(load(s.Traffic).BytesOut) }},
}

var serverFamilies = families[server]{
	{"keepgo_server_up", gauge, "1 while the checks of the real server are good.", func(s *server) float64 { return truth(s.Up) }},
	{"keepgo_server_weight", gauge, "Effective weight.", func(s *server) float64 { return float64(s.Weight) }},
	{"keepgo_server_active_connections", gauge, "Established connections.", func(s *server) float64 { return float64(load(s.Traffic).Active) }},
	{"keepgo_server_connections_total", counter, "Connections.", func(s *server) float64 { return float64(load(s.Traffic).Connections) }},
	{"keepgo_server_bytes_in_total", counter, "Bytes from clients.", func(s *server) float64 { return float64(load(s.Traffic).BytesIn) }},
	{"keepgo_server_bytes_out_total", counter, "Bytes to clients.", func(s *server) float64 { return float64(load(s.Traffic).BytesOut) }},
}

package ipvsctl

// Counters are what went through a service, or to a server, since it was added
// or its counters were zeroed. Rates are the kernel's estimates of the last
// seconds.
type Counters struct {
	Connections, PacketsIn, PacketsOut, BytesIn, BytesOut uint64

	ConnectionRate, PacketRateIn, PacketRateOut, ByteRateIn, ByteRateOut uint64 // per second
}

// Load is the connections a server has now, and its counters.
type Load struct {
	Counters
	Active     uint32 // established
	Inactive   uint32 // in any other state
	Persistent uint32 // templates of persistence
}

// Usage is the counters of a service and of its servers.
type Usage struct {
	Counters
	Servers map[DestKey]Load
}

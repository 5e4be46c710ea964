package ipvsctl

// ServiceListing is a service of the table as the kernel lists it, with its
// counters.
type ServiceListing struct {
	Key ServiceKey
	Service
	Counters
}

// ServerListing is a server of a service as the kernel lists it, with its
// connections and counters.
type ServerListing struct {
	Key DestKey
	Destination
	Load
}

package status

// Preview is what a reload of a file would do.
type Preview struct {
	File    string   `json:"file"`
	Faults  []string `json:"faults,omitempty"`  // what is wrong with the file
	Refused string   `json:"refused,omitempty"` // why the reload would change nothing; "" if it would be done
	// Changes are of instances first, then of virtual servers. What stays as it
	// is has none.
	Changes []Change `json:"changes"`
}

// Change is what becomes of one instance or virtual server.
type Change struct {
	Name    string   `json:"name"`
	What    string   `json:"what"`              // added, removed or changed
	Details []string `json:"details,omitempty"` // by keyword
	Kernel  []string `json:"kernel,omitempty"`  // operations, in their order
	Traffic []string `json:"traffic,omitempty"` // what clients notice
}

// Empty tells that there is nothing to say.
func (c *Change) Empty() bool { return c.What == "changed" && len(c.Details)+len(c.Kernel) == 0 }

package ha

// ahead is how many sequence numbers of auth_type AH are told before they are
// used. A process that replaces this one goes on behind them: to begin anew would
// be taken for a replay, and the number used last dies with who used it.
const ahead = 256

// reserve asks for more numbers to be told when half of them are used, or when
// the others have counted on or begun anew.
func (m *member) reserve(acts []Action) []Action {
	if !m.codec.AH() {
		return acts
	}
	if m.reserved >= m.codec.Ahead(ahead/2) && m.reserved <= m.codec.Ahead(ahead) {
		return acts
	}
	m.reserved = m.codec.Ahead(ahead)
	return append(acts, Action{Kind: ActReserve, ID: m.id})
}

// Reserved is the name of an instance and the sequence number that Continue may
// be given.
func (n *Node) Reserved(id int) (name string, sequence uint32) {
	if m := n.byID[id]; m != nil {
		return m.plan.Name, m.reserved
	}
	return "", 0
}

// Sequences are what Reserved tells, by the names of all instances, for Continue.
func (n *Node) Sequences() map[string]uint32 {
	all := map[string]uint32{}
	for _, m := range n.members {
		if m.reserved > 0 {
			all[m.plan.Name] = m.reserved
		}
	}
	return all
}

// Continue goes on from the sequence numbers of an earlier process, by the names
// of instances.
func (n *Node) Continue(sequences map[string]uint32) {
	for _, m := range n.members {
		if seq, known := sequences[m.plan.Name]; known {
			m.codec.Continue(seq)
		}
	}
}

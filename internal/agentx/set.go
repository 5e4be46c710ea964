package agentx

// Responder answers one master over one session. It keeps what the master is
// setting from its test on (RFC 2741 section 7.2.4).
type Responder struct {
	// View is what may be told now.
	View func() View
	// Write puts values in force that the View's Test had nothing against: all of
	// them or, with an error, none. undo puts back what was. Without Write nothing
	// can be set.
	Write func([]Bind) (undo func(), err error)

	transaction uint32
	binds       []Bind // nil where nothing is being set
	undo        func() // nil before they are in force
}

// test keeps values for the CommitSet that follows, in place of any others: a
// master that began another transaction has given the one before up.
func (a *Responder) test(p *Packet) (fault, index uint16) {
	a.forget()
	view := a.View()
	for i, b := range p.Binds {
		fault := uint16(NotWritable)
		if a.Write != nil {
			fault = view.Test(b)
		}
		if fault != 0 {
			return fault, uint16(i + 1)
		}
	}
	a.transaction, a.binds = p.Transaction, p.Binds
	return 0, 0
}

// commit puts the values that were tested in force.
func (a *Responder) commit(p *Packet) uint16 {
	if a.binds == nil || a.undo != nil || p.Transaction != a.transaction {
		return errCommitFailed
	}
	undo, err := a.Write(a.binds)
	if err != nil {
		return errCommitFailed
	}
	a.undo = undo
	return 0
}

// revert puts back what was before the commit: another sub-agent could not do
// its part.
func (a *Responder) revert(p *Packet) uint16 {
	if a.undo == nil || p.Transaction != a.transaction {
		return errUndoFailed
	}
	a.undo()
	a.forget()
	return 0
}

// forget ends a transaction.
func (a *Responder) forget() { a.transaction, a.binds, a.undo = 0, nil, nil }

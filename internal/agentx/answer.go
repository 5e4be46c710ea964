package agentx

// View is what a sub-agent has to tell, at one time.
type View interface {
	// Get is the value of an instance. Its Kind is NoSuchObject where there is
	// no such object, and None or NoSuchInstance where it has no such instance.
	Get(OID) Value
	// Next is the first instance behind an identifier, or the one of it too.
	Next(after OID, include bool) (Bind, bool)
	// Test is the error that a value is refused with, as NotWritable; 0 where it
	// may be written.
	Test(Bind) uint16
}

// maxBinds is how many values one answer has at most: a master that asks for
// more is told so many, and asks again.
const maxBinds = 500

// Answer is the response to what a master asks; nil where none is due. There is
// one context.
func (a *Responder) Answer(p *Packet) *Packet {
	r := &Packet{Type: Response, Session: p.Session, Transaction: p.Transaction, ID: p.ID}
	if p.Context != nil {
		r.Error = errContext
		return r
	}
	switch p.Type {
	case Get:
		v := a.View()
		for _, s := range p.Ranges {
			r.Binds = append(r.Binds, get(v, s.Start))
		}
	case GetNext:
		v := a.View()
		for _, s := range p.Ranges {
			r.Binds = append(r.Binds, next(v, s))
		}
	case GetBulk:
		r.Binds = bulk(a.View(), p)
	case TestSet:
		r.Error, r.Index = a.test(p)
	case CommitSet:
		r.Error = a.commit(p)
	case UndoSet:
		r.Error = a.revert(p)
	case CleanupSet:
		a.forget()
		return nil
	case Ping:
	case Response, Close:
		return nil
	default:
		r.Error = errParse
	}
	return r
}

func get(v View, name OID) Bind {
	value := v.Get(name)
	if value.Kind == None {
		value.Kind = NoSuchInstance
	}
	return Bind{name, value}
}

// next is the first instance of a range (RFC 2741 section 7.2.3.2).
func next(v View, s Range) Bind {
	b, found := v.Next(s.Start, s.Include)
	if !found || len(s.End) > 0 && b.Name.Compare(s.End) >= 0 {
		return Bind{s.Start, Value{Kind: EndOfMIBView}}
	}
	return b
}

// bulk is several steps of next for all ranges but the first ones (RFC 2741
// section 7.2.3.3). It ends early where there is nothing left, or enough.
func bulk(v View, p *Packet) (list []Bind) {
	single := min(int(p.NonRepeaters), len(p.Ranges))
	for _, s := range p.Ranges[:single] {
		list = append(list, next(v, s))
	}
	rest := append([]Range{}, p.Ranges[single:]...)
	for range p.MaxRepetitions {
		if len(list)+len(rest) > maxBinds && len(list) > single {
			break
		}
		ended := true
		for i, s := range rest {
			b := next(v, s)
			list = append(list, b)
			rest[i].Start, rest[i].Include = b.Name, false
			ended = ended && b.Value.Kind == EndOfMIBView
		}
		if ended {
			break
		}
	}
	return list
}

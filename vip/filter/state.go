package filter

// state is what the door's goroutine knows.
type state struct {
	wants   map[int]Want
	count   map[element]int  // owners that want it; two of one address are common
	size    [families]int    // elements that are wanted
	touched map[element]bool // whose count changed since the last commit
	stands  map[element]bool
	built   [families]bool
	unknown [families]bool // what the kernel has must be replaced
	owed    []int          // owners to tell that their want is in force
	failed  string         // as last told
	by      string         // who damaged the tables, until they are repaired
	damaged bool
	drop    bool // drop reports: the kernel cannot duplicate
}

func newState() state {
	return state{
		wants: make(map[int]Want), count: make(map[element]int), touched: make(map[element]bool), stands: make(map[element]bool),
		unknown: [families]bool{true, true},
	}
}

// want notes what owner wants now.
func (s *state) want(o *Options, owner int, want Want) {
	for _, e := range o.elements(want) {
		s.add(e, 1)
	}
	for _, e := range o.elements(s.wants[owner]) {
		s.add(e, -1)
	}
	s.wants[owner] = want
	if len(want.Drop)+len(want.Guards) == 0 {
		delete(s.wants, owner)
	}
	s.owed = append(s.owed, owner)
}

func (s *state) add(e element, n int) {
	before := s.count[e]
	s.count[e] += n
	s.touched[e] = true
	switch f := familyOf[e.set]; {
	case before == 0:
		s.size[f]++
	case s.count[e] == 0:
		s.size[f]--
		delete(s.count, e)
	}
}

// lose notes that nothing is known of the tables any more.
func (s *state) lose() { s.unknown = [families]bool{true, true} }

// committed notes that the kernel has what is wanted.
func (s *state) committed() {
	for e := range s.touched {
		if s.count[e] > 0 {
			s.stands[e] = true
		} else {
			delete(s.stands, e)
		}
	}
	clear(s.touched)
	for f := range families {
		s.built[f], s.unknown[f] = s.size[f] > 0, false
	}
}

package confparse

import "keepgo/confparse/syntax"

// Status says how far a keyword has an effect.
type Status uint8

// What may stand behind a keyword.
const (
	Done     Status = iota // it has its effect
	NoEffect               // known, and rightly without effect; Keyword.Why says why
	Removed                // keepalived itself no longer knows it; Keyword.Why says what to write
)

// String names the status as the manual prints it.
func (s Status) String() string {
	return [...]string{"done", "no effect", "removed"}[s]
}

// Keyword is one row of the table: what decoding, checking, the manual and
// completion know of it.
type Keyword struct {
	Name    string
	Args    string // as the manual prints them: "<N>"
	Range   string
	Default string
	Since   string // the keepalived release that introduced it
	Doc     string // one sentence
	Status  Status
	Why     string // for a status other than Done
	Alias   string // the preferred spelling
	Old     bool   // an alias that is deprecated
	Block   Block  // what it opens, or nil
	// Options are the words that may follow on its line, or nil.
	Options Block
	// Item is what begins each line of the list that it opens, or what stands
	// among its options by itself, such as an address; nil where there is none.
	Item *Keyword
}

// Block is the inside of a block: its keywords, or the words of its lines.
type Block interface {
	// Keyword finds a row by its name.
	Keyword(name string) *Keyword
	// Keywords lists the rows in the order of the table.
	Keywords() []*Keyword
	// Lines says that the block holds lines of a list; its rows are then the
	// words that may follow on such a line.
	Lines() bool
}

// row is a Keyword with what it does to an object of type T.
type row[T any] struct {
	Keyword
	read    func(s *stmt, obj *T)
	repeats bool // it may stand several times
}

// block is the table of a block whose statements fill an object of type T.
type block[T any] struct {
	rows  []row[T]
	index map[string]int
	// item takes a line of a list block.
	item func(s *stmt, obj *T)
	// end looks at the whole block when it was read.
	end func(r *reader, obj *T, n *syntax.Node)
}

// keywords makes a block of rows; the table is wrong if a name comes twice.
func keywords[T any](groups ...[]row[T]) *block[T] {
	b := &block[T]{}
	for _, g := range groups {
		b.rows = append(b.rows, g...)
	}
	b.index = make(map[string]int, len(b.rows))
	for i := range b.rows {
		if _, twice := b.index[b.rows[i].Name]; twice {
			panic("confparse: keyword " + b.rows[i].Name + " is in its block twice")
		}
		b.index[b.rows[i].Name] = i
	}
	return b
}

// lines makes a list block.
func lines[T any](item func(s *stmt, obj *T), words ...row[T]) *block[T] {
	b := keywords(words)
	b.item = item
	return b
}

func (b *block[T]) ending(end func(r *reader, obj *T, n *syntax.Node)) *block[T] {
	b.end = end
	return b
}

// Keyword finds a row by its name.
func (b *block[T]) Keyword(name string) *Keyword {
	if i, ok := b.index[name]; ok {
		return &b.rows[i].Keyword
	}
	return nil
}

// Keywords lists the rows in the order of the table.
func (b *block[T]) Keywords() []*Keyword {
	out := make([]*Keyword, len(b.rows))
	for i := range b.rows {
		out[i] = &b.rows[i].Keyword
	}
	return out
}

// Lines says that the block holds lines of a list.
func (b *block[T]) Lines() bool { return b.item != nil }

// field makes the row of a keyword with one value.
func field[T, V any](name string, k kind[V], at func(*T) *V, doc string) row[T] {
	return row[T]{
		Keyword: Keyword{Name: name, Args: k.args, Range: k.rng, Default: k.def, Doc: doc},
		read: func(s *stmt, obj *T) {
			if v, ok := k.read(s); ok {
				*at(obj) = v
			}
		},
	}
}

// action makes the row of a keyword that is read by a function of its own.
func action[T any](name, args string, read func(s *stmt, obj *T), doc string) row[T] {
	return row[T]{Keyword: Keyword{Name: name, Args: args, Doc: doc}, read: read}
}

// list makes the row of a block of lines.
func list[T any](name, args string, item func(s *stmt, obj *T), doc string, words ...row[T]) row[T] {
	return within(name, args, lines(item, words...), doc)
}

// within makes the row of a block that fills the same object.
func within[T any](name, args string, inner *block[T], doc string) row[T] {
	rw := nested(name, args, inner, func(_ *stmt, obj *T) *T { return obj }, doc)
	rw.repeats = inner.item != nil
	return rw
}

// nested makes the row of a block with an object of its own. The function
// open makes the object from the words behind the keyword; nil skips the block.
func nested[T, C any](name, args string, inner *block[C], open func(s *stmt, obj *T) *C, doc string) row[T] {
	return row[T]{
		Keyword: Keyword{Name: name, Args: args, Doc: doc, Block: inner},
		repeats: true,
		read: func(s *stmt, obj *T) {
			if c := open(s, obj); c != nil {
				inner.decode(s.r, c, s.n)
			} else {
				s.rest()
			}
		},
	}
}

// word makes the row of an option inside a line; the grammar of the line
// reads it.
func word[T any](name, args, doc string) row[T] {
	return row[T]{Keyword: Keyword{Name: name, Args: args, Doc: doc}}
}

// option makes the row of a word that may follow a keyword on its line.
func option(name, args, doc string) row[struct{}] {
	return word[struct{}](name, args, doc)
}

// options says which words may follow on the line. They share the fate of
// their keyword.
func (rw row[T]) options(words ...row[struct{}]) row[T] {
	rw.Options = keywords(words)
	for _, k := range rw.Options.Keywords() {
		if rw.Status != Done && k.Status == Done {
			k.Status, k.Why = rw.Status, rw.Why
		}
	}
	return rw
}

// item says what begins a line of the list.
func (rw row[T]) item(name, args, rng, def, doc string) row[T] {
	rw.Item = &Keyword{Name: name, Args: args, Range: rng, Default: def, Doc: doc}
	return rw
}

// gone makes the row of a keyword that keepalived removed.
func gone[T any](name, args, why string) row[T] {
	return row[T]{Keyword: Keyword{Name: name, Args: args, Status: Removed, Why: why, Doc: "Removed: " + why + "."}}
}

// inert makes the row of a keyword that is known and has rightly no effect.
func inert[T any](name, doc, why string) row[T] {
	return word[T](name, "", doc).without(why)
}

// without says that a keyword has rightly no effect.
func (rw row[T]) without(why string) row[T] {
	rw.Status, rw.Why = NoEffect, why
	return rw
}

func (rw row[T]) bytes() row[T]               { rw.Args = "<BYTES>"; return rw }
func (rw row[T]) or(def string) row[T]        { rw.Default = def; return rw }
func (rw row[T]) in(rng string) row[T]        { rw.Range = rng; return rw }
func (rw row[T]) since(version string) row[T] { rw.Since = version; return rw }
func (rw row[T]) many() row[T]                { rw.repeats = true; return rw }

// alias repeats a row under another name.
func (rw row[T]) alias(name string) row[T] {
	rw.Alias, rw.Name = rw.Name, name
	return rw
}

// old repeats a row under a deprecated name.
func (rw row[T]) old(name string) row[T] {
	rw = rw.alias(name)
	rw.Old = true
	return rw
}

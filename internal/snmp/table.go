package snmp

import (
	"slices"

	"keepgo/internal/agentx"
)

// column is one object of a table: its number below the table's entry, and the
// value of a row, whose Kind is None where the row has none.
type column[T any] struct {
	id    uint32
	value func(*T) agentx.Value
}

// table is what one table, or a run of scalars, has to tell. Nothing is made of
// a value before somebody asks for it.
type table struct {
	oid     agentx.OID // of the entry
	columns []uint32   // their numbers, ascending
	index   []agentx.OID
	value   func(column, row int) agentx.Value
}

// newTable is a table of rows, which index tells apart. Columns ascend.
func newTable[T any](oid agentx.OID, rows []T, index func(i int, row *T) agentx.OID, columns []column[T]) table {
	t := table{oid: oid, index: make([]agentx.OID, len(rows))}
	order := make([]int, len(rows))
	keys := make([]agentx.OID, len(rows))
	for i := range rows {
		order[i], keys[i] = i, index(i, &rows[i])
	}
	slices.SortStableFunc(order, func(a, b int) int { return keys[a].Compare(keys[b]) })
	for i, k := range order {
		t.index[i] = keys[k]
	}
	for _, c := range columns {
		t.columns = append(t.columns, c.id)
	}
	t.value = func(column, row int) agentx.Value { return columns[column].value(&rows[order[row]]) }
	return t
}

// scalars is a run of objects that there is one of.
func scalars[T any](oid agentx.OID, of *T, columns []column[T]) table {
	return newTable(oid, []T{*of}, func(int, *T) agentx.OID { return agentx.OID{0} }, columns)
}

// byNumber is the index of a table whose rows are counted from 1.
func byNumber[T any](i int, _ *T) agentx.OID { return agentx.OID{uint32(i + 1)} }

// get is the value of an instance; ours says that the object is of this table.
func (t *table) get(name agentx.OID) (v agentx.Value, ours bool) {
	if !name.Below(t.oid) || len(name) == len(t.oid) {
		return v, false
	}
	rest := name[len(t.oid):]
	c, ours := slices.BinarySearch(t.columns, rest[0])
	if !ours {
		return v, false
	}
	if r, found := t.row(rest[1:]); found {
		v = t.value(c, r)
	}
	return v, true
}

func (t *table) row(index agentx.OID) (int, bool) {
	return slices.BinarySearchFunc(t.index, index, agentx.OID.Compare)
}

// next is the first instance behind an identifier, or the one of it.
func (t *table) next(after agentx.OID, include bool) (b agentx.Bind, found bool) {
	c, r := 0, 0
	switch {
	case after.Below(t.oid) && len(after) > len(t.oid):
		rest, exact := after[len(t.oid):], false
		if c, exact = slices.BinarySearch(t.columns, rest[0]); exact {
			var here bool
			if r, here = t.row(rest[1:]); here && !include {
				r++
			}
		}
	case after.Compare(t.oid) > 0 && !after.Below(t.oid):
		return b, false
	}
	for ; c < len(t.columns); c, r = c+1, 0 {
		for ; r < len(t.index); r++ {
			if v := t.value(c, r); v.Kind != agentx.None {
				return agentx.Bind{Name: t.oid.Add(t.columns[c]).Add(t.index[r]...), Value: v}, true
			}
		}
	}
	return b, false
}

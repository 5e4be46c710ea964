// Package everyfield lets a test see whether something depends on every field of
// a structure, those that are added later included.
package everyfield

import (
	"net/netip"
	"reflect"
)

// Visit changes one simple value after the other in what fresh makes, and calls
// changed with each: its path, as in ".Probe.Target", and the whole with nothing
// else changed. Pointers and the first elements of lists are followed: fresh fills
// them. Exported fields that skip names, by the path of the structure and their
// own name, are left out. It returns how many values there were.
func Visit[T any](fresh func() *T, skip func(path, field string) bool, changed func(path string, whole *T)) (seen int) {
	var visit func(path string, at func(*T) reflect.Value)
	visit = func(path string, at func(*T) reflect.Value) {
		whole := fresh()
		v := at(whole)
		switch {
		case Change(v):
			seen++
			changed(path, whole)
		case v.Kind() == reflect.Pointer:
			visit(path, func(whole *T) reflect.Value { return at(whole).Elem() })
		case v.Kind() == reflect.Slice:
			visit(path, func(whole *T) reflect.Value { return at(whole).Index(0) })
		default:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && !skip(path, f.Name) {
					visit(path+"."+f.Name, func(whole *T) reflect.Value { return at(whole).Field(i) })
				}
			}
		}
	}
	visit("", func(whole *T) reflect.Value { return reflect.ValueOf(whole).Elem() })
	return seen
}

// Change gives a simple value, or the first of an array, another one; false for
// what has parts.
func Change(v reflect.Value) bool {
	switch x := v.Addr().Interface().(type) {
	case *netip.Addr:
		*x = netip.MustParseAddr("10.9.9.9")
		return true
	case *netip.AddrPort:
		*x = netip.MustParseAddrPort("10.9.9.9:9")
		return true
	case *netip.Prefix:
		*x = netip.MustParsePrefix("10.9.9.9/32")
		return true
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.Array:
		return Change(v.Index(0))
	default:
		return false
	}
	return true
}

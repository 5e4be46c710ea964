package checker

import (
	"net/netip"
	"reflect"
	"testing"

	"keepgo/checker/pcre"
)

// TestKeysSeeEveryField: two probes that differ in anything are not taken for one.
func TestKeysSeeEveryField(t *testing.T) {
	whole := func() *Check {
		return &Check{Probe: Probe{
			Web:     &Web{TLS: &TLS{}, URLs: []URL{{Status: []Range{{}}, Regex: &pcre.Pattern{Options: []string{""}}}}},
			Program: &Program{Command: Command{Args: []string{""}, Groups: []uint32{0}}}, Question: &Question{},
			Datagram: &Datagram{Payload: []byte{0}, Reply: []byte{0}, Mask: []byte{0}},
		}}
	}
	own := map[string]bool{"ID": true, "LogAll": true, "Known": true, "Down": true, "Rising": true} // of one that is told, not of what is asked
	seen := 0
	var visit func(path string, at func(*Check) reflect.Value)
	visit = func(path string, at func(*Check) reflect.Value) {
		c := whole()
		v := at(c)
		switch {
		case change(v):
			if seen++; c.Sharing() == whole().Sharing() {
				t.Errorf("Sharing does not see %s", path)
			}
			if path[:2] == ".P" && path != ".Private" && c.Identity() == whole().Identity() {
				t.Errorf("Identity does not see %s", path)
			}
		case v.Kind() == reflect.Pointer:
			visit(path, func(c *Check) reflect.Value { return at(c).Elem() })
		case v.Kind() == reflect.Slice:
			visit(path, func(c *Check) reflect.Value { return at(c).Index(0) })
		default:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && !own[f.Name] && path+f.Name != "Service" {
					visit(path+"."+f.Name, func(c *Check) reflect.Value { return at(c).Field(i) })
				}
			}
		}
	}
	visit("", func(c *Check) reflect.Value { return reflect.ValueOf(c).Elem() })
	if seen < 40 {
		t.Errorf("only %d fields were changed", seen)
	}
}

func change(v reflect.Value) bool {
	switch x := v.Addr().Interface().(type) {
	case *netip.Addr:
		*x = netip.MustParseAddr("10.9.9.9")
		return true
	case *netip.AddrPort:
		*x = netip.MustParseAddrPort("10.9.9.9:9")
		return true
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(v.Uint() + 1)
	default:
		return false
	}
	return true
}

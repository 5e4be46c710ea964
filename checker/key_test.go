package checker

import (
	"testing"

	"keepgo/checker/pcre"
	"keepgo/internal/everyfield"
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
	skip := func(path, field string) bool { return own[field] || path == "" && field == "Service" }
	seen := everyfield.Visit(whole, skip, func(path string, c *Check) {
		if c.Sharing() == whole().Sharing() {
			t.Errorf("Sharing does not see %s", path)
		}
		if path[:2] == ".P" && path != ".Private" && c.Identity() == whole().Identity() {
			t.Errorf("Identity does not see %s", path)
		}
	})
	if seen < 40 {
		t.Errorf("only %d fields were changed", seen)
	}
}

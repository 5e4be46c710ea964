package daemon

import (
	"fmt"
	"testing"
	"time"
)

// TestAgain: the kernel is asked at growing distances, and at once when the module
// appears, but not while it stays.
func TestAgain(t *testing.T) {
	var a again
	var asked []int
	for second := 1; second <= 240; second++ {
		if a.due(time.Second, second == 100 || second == 101) {
			asked = append(asked, second)
		}
	}
	if got := fmt.Sprint(asked); got != "[5 15 35 75 100 160 220]" {
		t.Errorf("asked at %s", got)
	}
}

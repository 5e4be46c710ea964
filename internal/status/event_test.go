package status

import (
	"fmt"
	"testing"
)

func TestHistory(t *testing.T) {
	var h History
	if got := h.After(0); len(got) != 0 {
		t.Errorf("an empty history has %v", got)
	}
	for i := range historySize + 5 {
		h.Add(Event{Name: fmt.Sprint(i + 1)})
	}
	all := h.After(0)
	if len(all) != historySize || all[0].Number != 6 || all[0].Name != "6" || all[len(all)-1].Number != historySize+5 {
		t.Errorf("%d events from %+v to %+v", len(all), all[0], all[len(all)-1])
	}
	if got := h.After(historySize + 3); len(got) != 2 || got[0].Number != historySize+4 {
		t.Errorf("after the last but two: %+v", got)
	}
	if got := h.After(historySize + 50); len(got) != 0 {
		t.Errorf("after what has not happened: %+v", got)
	}

	var next History
	next.Adopt(all)
	next.Add(Event{Name: "more"})
	if got := next.After(historySize + 4); len(got) != 2 || got[0].Name != fmt.Sprint(historySize+5) || got[1].Number != historySize+6 {
		t.Errorf("an adopted history goes on with %+v", got)
	}
}

package ha

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
)

// TestManyMastersSpeakApart: instances that became MASTER in one instant speak in
// choirs soon, each in the same order again and again, and none twice in an
// interval.
func TestManyMastersSpeakApart(t *testing.T) {
	const n = 100
	cfg := &confparse.Config{}
	for i := range n {
		cfg.Instances = append(cfg.Instances, instance(fmt.Sprintf("VI_%d", i), uint8(i+1)))
	}
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(9 * time.Second)
	var first []string
	for round := range 3 {
		var spoken []string
		for end := 10*time.Second + time.Duration(round)*time.Second; d.node.Next() <= end; {
			d.now = d.node.Next()
			together := strings.Split(d.step(Event{Kind: EventTick}), "\n")
			if len(together) > choir {
				t.Fatalf("%d speak in one instant", len(together))
			}
			spoken = append(spoken, together...)
		}
		if first == nil {
			first = spoken
		}
		if len(spoken) != n || strings.Join(spoken, "\n") != strings.Join(first, "\n") {
			t.Fatalf("in round %d %d spoke:\n%s\nat first:\n%s", round, len(spoken), strings.Join(spoken, "\n"), strings.Join(first, "\n"))
		}
	}
}

// TestFewSpeakAsTheyBegan: a handful is left as it is.
func TestFewSpeakAsTheyBegan(t *testing.T) {
	if p := phase(choir-1, choir, time.Second); p != 0 {
		t.Errorf("the phase of one of few is %v", p)
	}
}

// TestPatience: a backup may hear late by its skew, a master by no more than what
// two may be MASTER for.
func TestPatience(t *testing.T) {
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1), instance("VI_2", 2)}}, "eth0")
	const skew = 609375 * time.Microsecond // of priority 100
	d.step(Event{Kind: EventStart})
	if got := d.node.Patience(); got != skew {
		t.Errorf("as backup %v", got)
	}
	if d.until(4 * time.Second); d.node.Patience() != dispute {
		t.Errorf("as master %v", d.node.Patience())
	}
	if d.hear(200); d.node.Patience() != dispute {
		t.Errorf("with one master left %v", d.node.Patience())
	}
	if d.step(Event{Kind: EventStop}); d.node.Patience() != skew {
		t.Errorf("at the end %v", d.node.Patience())
	}
}

// TestDeadlinesForget: who was taken out moves nobody who came in after.
func TestDeadlinesForget(t *testing.T) {
	var h deadlines
	old := []*member{{next: 5}, {next: 6}, {next: 7}}
	for _, m := range old {
		h.add(m)
	}
	h.clear()
	h.add(&member{next: 9})
	for _, m := range old {
		m.next = 1
		h.file(m)
	}
	if h.next() != 9 {
		t.Errorf("the next comes at %v", h.next())
	}
}

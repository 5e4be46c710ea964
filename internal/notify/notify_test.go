package notify

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keepgo/confparse"
)

func command(args ...string) *confparse.Command { return &confparse.Command{Args: args} }

func TestScripts(t *testing.T) {
	n := confparse.Notify{
		Master:        command("/m", "x"),
		Fault:         command("/f"),
		Any:           command("/any", "own"),
		LowerPriority: command("/low"),
	}
	for _, c := range []struct {
		edge Edge
		want string
	}{
		{Edge{Kind: "INSTANCE", Name: "VI_1", State: "MASTER", Priority: 150}, "/m x; /any own INSTANCE VI_1 MASTER 150"},
		{Edge{Kind: "INSTANCE", Name: "VI_1", State: "BACKUP", Priority: 100}, "/any own INSTANCE VI_1 BACKUP 100"},
		{Edge{Kind: "GROUP", Name: "G", State: "FAULT", Priority: 0}, "/f; /any own GROUP G FAULT 0"},
		{Edge{Kind: "INSTANCE", Name: "VI_1", State: "MASTER_RX_LOWER_PRI", Priority: 100}, "/low"},
		{Edge{Kind: "INSTANCE", Name: "VI_1", State: "MASTER_PRIORITY", Priority: 107}, ""},
		{Edge{Kind: "INSTANCE", Name: "VI_1", State: "BACKUP_PRIORITY", Priority: 107}, ""},
		{Edge{Kind: "INSTANCE", Name: "VI_1", State: "MASTER", Priority: 150, Again: true}, ""},
	} {
		var got []string
		for _, cmd := range Scripts(n, c.edge) {
			got = append(got, strings.Join(cmd.Args, " "))
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%+v: %q, want %q", c.edge, s, c.want)
		}
	}
	if !slices.Equal(n.Any.Args, []string{"/any", "own"}) {
		t.Errorf("the configured command was changed to %q", n.Any.Args)
	}
}

// record is a runner whose scripts take the seconds their second word names.
type record struct {
	mu     sync.Mutex
	events []string
}

func (r *record) run(c confparse.Command) {
	d, _ := time.ParseDuration(c.Args[1])
	time.Sleep(d)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, c.Args[0])
}

func TestQueueKeepsTheOrderOfAnObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r record
		q := NewQueue(r.run, t.Logf)
		q.Post("VI_1", *command("slow", "3s"), *command("quick", "1ms"))
		q.Post("VI_1", *command("last", "1ms"))
		q.Drain(time.Minute)
		if got := strings.Join(r.events, " "); got != "slow quick last" {
			t.Errorf("ran in the order %q", got)
		}
	})
}

func TestQueueDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r record
		var logged string
		q := NewQueue(r.run, func(format string, args ...any) { logged = fmt.Sprintf(format, args...) })
		q.Post("VI_1", *command("stuck", "1h"), *command("next", "1ms"))
		q.Drain(patience + time.Second)
		r.mu.Lock()
		next := slices.Contains(r.events, "next")
		r.mu.Unlock()
		if !next {
			t.Error("the second script did not run")
		}
		if !strings.Contains(logged, "stuck of VI_1") {
			t.Errorf("logged %q", logged)
		}
		time.Sleep(time.Hour)
	})
}

func TestQueueHurries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r record
		q := NewQueue(r.run, t.Logf)
		q.Post("VI_1", *command("stuck", "1h"), *command("stop", "700ms"), *command("any", "1ms"))
		time.Sleep(time.Second)
		q.Hurry()
		q.Hurry()
		start := time.Now()
		q.Drain(time.Second + time.Millisecond)
		r.mu.Lock()
		if got := strings.Join(r.events, " "); got != "any stop" {
			t.Errorf("%q ended in a second", got)
		}
		r.mu.Unlock()
		q.Drain(2 * time.Hour)
		if got := time.Since(start); got != time.Hour-time.Second {
			t.Errorf("all ended after %v, the longest takes an hour less a second", got)
		}
	})
}

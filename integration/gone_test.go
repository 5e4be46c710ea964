package integration

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestServiceGoneMeanwhile: a service that a reload removes while the process that
// keeps it is dead goes when there is one again.
func TestServiceGoneMeanwhile(t *testing.T) {
	needsIPVS(t)
	f := newFarm(t, methods[1])
	service := func(port string) string {
		return "virtual_server 10.0.0.100 " + port + " {\n    lvs_sched wrr\n    protocol TCP\n" + f.realServers(port, false) + "}\n"
	}
	has := func(port string) bool {
		return strings.Contains(strings.Join(table(t, f.a.Host), "\n"), "-A -t 10.0.0.100:"+port+" ")
	}
	f.configureAll("", service("80")+service("81"))
	f.a.start()
	f.eventually("the services stand", func() bool { return has("80") && has("81") })
	f.configureAll("", service("80")+service("82"))
	f.a.reload()
	f.eventually("the reload is done", func() bool { return has("82") && !has("81") })
	f.configureAll("", service("80"))
	pidFile := f.a.pidFiles()[2]
	for deaths := range 4 { // the parent waits the longer before it starts the next
		f.eventually("there is a process", func() bool {
			text, err := os.ReadFile(pidFile)
			pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
			return err == nil && slices.Contains(f.a.PIDs(), pid)
		})
		f.a.killFrom(pidFile)
		f.eventually("its end is noticed", func() bool { return strings.Count(f.a.proc.Log(), "respawning") > deaths })
	}
	if !has("82") {
		t.Fatal("the death of the process took the service along")
	}
	f.a.reload()
	f.eventually("the service goes", func() bool { return has("80") && !has("82") })

	f.a.killFrom(pidFile)
	f.eventually("its end is noticed", func() bool { return strings.Count(f.a.proc.Log(), "respawning") == 5 })
	f.configureAll("", "")
	f.a.reload()
	f.eventually("all services go", func() bool { return len(table(t, f.a.Host)) == 0 })
	f.eventually("and the process that took them out", func() bool { return len(f.a.PIDs()) == 2 })
}

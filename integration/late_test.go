package integration

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// modules are those of IPVS that are loaded.
func modules(t *testing.T) (names []string) {
	t.Helper()
	for line := range strings.Lines(string(must(os.ReadFile("/proc/modules"))(t))) {
		if name, _, _ := strings.Cut(line, " "); strings.HasPrefix(name, "ip_vs") {
			names = append(names, name)
		}
	}
	return names
}

// TestServiceLateModule: a daemon that starts before the module can be loaded says
// so once, and balances as soon as it is.
func TestServiceLateModule(t *testing.T) {
	needsIPVS(t)
	const loader = "/proc/sys/kernel/modprobe"
	before := must(os.ReadFile(loader))(t)
	f := newFarm(t, methods[1]) // which takes modules too
	for i := 0; i < 10 && len(modules(t)) > 0; i++ {
		for _, name := range modules(t) {
			say(t, f.client, "sh", "-c", "modprobe -r "+name+" || true")
		}
	}
	if left := modules(t); len(left) > 0 {
		t.Fatalf("still loaded: %v", left)
	}
	if err := os.WriteFile(loader, []byte("/bin/false"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(loader, before, 0)

	f.configureAll("lvs_data_plane ipvs", "virtual_server 10.0.0.100 80 {\n    lvs_sched wrr\n    protocol TCP\n"+f.realServers("80", true)+"}\n")
	begin := time.Now()
	f.a.start()
	f.becomesMaster(f.a, vip4, begin)
	f.a.logs("health checks run all the same")
	f.do(os.WriteFile(loader, before, 0))
	say(t, f.client, "modprobe", "ip_vs")
	f.a.logs("the kernel can balance connections now")
	f.eventually("the service answers", func() bool { _, err := f.get(); return err == nil })
	f.proportions()
	if n := strings.Count(f.a.proc.Log(), "health checks run all the same"); n != 1 {
		t.Errorf("told %d times", n)
	}
	f.a.stop()
	if left := table(t, f.a.Host); len(left) > 0 {
		t.Errorf("left in the table: %q", left)
	}
}

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

package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// tests takes time and memory of testing configurations.
func tests(g *rig) error {
	for _, n := range []int{1000, 10000} {
		vips := shape{instances: 1, interval: time.Second, priority: 100, vips: n}
		for key, text := range map[string]string{
			fmt.Sprintf("test %d services", n):  largeFarm(n).String(),
			fmt.Sprintf("test %d addresses", n): vips.String(),
		} {
			if err := g.write(text); err != nil {
				return err
			}
			for range g.few(5, 3) {
				if err := g.test(key); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (g *rig) test(key string) error {
	argv := []string{string(theirs), "-t", "-f", g.conf}
	if g.daemon == ours {
		argv = append([]string{g.keepgo, "run"}, argv[1:]...)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := exec.Command(self, append([]string{weighing}, argv...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w: %.200s", argv, err, out)
	}
	var took time.Duration
	var kib float64
	if _, err := fmt.Sscan(string(out), (*int64)(&took), &kib); err != nil {
		return fmt.Errorf("%v: %w: %.200s", argv, err, out)
	}
	g.note(key, millis(took))
	g.note(key+" memory", kib/1024)
	return nil
}

// weighing, as the first argument, has the program run the others as a command
// and write how many nanoseconds and how much memory it took, in KiB. A process
// is told no less than the memory of the one that started it (getrusage(2),
// ru_maxrss): so it is this small one.
const weighing = "weigh"

func weigh(argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	begin := monotonic()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	took := monotonic() - begin
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	fmt.Println(int64(took), usage.Maxrss)
	return nil
}

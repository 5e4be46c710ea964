package daemon

import (
	"os"
	"strings"

	"keepgo/internal/lb"
)

// switches are the values of net.ipv4.vs.*, and others of net.ipv4 by their path,
// in the namespace of IPVS. What is replaced is put back at the stop.
type switches struct {
	log      func(format string, args ...any)
	replaced map[string]string
	told     string
}

// set makes the plan's values stand, those that it does not want any more as
// they were, and tells what surprises remain.
func (s *switches) set(plan *lb.Plan) {
	s.restore(plan.Switches)
	for name, value := range plan.Switches {
		now := s.read(name)
		if now == value {
			continue
		}
		if !s.write(name, value) {
			continue
		}
		if strings.Contains(name, "/") {
			s.log("%s is %s now, and was %s: answers to through_vip come from the virtual address", sysctl(name), value, now)
		}
		if _, known := s.replaced[name]; !known {
			if s.replaced == nil {
				s.replaced = map[string]string{}
			}
			s.replaced[name] = now
		}
	}
	text := strings.Join(plan.Surprises(s.read), "; ")
	if text != "" && text != s.told {
		s.log("IPVS: %s", text)
	}
	s.told = text
}

// restore puts back what was replaced and is not wanted.
func (s *switches) restore(want map[string]string) {
	for name, value := range s.replaced {
		if _, wanted := want[name]; !wanted && s.write(name, value) {
			delete(s.replaced, name)
		}
	}
}

// vsPath is the file of a switch, which is one of IPVS unless it names its
// directory.
func vsPath(name string) string {
	if !strings.Contains(name, "/") {
		name = "vs/" + name
	}
	return "/proc/sys/net/ipv4/" + name
}

// sysctl is the name of a switch as people know it.
func sysctl(name string) string {
	return strings.ReplaceAll(strings.TrimPrefix(vsPath(name), "/proc/sys/"), "/", ".")
}

// read is a value, "" where the kernel has none.
func (s *switches) read(name string) (value string) {
	_ = within(os.Getenv(ipvsVar), func() error {
		b, err := os.ReadFile(vsPath(name))
		value = strings.TrimSpace(string(b))
		return err
	})
	return value
}

func (s *switches) write(name, value string) bool {
	err := within(os.Getenv(ipvsVar), func() error { return os.WriteFile(vsPath(name), []byte(value), 0) })
	if err != nil {
		s.log("%s: %v; it stays as it is", sysctl(name), err)
	}
	return err == nil
}

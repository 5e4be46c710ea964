package daemon

import (
	"sync"

	"keepgo/vip/linkbeat"
)

// beats knows which interfaces have no link although the kernel reports one.
// Its door is opened once anybody is to be asked.
type beats struct {
	log   func(format string, args ...any)
	dirty func(link string) // something changed
	door  *linkbeat.Door

	mu    sync.Mutex
	down  map[string]bool
	asked map[string]string // how, by interface
}

var beatMethods = map[string]linkbeat.Method{"MII": linkbeat.MII, "ETHTOOL": linkbeat.Ethtool, "IOCTL": linkbeat.Flags}

// set replaces the interfaces to ask. What was said of others is forgotten.
func (b *beats) set(polls map[string]string) {
	if b.door == nil && len(polls) == 0 {
		return
	}
	if b.door == nil {
		door, err := linkbeat.Open(b.hear)
		if err != nil {
			b.log("%v", err)
			return
		}
		b.door = door
	}
	var list []linkbeat.Poll
	for link, method := range polls {
		list = append(list, linkbeat.Poll{Link: link, Method: beatMethods[method]})
	}
	b.mu.Lock()
	b.asked = polls
	for link := range b.down {
		if _, still := polls[link]; !still {
			delete(b.down, link)
			b.dirty(link)
		}
	}
	b.mu.Unlock()
	b.door.Set(list)
}

// hear hears the door, on its goroutine.
func (b *beats) hear(ev linkbeat.Event) {
	b.mu.Lock()
	_, wanted := b.asked[ev.Link]
	if wanted && b.down == nil {
		b.down = map[string]bool{}
	}
	if wanted {
		b.down[ev.Link] = !ev.Up
	}
	b.mu.Unlock()
	if wanted {
		b.log("%s says that %s is %s", ev.Method, ev.Link, map[bool]string{true: "up", false: "down"}[ev.Up])
		b.dirty(ev.Link)
	}
}

// silent tells that an interface has no link.
func (b *beats) silent(link string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.down[link]
}

func (b *beats) close() {
	if b.door != nil {
		b.door.Close()
	}
}

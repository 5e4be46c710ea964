package bus

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// root is above all objects (keepalived's vrrp_dbus.h).
const root = "/org/keepalived/Vrrp1"

// noInterface is the part of a path for an instance without an interface.
const noInterface = "none"

// object is an instance at its path. The state is the only part of a tree that
// changes.
type object struct {
	path, name string
	state      State
}

// tree is a presence as it can be looked up: by path, by name, and from node to
// node as Introspect walks it.
type tree struct {
	service string
	general string // the path of the object for the whole
	objects []*object
	byPath  map[string]*object
	byName  map[string]*object
	below   map[string][]string // the nodes directly below a path, in order
	hidden  []string            // names of instances whose path another has
}

// grow makes the tree of a presence. Of two instances at one path the first is
// shown.
func grow(p *Presence) *tree {
	t := &tree{service: p.Service, byPath: map[string]*object{}, byName: map[string]*object{}, below: map[string][]string{}}
	base := root
	for _, part := range p.Scope {
		base += "/" + valid(part)
	}
	t.general = base + "/Vrrp"
	known := map[string]bool{}
	t.plant(t.general, known)
	for i := range p.Instances {
		in := &p.Instances[i]
		o := &object{path: in.path(base, p.NoInterface), name: in.Name, state: in.State}
		if t.byPath[o.path] != nil {
			t.hidden = append(t.hidden, in.Name)
			continue
		}
		t.objects = append(t.objects, o)
		t.byPath[o.path], t.byName[o.name] = o, o
		t.plant(o.path, known)
	}
	for _, names := range t.below {
		slices.Sort(names)
	}
	return t
}

// plant makes the nodes of a path that are not known yet.
func (t *tree) plant(path string, known map[string]bool) {
	for path != "" && !known[path] {
		known[path] = true
		cut := strings.LastIndexByte(path, '/')
		above := cmp.Or(path[:cut], "/")
		t.below[above] = append(t.below[above], path[cut+1:])
		path = path[:cut]
	}
}

// path is that of the instance's object.
func (in *Instance) path(base, without string) string {
	link := cmp.Or(in.Interface, without, noInterface)
	family := "/IPv4"
	if in.IPv6 {
		family = "/IPv6"
	}
	return base + "/Instance/" + valid(link) + "/" + strconv.Itoa(int(in.VRID)) + family
}

// valid is a name as one part of a path, which takes letters, digits and
// underscores (D-Bus Specification, "Valid Object Paths").
func valid(name string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' {
			return r
		}
		return '_'
	}, name)
}

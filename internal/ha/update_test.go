package ha

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
	"keepgo/internal/everyfield"
	"keepgo/vip"
	"keepgo/vrrp"
)

// TestSumSeesEveryField: an instance that differs in any field that is told must
// not be taken for the one before.
func TestSumSeesEveryField(t *testing.T) {
	whole := func() *Instance {
		return &Instance{
			Announce: &Announce{},
			Expect:   vrrp.Expect{Peers: []vrrp.Peer{{}}, HMAC: &vrrp.HMAC{Keys: []vrrp.Key{{Secret: []byte{1}}}}, Addresses: []byte{1}},
			Advert:   vrrp.Packet{Addresses: []byte{1}}, Device: &Device{}, Extra: []Device{{}}, Addresses: vip.Set{{}}, Carriers: []int{0},
			Routes: []vip.Route{{}}, Rules: []vip.Rule{{}},
			Tracks: &Tracks{Links: []Track{{}}, Scripts: []Track{{}}, Files: []Track{{}}, Processes: []Track{{}}, BFDs: []Track{{}}},
		}
	}
	if whole().sum() != whole().sum() {
		t.Fatal("equal instances differ")
	}
	seen := 0
	var visit func(path string, find func(*Instance) reflect.Value)
	visit = func(path string, find func(*Instance) reflect.Value) {
		in := whole()
		v := find(in)
		inner := func(name string, next func(reflect.Value) reflect.Value) {
			visit(path+name, func(in *Instance) reflect.Value { return next(find(in)) })
		}
		switch {
		case everyfield.Change(v):
			if seen++; in.sum() == whole().sum() {
				t.Errorf("a change of %s is not seen", path)
			}
		case v.Kind() == reflect.Pointer && !v.IsNil():
			inner("", reflect.Value.Elem)
		case v.Kind() == reflect.Slice && v.Len() > 0:
			inner("[]", func(v reflect.Value) reflect.Value { return v.Index(0) })
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					inner("."+v.Type().Field(i).Name, func(v reflect.Value) reflect.Value { return v.Field(i) })
				}
			}
		}
		if v.Kind() == reflect.Slice { // one element more
			in = whole()
			v = find(in)
			if v.Set(reflect.Append(v, reflect.New(v.Type().Elem()).Elem())); in.sum() == whole().sum() {
				t.Errorf("one more of %s is not seen", path)
			}
		}
	}
	visit("Instance", func(in *Instance) reflect.Value { return reflect.ValueOf(in).Elem() })
	if seen < 100 {
		t.Errorf("only %d fields were changed", seen)
	}
}

// crossed is an update as it comes out of the pipe between two processes.
func crossed(t *testing.T, u *Update) *Update {
	t.Helper()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(u); err != nil {
		t.Fatal(err)
	}
	u = &Update{}
	if err := gob.NewDecoder(&b).Decode(u); err != nil {
		t.Fatal(err)
	}
	return u
}

func (p *Plan) since(before *Plan) *Update { return p.Since(before.Sums(), p.Sums()) }

func named(p *Plan) (names []string) {
	for _, in := range p.Instances {
		names = append(names, in.Name)
	}
	return names
}

// TestUpdateBringsThePlan: what is told and what stays make the new plan, in its
// order, and what stays is the very same.
func TestUpdateBringsThePlan(t *testing.T) {
	config := func(names string) *confparse.Config {
		cfg := &confparse.Config{}
		for _, name := range strings.Fields(names) {
			cfg.Instances = append(cfg.Instances, instance(strings.ToUpper(name), name[0]))
			if name >= "a" { // a small letter is another priority
				cfg.Instances[len(cfg.Instances)-1].Priority++
			}
		}
		return cfg
	}
	for _, tt := range []struct{ before, after, told string }{
		{"A B C", "A B C", ""}, {"A B C", "A b C", "B"}, {"A B C", "C A", ""}, {"A B", "A D B", "D"},
		{"", "A B", "A B"}, {"A B", "", ""}, {"A A", "A A A", "A A"},
	} {
		before, after := Build(config(tt.before)), Build(config(tt.after))
		after.QuietIGMP, after.StartupDelay = true, time.Second
		u := crossed(t, after.since(before))
		if got := strings.Join(named(u.Plan), " "); got != tt.told {
			t.Errorf("%s -> %s: told %q, want %q", tt.before, tt.after, got, tt.told)
		}
		p := u.Onto(before)
		if !slices.Equal(p.Sums(), after.Sums()) || !p.QuietIGMP || p.StartupDelay != time.Second {
			t.Errorf("%s -> %s: became %s", tt.before, tt.after, named(p))
		}
		for _, in := range p.Instances {
			if told := slices.Contains(u.Plan.Instances, in); told == slices.Contains(before.Instances, in) {
				t.Errorf("%s -> %s: %s is neither what was told nor what was there", tt.before, tt.after, in.Name)
			}
		}
	}
}

// TestUpdateThatFitsNothing is refused.
func TestUpdateThatFitsNothing(t *testing.T) {
	for _, u := range []Update{{Plan: &Plan{}, Stay: []int{0}}, {Plan: &Plan{}, Stay: []int{-1}}} {
		if u.Onto(&Plan{}) != nil {
			t.Errorf("%v fits a plan of nobody", u.Stay)
		}
	}
}

// TestWhatStaysIsLeftAlone: a reload that changes one instance gives the doors
// nothing to do for the others.
func TestWhatStaysIsLeftAlone(t *testing.T) {
	cfg := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 51), instance("VI_2", 52)}}
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	other := *cfg.Instances[1]
	other.Addresses = append(slices.Clone(other.Addresses), confparse.Address{Interface: "eth0", Prefix: netip.MustParsePrefix("10.9.9.9/32")})
	next := Build(&confparse.Config{Instances: []*confparse.Instance{cfg.Instances[0], &other}})
	var settled []int
	for _, a := range d.node.Step(d.now, Event{Kind: EventReload, Plan: next.since(d.node.Plan()).Onto(d.node.Plan())}, nil) {
		if a.Kind == ActSettle && a.ID > 0 {
			settled = append(settled, a.ID)
		}
	}
	if want := d.node.members[1].id; len(settled) != 1 || settled[0] != want {
		t.Errorf("settled %v, want %d alone", settled, want)
	}
}

// TestShareChangesNothing: what instances have in common afterwards is what each
// had before.
func TestShareChangesNothing(t *testing.T) {
	plan := func() *Plan {
		p := &Plan{}
		for i := range 6 {
			link := fmt.Sprint("eth", i%2)
			p.Instances = append(p.Instances, &Instance{
				Key: Key{Link: link, VRID: uint8(i)}, Announce: &Announce{Repeat: i % 3},
				Addresses: vip.Set{{Link: link}, {Link: "eth9"}}, Tracks: &Tracks{Links: make([]Track, i%3)},
			})
		}
		return p
	}
	p := plan()
	if p.Share(); !reflect.DeepEqual(p, plan()) {
		t.Errorf("%+v", p)
	}
	if a, b, c := p.Instances[0].Announce, p.Instances[3].Announce, p.Instances[1].Announce; a != b || a == c {
		t.Error("not those share a schedule that have the same")
	}
	if a, b := p.Instances[1].Links, p.Instances[4].Links; &a[0] != &b[0] {
		t.Error("what is tracked is not shared")
	}
}

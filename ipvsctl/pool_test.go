package ipvsctl

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func rs(host int) DestKey { return DestKey{addr(fmt.Sprintf("10.0.1.%d", host)), 80} }

// pool has servers of the given weights, hosts 1, 2, ...
func poolConfig(quorum, hysteresis int, weights ...uint32) PoolConfig {
	c := PoolConfig{Service: Service{Scheduler: "rr"}, Quorum: quorum, Hysteresis: hysteresis}
	for i, w := range weights {
		c.Servers = append(c.Servers, Server{Key: rs(i + 1), Destination: Destination{Weight: w}})
	}
	return c
}

func withSorry(c PoolConfig) PoolConfig {
	c.Sorry = &Server{Key: rs(99), Destination: Destination{Weight: 1}}
	return c
}

func texts(edges []Edge) string {
	var lines []string
	for _, e := range edges {
		lines = append(lines, e.Text("[10.0.0.1]:tcp:80", 6))
	}
	return strings.Join(lines, "\n")
}

// table is "1:w 2:w", the hosts and weights that should stand in IPVS.
func standing(p *Pool) string {
	var all []string
	dests := p.Destinations()
	for _, k := range sortedKeys(dests, DestKey.Compare) {
		all = append(all, fmt.Sprintf("%d:%d", k.Addr.As4()[3], dests[k].Weight))
	}
	return strings.Join(all, " ")
}

// move is one verdict and what must come of it.
type move struct {
	host   int
	up     bool
	weight int
	says   string // edges, short of names
	stands string
}

// short drops the names that are the same everywhere.
func short(s string) string {
	return strings.NewReplacer(" [10.0.0.1]:tcp:80", "", "[10.0.1.", "", "]:tcp:80", "").Replace(s)
}

func TestPoolStories(t *testing.T) {
	inhibited := withSorry(poolConfig(1, 0, 1, 2))
	inhibited.Servers[0].Inhibit = true
	inhibited.Sorry.Inhibit = true
	both := withSorry(poolConfig(1, 0, 1, 1))
	both.Sorry.Key = rs(2)
	alpha := withSorry(poolConfig(1, 0, 1, 1))
	alpha.Servers[0].Down, alpha.Servers[1].Down = true, true
	twice := poolConfig(2, 0, 1, 1, 3)
	twice.Servers[2].Key = rs(2)
	for _, story := range []struct {
		name   string
		config PoolConfig
		starts string
		moves  []move
	}{
		{"without a sorry server those alive stay", poolConfig(2, 0, 1, 1), "1:1 2:1", []move{
			{1, false, 1, "Removing service 1 from VS\nLost quorum 2-0=2 > 1 for VS", "2:1"},
			{1, false, 1, "", "2:1"},
			{2, false, 1, "Removing service 2 from VS", ""},
			{1, true, 1, "Adding service 1 to VS", "1:1"},
			{2, true, 1, "Adding service 2 to VS\nGained quorum 2+0=2 <= 2 for VS", "1:1 2:1"},
		}},
		{"hysteresis", poolConfig(3, 1, 1, 1, 1, 1), "1:1 2:1 3:1 4:1", []move{
			{1, false, 1, "Removing service 1 from VS", "2:1 3:1 4:1"},
			{2, false, 1, "Removing service 2 from VS", "3:1 4:1"},
			{3, false, 1, "Removing service 3 from VS\nLost quorum 3-1=2 > 1 for VS", "4:1"},
			{3, true, 1, "Adding service 3 to VS", "3:1 4:1"},
			{2, true, 1, "Adding service 2 to VS", "2:1 3:1 4:1"},
			{1, true, 1, "Adding service 1 to VS\nGained quorum 3+1=4 <= 4 for VS", "1:1 2:1 3:1 4:1"},
		}},
		{"sorry server", withSorry(poolConfig(2, 0, 1, 1)), "1:1 2:1", []move{
			{1, false, 1, "Removing service 1 from VS\nLost quorum 2-0=2 > 1 for VS\n" +
				"Adding sorry server 99 to VS\nRemoving alive servers from the pool for VS", "99:1"},
			{2, false, 1, "Removing service 2 from VS", "99:1"},
			{2, true, 1, "Adding service 2 to VS", "99:1"},
			{1, true, 1, "Adding service 1 to VS\nGained quorum 2+0=2 <= 2 for VS\n" +
				"Adding alive servers to the pool for VS\nRemoving sorry server 99 from VS", "1:1 2:1"},
		}},
		{"inhibit", inhibited, "1:1 2:2 99:0", []move{
			{1, false, 1, "Disabling service 1 of VS", "1:0 2:2 99:0"},
			{2, false, 2, "Removing service 2 from VS\nLost quorum 1-0=1 > 0 for VS\n" +
				"Enabling sorry server 99 to VS\nRemoving alive servers from the pool for VS", "1:0 99:1"},
			{1, true, 1, "Enabling service 1 of VS\nGained quorum 1+0=1 <= 1 for VS\n" +
				"Adding alive servers to the pool for VS\nDisabling sorry server 99 from VS", "1:1 99:0"},
		}},
		{"the sorry server is a real server", both, "1:1 2:1", []move{
			{2, false, 1, "Removing service 2 from VS", "1:1"},
			{1, false, 1, "Removing service 1 from VS\nLost quorum 1-0=1 > 0 for VS\n" +
				"Adding sorry server 2 to VS\nRemoving alive servers from the pool for VS", "2:1"},
			{2, true, 1, "Adding service 2 to VS\nGained quorum 1+0=1 <= 1 for VS\n" +
				"Adding alive servers to the pool for VS\nRemoving sorry server 2 from VS", "2:1"},
		}},
		{"alpha", alpha, "99:1", []move{
			{2, true, 1, "Adding service 2 to VS\nGained quorum 1+0=1 <= 1 for VS\n" +
				"Adding alive servers to the pool for VS\nRemoving sorry server 99 from VS", "2:1"},
		}},
		{"weights", poolConfig(3, 0, 2, 2), "1:2 2:2", []move{
			{1, true, 1, "Changing weight from 2 to 1 for active service 1 of VS", "1:1 2:2"},
			{1, true, -5, "Changing weight from 1 to -5 for active service 1 of VS\nLost quorum 3-0=3 > 2 for VS", "1:0 2:2"},
			{1, false, -5, "Removing service 1 from VS", "2:2"},
			{1, false, 9, "Changing weight from -5 to 9 for inactive service 1 of VS", "2:2"},
			{1, true, 9, "Adding service 1 to VS\nGained quorum 3+0=3 <= 11 for VS", "1:9 2:2"},
		}},
		{"weight 0 counts for nothing", poolConfig(1, 0, 0, 1), "1:0 2:1", []move{
			{2, false, 1, "Removing service 2 from VS\nLost quorum 1-0=1 > 0 for VS", "1:0"},
		}},
		{"nobody has weight", withSorry(poolConfig(0, 0, 0)), "99:1", []move{
			{1, true, 0, "", "99:1"},
			{1, false, 0, "Removing service 1 from VS", "99:1"},
		}},
		{"hysteresis as large as the quorum", poolConfig(1, 1, 1, 1), "1:1 2:1", []move{
			{1, false, 1, "Removing service 1 from VS", "2:1"},
			{2, false, 1, "Removing service 2 from VS\nLost quorum 1-1=0 > 0 for VS", ""},
			{1, true, 1, "Adding service 1 to VS", "1:1"},
		}},
		{"the same server twice", twice, "1:1 2:1", []move{
			{2, false, 1, "Removing service 2 from VS\nLost quorum 2-0=2 > 1 for VS", "1:1"},
		}},
		{"a stranger", poolConfig(1, 0, 1), "1:1", []move{{7, false, 1, "", "1:1"}}},
	} {
		p, _ := NewPool(story.config, nil)
		if got := standing(p); got != story.starts {
			t.Errorf("%s: starts with %q, want %q", story.name, got, story.starts)
		}
		for i, m := range story.moves {
			says := short(texts(p.Step(rs(m.host), m.up, m.weight)))
			if says != m.says || standing(p) != m.stands {
				t.Errorf("%s, move %d:\n%s\nstands %q\nwant:\n%s\nstands %q", story.name, i+1, says, standing(p), m.says, m.stands)
			}
		}
	}
}

func TestPoolStart(t *testing.T) {
	down := withSorry(poolConfig(2, 1, 1, 1))
	_, edges := NewPool(down, nil)
	if got, want := short(texts(edges)), "Starting with quorum down 2-1=1 > 2 for VS\nAdding sorry server 99 to VS"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	down.Sorry = nil
	p, edges := NewPool(down, nil)
	if p.Up() || len(edges) != 0 {
		t.Errorf("up %v, edges %v", p.Up(), edges)
	}
}

func TestPoolReload(t *testing.T) {
	before := withSorry(poolConfig(2, 0, 1, 2, 3))
	p, _ := NewPool(before, nil)
	p.Step(rs(1), false, 1)
	p.Step(rs(2), true, 5) // a dynamic check
	after := withSorry(poolConfig(2, 0, 1, 4))
	after.Servers = append(after.Servers, Server{Key: rs(7), Destination: Destination{Weight: 1}},
		Server{Key: rs(8), Destination: Destination{Weight: 1}, Down: true})
	state := p.State()
	p, edges := NewPool(after, &state)
	want := "Removing service 3 from VS\nChanging weight from 5 to 7 for active service 2 of VS\nAdding service 7 to VS"
	if got := short(texts(edges)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := standing(p), "2:7 7:1"; got != want {
		t.Errorf("stands %q, want %q", got, want)
	}
}

func TestPoolReloadOfSorryServer(t *testing.T) {
	old := withSorry(poolConfig(2, 0, 1, 1))
	p, _ := NewPool(old, nil)
	p.Step(rs(1), false, 1)
	state := p.State()
	next := old
	next.Sorry = &Server{Key: rs(98), Destination: Destination{Weight: 1}}
	none := old
	none.Sorry = nil
	easy := old
	easy.Quorum = 1
	for _, c := range []struct {
		name         string
		config       PoolConfig
		says, stands string
	}{
		{"same", old, "", "99:1"},
		{"another", next, "Removing sorry server 99 from VS\nAdding sorry server 98 to VS", "98:1"},
		{"none", none, "Removing sorry server 99 from VS", "2:1"},
		{"lower quorum", easy, "Gained quorum 1+0=1 <= 1 for VS\nAdding alive servers to the pool for VS\nRemoving sorry server 99 from VS", "2:1"},
	} {
		p, edges := NewPool(c.config, &state)
		if says := short(texts(edges)); says != c.says || standing(p) != c.stands {
			t.Errorf("%s: %q stands %q, want %q stands %q", c.name, says, standing(p), c.says, c.stands)
		}
	}
}

func TestPoolStop(t *testing.T) {
	p, _ := NewPool(withSorry(poolConfig(1, 0, 1, 1)), nil)
	want := "Shutting down service 1 from VS\nShutting down service 2 from VS\nLost quorum 1-0=1 > 0 for VS"
	if got := short(texts(p.Stop(false))); got != want || standing(p) != "" {
		t.Errorf("got %q, stands %q", got, standing(p))
	}
	p, _ = NewPool(withSorry(poolConfig(2, 0, 1, 1)), nil)
	p.Step(rs(1), false, 1)
	want = "Removing sorry server 99 from VS\nRemoving service 2 from VS"
	if got := short(texts(p.Stop(true))); got != want || standing(p) != "" {
		t.Errorf("got %q, stands %q", got, standing(p))
	}
}

// model recounts from nothing what a pool keeps up to date.
func checkPool(t *rapid.T, p *Pool) {
	var live int64
	dests := p.Destinations()
	for i, s := range p.State().Servers {
		if s.Up {
			live += int64(max(s.Weight, 0))
		}
		d, in := dests[s.Key]
		inhibit := p.config.Servers[i].Inhibit
		isSorry := p.config.Sorry != nil && p.config.Sorry.Key == s.Key
		if want := s.Up && !p.SorryActive() || inhibit; in != want && !isSorry {
			t.Fatalf("server %v in the table: %v", s, in)
		}
		if in && !isSorry && (p.SorryActive() || !s.Up) && d.Weight != 0 {
			t.Fatalf("server %v is out, but has weight %d", s, d.Weight)
		}
	}
	if live != p.Live() {
		t.Fatalf("live weight %d, recounted %d", p.Live(), live)
	}
	if p.up && p.lost() || !p.up && p.met() {
		t.Fatalf("up %v with live weight %d, quorum %d, hysteresis %d", p.up, live, p.config.Quorum, p.config.Hysteresis)
	}
	if s := p.config.Sorry; s != nil && s.Key == rs(99) {
		d, in := dests[s.Key]
		if (in && d.Weight > 0) != !p.Up() || in != (s.Inhibit || !p.Up()) {
			t.Fatalf("up %v, sorry server in the table: %v, weight %d", p.Up(), in, d.Weight)
		}
	}
}

func genPoolConfig() *rapid.Generator[PoolConfig] {
	return rapid.Custom(func(t *rapid.T) PoolConfig {
		c := poolConfig(rapid.IntRange(0, 6).Draw(t, "quorum"), rapid.IntRange(0, 3).Draw(t, "hysteresis"),
			rapid.SliceOfN(rapid.Uint32Range(0, 4), 0, 4).Draw(t, "weights")...)
		for i := range c.Servers {
			c.Servers[i].Inhibit = rapid.Bool().Draw(t, "inhibit")
			c.Servers[i].Down = rapid.Bool().Draw(t, "alpha")
		}
		if rapid.Bool().Draw(t, "sorry") {
			c = withSorry(c)
			c.Sorry.Inhibit = rapid.Bool().Draw(t, "sorry inhibit")
			if rapid.Bool().Draw(t, "sorry is real") {
				c.Sorry.Key = rs(2)
			}
		}
		return c
	})
}

func TestPoolProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := NewPool(genPoolConfig().Draw(t, "config"), nil)
		checkPool(t, p)
		t.Repeat(map[string]func(*rapid.T){
			"verdict": func(t *rapid.T) {
				before := p.State()
				edges := p.Step(rs(rapid.IntRange(1, 5).Draw(t, "host")), rapid.Bool().Draw(t, "up"), rapid.IntRange(-2, 5).Draw(t, "weight"))
				if same := cmp.Equal(before, p.State(), byValue); same != (len(edges) == 0) {
					t.Fatalf("edges %v, from %+v to %+v", edges, before, p.State())
				}
			},
			"reload": func(t *rapid.T) {
				state := p.State()
				p, _ = NewPool(genPoolConfig().Draw(t, "config"), &state)
			},
			"the same again": func(t *rapid.T) {
				state := p.State()
				again, edges := NewPool(p.config, &state)
				if len(edges) != 0 || !cmp.Equal(again.Entry(), p.Entry(), byValue) {
					t.Fatalf("edges %v", edges)
				}
			},
			"": func(t *rapid.T) { checkPool(t, p) },
		})
	})
}

func TestStepDoesNotAllocateWithoutNews(t *testing.T) {
	p, _ := NewPool(poolConfig(1, 0, slices.Repeat([]uint32{1}, 100)...), nil)
	key := rs(50)
	if n := testing.AllocsPerRun(100, func() { p.Step(key, true, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

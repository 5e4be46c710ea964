// Command bench measures keepgo and Debian's keepalived one after the other, on
// the same generated configurations, in network namespaces that it makes. It
// prints a table and, with --json, writes every figure. docs/performance.md
// says what each means.
//
// Figures of two runs are not to be compared, only those of one table: the
// daemons take turns, so that both meet the same noise of the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

func main() {
	switch {
	case len(os.Args) > 2 && os.Args[1] == weighing:
		end(weigh(os.Args[2:]))
	case len(os.Args) == 2 && os.Args[1] == speaking:
		end(speakOnce())
	}
	var o options
	flag.BoolVar(&o.quick, "quick", false, "one turn of each daemon and short times: under six minutes")
	flag.IntVar(&o.turns, "turns", 2, "how many times each daemon runs each scene")
	flag.StringVar(&o.json, "json", "", "file for every figure")
	flag.StringVar(&o.into, "into", "", "document whose table is replaced, such as docs/performance.md")
	flag.BoolVar(&o.guest, "guest", false, "the scenes on an emulated machine too, with --quick")
	flag.BoolVar(&o.inside, "inside", false, "play those alone, on this machine, and write their figures: how the bench runs itself there")
	flag.StringVar(&o.keepgo, "keepgo", "", "binary to measure; it is built if none is named")
	flag.StringVar(&o.only, "only", ".", "regular expression: scenes to run")
	flag.StringVar(&o.daemons, "daemons", "keepalived,keepgo", "which daemons take turns")
	flag.Parse()
	end(run(&o))
}

// end ends the program.
func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// options are the command line.
type options struct {
	quick   bool
	turns   int
	json    string
	into    string
	keepgo  string
	only    string
	daemons string
	guest   bool
	inside  bool
}

// few chooses between the number for a whole run and the one for a quick run, or
// for the emulated machine, where everything takes long.
func (o *options) few(whole, quick int) int {
	if o.quick || o.inside {
		return quick
	}
	return whole
}

func run(o *options) error {
	if os.Getuid() != 0 {
		return fmt.Errorf("needs root: it makes network namespaces")
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	if o.quick {
		o.turns = 1
	}
	clean, err := o.build()
	if err != nil {
		return err
	}
	defer clean()
	r := &report{turns: o.turns, begin: time.Now(), load: loadAverage(), figures: map[string]map[daemon]*figures{}}
	elsewhere := false
	for _, s := range scenes {
		if !only.MatchString(s.name) || s.whole && o.quick {
			continue
		}
		if s.guest == o.inside {
			o.play(s, r)
		}
		elsewhere = elsewhere || s.guest && !o.inside
	}
	if o.inside {
		return r.handBack()
	}
	if elsewhere && (o.guest || !o.quick) {
		if err := o.emulated(r); err != nil {
			r.troubles = append(r.troubles, fmt.Sprintf("on the emulated machine: %v", err))
		}
	}
	return o.tell(r)
}

// build builds what is measured, unless it was named.
func (o *options) build() (clean func(), err error) {
	if o.keepgo != "" {
		o.keepgo, err = filepath.Abs(o.keepgo) // it is run from other directories
		return func() {}, err
	}
	dir, err := os.MkdirTemp("", "keepgo-bench-")
	if err != nil {
		return nil, err
	}
	o.keepgo = filepath.Join(dir, "keepgo")
	build := exec.Command("go", "build", "-o", o.keepgo, "keepgo/cmd/keepgo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	if out, err := build.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("building keepgo: %w\n%s", err, out)
	}
	return func() { os.RemoveAll(dir) }, nil
}

// tell prints and writes what was asked for.
func (o *options) tell(r *report) error {
	r.ended, r.loadEnd = time.Now(), loadAverage()
	r.print(os.Stdout)
	if o.into != "" {
		if err := r.insert(o.into); err != nil {
			return err
		}
	}
	if o.json == "" {
		return nil
	}
	return r.write(o.json)
}

// play lets the daemons take turns: A B A B.
func (o *options) play(s scene, r *report) {
	turns := o.turns
	if s.whole {
		turns = 1
	}
	for range turns {
		for _, d := range s.players(o) {
			begin := time.Now()
			err := s.turn(o, r, d)
			fmt.Fprintf(os.Stderr, "%-24s %-10s %6.1f s", s.name, d, time.Since(begin).Seconds())
			if err != nil {
				fmt.Fprintf(os.Stderr, "  %v", err)
				r.troubles = append(r.troubles, fmt.Sprintf("%s, %s: %v", s.name, d, err))
			}
			fmt.Fprintln(os.Stderr)
		}
	}
}

// scene is a configuration and what is measured with it.
type scene struct {
	name  string
	links int    // interfaces of the director
	whole bool   // not with --quick, and without in one short turn
	guest bool   // on an emulated machine, which has IPVS
	alone string // why keepalived does not play
	play  func(*rig) error
	bare  func(*rig) error // the same without a daemon: what the machine itself takes
}

// players take turns.
func (s *scene) players(o *options) (all []daemon) {
	for name := range strings.SplitSeq(o.daemons, ",") {
		if d := daemon(name); s.play != nil && (s.alone == "" || d != theirs) {
			all = append(all, d)
		}
	}
	if s.bare != nil {
		all = append(all, bare)
	}
	return all
}

// turn plays the scene once in a lab of its own.
func (s *scene) turn(o *options, r *report, d daemon) error {
	short := *o
	short.quick = o.quick || s.whole
	g, err := newRig(&short, r, d, s.links)
	if err != nil {
		return err
	}
	play := s.play
	if d == bare {
		play = s.bare
		runtime.GC()
		defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would wait for raw system calls
	}
	return g.close(play(g))
}

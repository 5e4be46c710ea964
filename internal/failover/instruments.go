package failover

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"keepgo/internal/lab/drill"
	"keepgo/internal/observe"
	"keepgo/internal/status"
)

// The two directors, as drill.Hold numbers them.
const (
	this  = 0
	other = 1
)

// names are what the report's time lines call them.
var names = [2]string{this: "lb1", other: "lb2"}

// The pace of the questions who has an address, and how many addresses are asked
// for: these are broadcasts on a link that works.
const (
	askEvery = 20 * time.Millisecond
	asked    = 4
)

// instruments watch the addresses from this director: when they came to it and
// went from it, and who else answers for them.
type instruments struct {
	began time.Time
	vips  []*vip
	notes []string
	done  chan struct{}
	work  sync.WaitGroup

	mu     sync.Mutex
	wire   *wire         // nil where it cannot be heard
	holds  []drill.Hold  // of this director
	hushed time.Duration // when nobody was asked any more; 0 for not yet
}

// vip is a virtual address that is watched.
type vip struct {
	addr     netip.Addr
	observer *observe.Observer
	// pinged says that nobody may be asked by ARP: it is pinged, which tells
	// whether anybody has it, and not who.
	pinged bool
}

// newInstruments begins to watch the first address of each instance.
func newInstruments(here *status.Status, instances []string) (*instruments, error) {
	w := &instruments{began: time.Now(), done: make(chan struct{})}
	news := make(chan netlink.AddrUpdate, 64)
	if err := netlink.AddrSubscribe(news, w.done); err != nil {
		return nil, fmt.Errorf("watching the addresses: %w", err)
	}
	for i := range here.Instances {
		if in := &here.Instances[i]; slices.Contains(instances, in.Name) && len(in.Places) > 0 {
			w.add(in)
		}
	}
	go func() {
		for n := range news {
			w.moved(n)
		}
	}()
	return w, nil
}

// add watches the first address of an instance, if it can.
func (w *instruments) add(in *status.Instance) {
	at := in.Places[0]
	prefix, err := netip.ParsePrefix(at.Address)
	if err != nil {
		return
	}
	link := at.Link
	if len(in.Devices) > 0 {
		link = in.Interface // beneath its VMAC, whose frames go out there
	}
	v := &vip{addr: prefix.Addr()}
	switch {
	case len(w.vips) == asked:
		w.notes = append(w.notes, fmt.Sprintf("%s is not watched: %d addresses are", v.addr, asked))
		return
	default:
		err = v.watch(link)
	}
	if err != nil {
		w.notes = append(w.notes, fmt.Sprintf("who has %s is not seen from here: %v", v.addr, err))
		return
	}
	w.holds = append(w.holds, drill.Hold{Director: this, Address: len(w.vips), Has: at.Stands})
	if w.vips = append(w.vips, v); len(w.vips) == 1 {
		if err := w.hear(in, v.addr); err != nil {
			w.notes = append(w.notes, err.Error())
		}
	}
}

// answerTime is how long an address that stands here may take to answer a ping.
const answerTime = time.Second

// watch begins to ask for an address: by ARP, or where that is forbidden by ping,
// if it answers.
func (v *vip) watch(link string) (err error) {
	o := observe.Options{VIP: v.addr, Every: askEvery, Link: link, Silent: true}
	if v.observer, err = observe.Start(o); err == nil {
		return nil
	}
	o.Silent = false
	ob, failed := observe.Start(o)
	if failed != nil {
		return errors.Join(err, failed)
	}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for end := time.Now().Add(answerTime); ob.Seen().Series[0].Answered == 0; <-tick.C {
		if time.Now().After(end) {
			ob.Close()
			return fmt.Errorf("%w; and it answers no ping", err)
		}
	}
	v.observer, v.pinged = ob, true
	return nil
}

// moved notes that an address came or went here.
func (w *instruments) moved(n netlink.AddrUpdate) {
	a, _ := netip.AddrFromSlice(n.LinkAddress.IP)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, v := range w.vips {
		if v.addr == a.Unmap() {
			w.holds = append(w.holds, drill.Hold{At: time.Since(w.began), Director: this, Address: i, Has: n.NewAddr})
		}
	}
}

// pause stops asking who else has the addresses, and begins again without it.
// While this director takes over nobody must ask: the answers of one that is
// about to let go would be taken for a rival's.
func (w *instruments) pause(on bool) {
	if on {
		w.mu.Lock()
		w.hushed = time.Since(w.began)
		w.mu.Unlock()
	}
	for _, v := range w.vips {
		v.observer.Pause(on)
	}
}

func (w *instruments) close() {
	close(w.done)
	for _, v := range w.vips {
		v.observer.Close()
	}
	if w.wire != nil {
		w.wire.tap.Close()
	}
	w.work.Wait()
}

// all are the holds of both directors in the order of time. The other one holds
// an address as long as it answers for it.
func (w *instruments) all() []drill.Hold {
	w.mu.Lock()
	list := slices.Clone(w.holds)
	w.mu.Unlock()
	for i, v := range w.vips {
		seen := v.observer.Seen()
		if v.pinged {
			list = append(list, others(list, i, answered(&seen, w.began))...)
		}
		for _, o := range seen.Owners {
			list = append(list, drill.Hold{At: o.From.Sub(w.began), Director: other, Address: i, Has: true})
			if o.Gone {
				list = append(list, drill.Hold{At: w.lapsed(i, o.Missed.Sub(w.began)), Director: other, Address: i})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b drill.Hold) int { return int(a.At - b.At) })
	return list
}

// answered are the times from and to which pings were answered.
func answered(o *drill.Observation, began time.Time) (list []drill.Hold) {
	note := func(at time.Time, has bool) { list = append(list, drill.Hold{At: at.Sub(began), Has: has}) }
	note(o.Began, true)
	for _, x := range o.Series[0].Outages {
		note(x.From, false)
		note(x.To, !x.To.Equal(o.Now)) // one that lasts ends nowhere
	}
	return list
}

// others are the holds of the other director, of an address that is pinged: what
// answers while it does not stand here.
func others(holds []drill.Hold, address int, answers []drill.Hold) (list []drill.Hold) {
	var all []drill.Hold
	for _, h := range holds {
		if h.Address == address && h.Director == this {
			all = append(all, h)
		}
	}
	for _, h := range answers {
		h.Director = other
		all = append(all, h)
	}
	slices.SortStableFunc(all, func(a, b drill.Hold) int { return int(a.At - b.At) })
	var is [2]bool // here, and answered
	has := false
	for _, h := range all {
		is[h.Director] = h.Has
		if now := is[other] && !is[this]; now != has {
			has = now
			list = append(list, drill.Hold{At: h.At, Director: other, Address: address, Has: has})
		}
	}
	return list
}

// lapsed is when the other director let an address go, whose first question
// without an answer was asked at an instant. If that was the first after a pause,
// it let go in between, when this one took over: a master does that when it
// hears a better one.
func (w *instruments) lapsed(address int, missed time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.holds {
		if h.Address == address && h.Has && w.hushed > 0 && h.At >= w.hushed && h.At < missed {
			return h.At
		}
	}
	return missed
}

// held tells who holds the addresses: every one of them by that director, and
// none by the other.
func (w *instruments) held(by int) bool {
	has := [2]map[int]bool{{}, {}}
	for _, h := range w.all() {
		has[h.Director][h.Address] = h.Has
	}
	for i := range w.vips {
		if !has[by][i] || has[1-by][i] {
			return false
		}
	}
	return true
}

// measure puts down how the addresses were held in a scene.
func (w *instruments) measure(s *drill.Scene, begin, end time.Time) {
	if len(w.vips) == 0 {
		s.GapMS, s.TwoMS, s.NoneMS = drill.Unseen, drill.Unseen, drill.Unseen
		return
	}
	holds := w.all()
	from, to := begin.Sub(w.began), end.Sub(w.began)
	for i := range w.vips {
		r := drill.Reigns(holds, i, from, to)
		s.TwoMS, s.NoneMS = max(s.TwoMS, r.Two.Milliseconds()), max(s.NoneMS, r.None.Milliseconds())
		if i == 0 {
			for _, x := range r.Spans {
				s.Spans = append(s.Spans, drill.Span{Who: names[x.Director], FromMS: (x.From - from).Milliseconds(), ToMS: (x.To - from).Milliseconds()})
			}
		}
	}
	s.GapMS = s.NoneMS
	if slices.ContainsFunc(w.vips, func(v *vip) bool { return v.pinged }) {
		s.TwoMS = drill.Unseen
	}
}

// gained is when a director first had the first address in a scene, in
// milliseconds; -1 for never.
func (w *instruments) gained(by int, begin time.Time) int64 {
	for _, h := range w.all() {
		if at := w.began.Add(h.At); h.Director == by && h.Address == 0 && h.Has && !at.Before(begin) {
			return at.Sub(begin).Milliseconds()
		}
	}
	return -1
}

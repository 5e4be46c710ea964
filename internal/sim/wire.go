package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"keepgo/internal/ha"
	"keepgo/vrrp"
)

// Wire joins the interfaces of one name on every node, as a switch does.
type Wire struct {
	Delay  time.Duration // of every packet
	Silent bool          // nothing passes but adverts
	name   string
	number int // in the order in which the world came to know them
	cut    map[[2]string]bool
	loss   float64
	jitter time.Duration // a packet may be later than Delay by as much, and pass others
	twice  float64       // of the packets arrive twice
	random *rand.Rand
}

// delay keeps what two nodes do at the same instant unknown to each other, as
// it is on real wires.
const delay = time.Millisecond

// Cut loses every packet from one node to another; the way back stays.
func (w *Wire) Cut(from, to string) { w.cut[[2]string{from, to}] = true }

// Heal ends every cut and loss, and all disorder.
func (w *Wire) Heal() {
	clear(w.cut)
	w.loss, w.jitter, w.twice = 0, 0, 0
}

// Lose loses the given part of all packets, 0 to 1. The same seed loses the
// same ones.
func (w *Wire) Lose(part float64, seed uint64) {
	w.loss, w.random = part, rand.New(rand.NewPCG(seed, 0))
}

// Disorder has packets arrive later than Delay by up to jitter, so that they
// overtake each other, and the given part of them twice, 0 to 1.
func (w *Wire) Disorder(jitter time.Duration, twice float64, seed uint64) {
	w.jitter, w.twice, w.random = jitter, twice, rand.New(rand.NewPCG(seed, 1))
}

// copies is how often a packet arrives.
func (w *Wire) copies() int {
	if w.twice > 0 && w.random.Float64() < w.twice {
		return 2
	}
	return 1
}

// late is how long a packet is under way.
func (w *Wire) late() time.Duration {
	if w.jitter == 0 {
		return w.Delay
	}
	return w.Delay + time.Duration(w.random.Int64N(int64(w.jitter)))
}

// Open tells whether every packet from one node to another gets through.
func (w *Wire) Open(from, to string) bool { return !w.Shut(from, to) && w.loss == 0 }

// Shut tells whether none does.
func (w *Wire) Shut(from, to string) bool { return w.cut[[2]string{from, to}] }

// carries tells whether a packet gets through.
func (w *Wire) carries(from, to string) bool {
	if w.cut[[2]string{from, to}] {
		return false
	}
	return w.loss == 0 || w.random.Float64() >= w.loss
}

// letter is a packet under way.
type letter struct {
	at       vrrp.Time
	to       *Node
	link     string
	src, dst netip.Addr
	ttl      uint8
	ah       bool // data is a whole IP packet
	data     []byte
}

// send sends an advert of an instance as the daemon does: to its group, or to
// each of its peers.
func (n *Node) send(a *ha.Action) {
	key, ok := n.mind.Wire(a.ID)
	ttl, open := n.sockets[key]
	if !ok || !open {
		return
	}
	advert := a.Compose(n.Wall())
	n.tell(Event{Kind: Sent, Name: advert.Name, Priority: a.Priority})
	if !key.Unicast {
		n.post(key, advert.Group, ttl, advert.AppendTo(nil, advert.Group))
		return
	}
	for _, p := range advert.Expect.Peers {
		n.post(key, p.Addr, ttl, advert.AppendTo(nil, p.Addr))
	}
}

// post puts a packet on its way to every node that it can reach.
func (n *Node) post(key ha.Wire, dst netip.Addr, ttl uint8, data []byte) {
	for _, to := range n.world.nodes {
		link := to.reached(key, dst)
		if to == n || link == "" || !n.links[link].Up {
			continue
		}
		wire := n.world.Wire(link)
		if !wire.carries(n.name, to.name) {
			continue
		}
		for range wire.copies() {
			at := n.world.now + wire.late()
			n.world.deliver(letter{at: at, to: to, link: link, src: key.Source, dst: dst, ttl: ttl, ah: key.AH, data: data})
		}
	}
}

// reached is the interface on which a packet for dst would come in, "" for
// none: the sender's for multicast, that of the address for unicast.
func (n *Node) reached(key ha.Wire, dst netip.Addr) string {
	if !key.Unicast {
		return key.Link
	}
	for _, name := range n.names {
		if slices.Contains(n.links[name].Addresses, dst) {
			return name
		}
	}
	return ""
}

// hear hands a packet to every socket of the node that it is for.
func (n *Node) hear(l letter) {
	if n.mind == nil || !n.links[l.link].Up {
		return
	}
	header := 0
	if l.ah {
		header = 20 // RFC 791 section 3.1, without options
	}
	for _, key := range n.listening(l) {
		n.step(ha.Event{Kind: ha.EventPacket, Packet: &ha.Packet{
			Wire: key, At: n.Wall(),
			Arrival: vrrp.Arrival{Src: l.src, Dst: l.dst, TTL: l.ttl, Header: l.data[:header], Data: l.data[header:]},
		}})
	}
}

// listening are the sockets that a packet reaches, in a fixed order.
func (n *Node) listening(l letter) []ha.Wire {
	var keys []ha.Wire
	for _, key := range sortedSockets(n.sockets) {
		multicast := !key.Unicast && key.Link == l.link && key.Group == l.dst
		unicast := key.Unicast && key.Source == l.dst && (key.Link == "" || key.Link == l.link)
		if (multicast || unicast) && key.AH == l.ah {
			keys = append(keys, key)
		}
	}
	return keys
}

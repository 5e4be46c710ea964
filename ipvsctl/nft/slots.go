package nft

import (
	"hash/fnv"
	"maps"
	"slices"

	"keepgo/ipvsctl"
)

// flagHashPort is IP_VS_SVC_F_SCHED_SH_PORT and IP_VS_SVC_F_SCHED_MH_PORT of
// linux/ip_vs.h.
const flagHashPort = 0x0010

// method is how a slot is chosen for a new connection.
type method uint8

const (
	inTurn   method = iota
	byChance        // a random slot
	bySource        // a hash of the client's address
	byTarget        // a hash of the virtual address
)

// schedulers are those of IPVS that need no count of open connections, and
// random.
var schedulers = map[string]struct {
	choose method
	spread func([]server) []int
}{
	"rr":     {inTurn, equal},
	"wrr":    {inTurn, smooth},
	"random": {byChance, smooth},
	"fo":     {inTurn, strongest},
	"sh":     {bySource, maglev},
	"mh":     {bySource, maglev},
	"dh":     {byTarget, maglev},
}

const (
	// maxSlots bounds the slots of weighted turns; weights that need more are
	// rounded.
	maxSlots = 1024
	// Sizes of hash tables, primes as Maglev wants them: with a hundred times the
	// number of servers shares differ by one percent (Eisenbud et al., "Maglev",
	// section 5.3). 251 is IPVS's own least (CONFIG_IP_VS_MH_TAB_INDEX).
	fewHashes, manyHashes, mostHashes = 251, 1021, 4093
)

// server is a destination that takes connections.
type server struct {
	key    ipvsctl.DestKey
	weight uint32
}

// takers are the destinations that take new connections, in order.
func takers(e ipvsctl.Entry) []server {
	var list []server
	for dk, d := range e.Destinations {
		if d.Weight > 0 {
			list = append(list, server{dk, d.Weight})
		}
	}
	slices.SortFunc(list, func(a, b server) int { return a.key.Compare(b.key) })
	return list
}

// sortedServers are all destinations, in order.
func sortedServers(e ipvsctl.Entry) []ipvsctl.DestKey {
	return slices.SortedFunc(maps.Keys(e.Destinations), ipvsctl.DestKey.Compare)
}

// equal is one slot for each server.
func equal(list []server) []int {
	slots := make([]int, len(list))
	for i := range slots {
		slots[i] = i
	}
	return slots
}

// strongest is the one server with the highest weight.
func strongest(list []server) []int {
	best := 0
	for i := range list {
		if list[i].weight > list[best].weight {
			best = i
		}
	}
	return []int{best}
}

// smooth gives each server slots by its weight, evenly spread over the turn: at
// each step every server gains its weight, and the one with most pays the sum.
func smooth(list []server) []int {
	weights := reduced(list)
	sum := 0
	for _, w := range weights {
		sum += w
	}
	slots, credit := make([]int, sum), make([]int, len(list))
	for s := range slots {
		best := 0
		for i, w := range weights {
			if credit[i] += w; credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= sum
		slots[s] = best
	}
	return slots
}

// reduced are the weights without their common divisor, and rounded where their
// sum is above maxSlots; none becomes 0.
func reduced(list []server) []int {
	divisor, sum := uint64(0), uint64(0)
	for _, s := range list {
		divisor = gcd(uint64(s.weight), divisor)
		sum += uint64(s.weight)
	}
	sum /= divisor
	weights := make([]int, len(list))
	for i, s := range list {
		w := uint64(s.weight) / divisor
		if sum > maxSlots {
			w = max(1, (w*maxSlots+sum/2)/sum)
		}
		weights[i] = int(w)
	}
	return weights
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// maglev fills a hash table in which few entries change when a server comes or
// goes: servers take turns, as often as their weight says, and each takes the
// next free entry of a permutation of its own.
func maglev(list []server) []int {
	size := fewHashes
	for _, bigger := range []int{manyHashes, mostHashes} {
		if len(list)*20 > size {
			size = bigger
		}
	}
	table := make([]int, size)
	for i := range table {
		table[i] = -1
	}
	next, step := permutations(list, size)
	heaviest := uint32(0)
	for _, s := range list {
		heaviest = max(heaviest, s.weight)
	}
	turns := make([]uint64, len(list)) // in parts of the heaviest weight
	for filled := 0; ; {
		for i, s := range list {
			if turns[i] += uint64(s.weight); turns[i] < uint64(heaviest) {
				continue
			}
			turns[i] -= uint64(heaviest)
			for table[next[i]] >= 0 {
				next[i] = (next[i] + step[i]) % size
			}
			table[next[i]] = i
			if filled++; filled == size {
				return table
			}
		}
	}
}

func permutations(list []server, size int) (next, step []int) {
	for _, s := range list {
		h := fnv.New64a()
		b, _ := s.key.Addr.MarshalBinary() // never fails
		h.Write(append(b, byte(s.key.Port>>8), byte(s.key.Port)))
		sum := h.Sum64()
		next = append(next, int(sum>>32)%size)
		step = append(step, int(uint32(sum))%(size-1)+1)
	}
	return next, step
}

package ledger

import (
	"math/bits"

	"canopy.dev/canopy/internal/foundation/id"
)

// Counts are numbers of assignments.
type Counts struct {
	Active, Scheduled, Expired int
	EndingSoon                 int // of the active ones
	Roles                      int // distinct ones, over all
}

// Count counts the assignments at some nodes, or with nil all of them. Those that end up to
// soon end soon.
func (x *Index) Count(nodes []id.ID, now, soon int64) (c Counts) {
	f, _ := x.filter(&Query{Nodes: nodes})
	_, _, all := x.known.sizes()
	roles := newSet(all)
	for e := range x.each {
		if !f.fits(e) {
			continue
		}
		roles.add(e.role)
		switch e.state(now) {
		case Scheduled:
			c.Scheduled++
		case Expired:
			c.Expired++
		default:
			c.Active++
			if e.to <= soon && e.to != forever {
				c.EndingSoon++
			}
		}
	}
	c.Roles = roles.size()
	return c
}

// Newest are the people with the newest assignments at some nodes, each once.
func (x *Index) Newest(nodes []id.ID, most int) (people []id.ID) {
	f, _ := x.filter(&Query{Nodes: nodes})
	seen := newSet(len(x.people))
	for e := range x.back {
		if len(people) == most {
			break
		}
		if f.fits(e) && !seen.has(e.who) {
			seen.add(e.who)
			people = append(people, x.people[e.who].ID)
		}
	}
	return people
}

// People is a set of those who hold something somewhere.
type People struct{ in set }

// Len is how many they are.
func (p People) Len() int { return p.in.size() }

// With are those and others.
func (p People) With(others People) People {
	// All sets of one index are as long, or empty.
	all := make(set, max(len(p.in), len(others.in)))
	copy(all, p.in)
	for i, word := range others.in {
		all[i] |= word
	}
	return People{all}
}

func (s set) size() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// Holders are, for each of some nodes, those who count and have an assignment there that is
// active now.
func (x *Index) Holders(nodes []id.ID, now int64) []People {
	all := x.known.nodeSet(nodes)
	at := make(map[uint32]set, len(nodes))
	for e := range x.each {
		if !all.has(e.node) || !x.people[e.who].Counts || e.state(now) != Active {
			continue
		}
		in := at[e.node]
		if in == nil {
			in = newSet(len(x.people))
			at[e.node] = in
		}
		in.add(e.who)
	}
	list := make([]People, len(nodes))
	for i, of := range nodes {
		if n, is := x.known.node(of); is {
			list[i].in = at[n]
		}
	}
	return list
}

// Walk counts those who hold something at each node of a tree, and above it. It belongs to
// one goroutine.
type Walk struct {
	known *register
	start []uint32 // by node: where its holders begin; one more is the end
	who   []uint32 // holders, node after node; who has two roles there comes twice

	above []uint32 // by person: how many of the open assignments
	seen  []uint32 // by person: the last entry at which the person was counted
	entry uint32
	n     int // people with any that is open

	open []uint32 // nodes on the way, nowhere for one without holders
}

const nowhere = 1<<32 - 1

// Walk begins one, of what is active now.
func (x *Index) Walk(now int64) *Walk {
	_, nodes, _ := x.known.sizes()
	w := &Walk{
		known: x.known, start: make([]uint32, nodes+1), above: make([]uint32, len(x.people)),
		seen: make([]uint32, len(x.people)),
	}
	counts := func(e *entry) bool { return x.people[e.who].Counts && e.state(now) == Active }
	var sum uint32
	for e := range x.each {
		if counts(e) {
			w.start[e.node]++
			sum++
		}
	}
	w.who = make([]uint32, sum)
	// Each begins where those before it end, and is moved there from its own end.
	sum = 0
	for n := range w.start {
		sum += w.start[n]
		w.start[n] = sum
	}
	for e := range x.each {
		if counts(e) {
			w.start[e.node]--
			w.who[w.start[e.node]] = e.who
		}
	}
	return w
}

// Enter goes down to a node: direct is how many hold something there, inherited how many do
// at the nodes that were entered before and not left.
func (w *Walk) Enter(of id.ID) (direct, inherited int) {
	inherited = w.n
	n, is := w.known.node(of)
	if !is || int(n)+1 >= len(w.start) {
		n = nowhere
	}
	w.open = append(w.open, n)
	w.entry++
	for _, who := range w.at(n) {
		if w.seen[who] != w.entry {
			w.seen[who] = w.entry
			direct++
		}
		if w.above[who]++; w.above[who] == 1 {
			w.n++
		}
	}
	return direct, inherited
}

// Leave goes up again.
func (w *Walk) Leave() {
	last := len(w.open) - 1
	for _, who := range w.at(w.open[last]) {
		if w.above[who]--; w.above[who] == 0 {
			w.n--
		}
	}
	w.open = w.open[:last]
}

func (w *Walk) at(n uint32) []uint32 {
	if n == nowhere {
		return nil
	}
	return w.who[w.start[n]:w.start[n+1]]
}

// Turned is the last moment up to now at which a window began or ended; the least whole
// number where none has yet. What is counted as of now changes with it, or with the rows.
func (x *Index) Turned(now int64) int64 {
	last := int64(-1 << 63)
	for e := range x.each {
		if e.from <= now && e.from > last {
			last = e.from
		}
		if e.to <= now && e.to > last {
			last = e.to
		}
	}
	return last
}

package ledger

import (
	"cmp"
	"slices"
	"sync"

	"canopy.dev/canopy/internal/foundation/id"
)

// register gives people, nodes and roles their numbers. It only grows.
type register struct {
	mu                   sync.RWMutex
	people, nodes, roles numbers
}

func newRegister() *register {
	return &register{people: newNumbers(), nodes: newNumbers(), roles: newNumbers()}
}

type numbers struct {
	of  map[id.ID]uint32
	ids []id.ID
}

func newNumbers() numbers { return numbers{of: map[id.ID]uint32{}} }

// take is the number of an id, a new one for one that has none.
func (n *numbers) take(of id.ID) uint32 {
	number, is := n.of[of]
	if !is {
		number = uint32(len(n.ids)) //nolint:gosec // memory ends long before
		n.of[of] = number
		n.ids = append(n.ids, of)
	}
	return number
}

// entry is a row by numbers.
func (r *register) entry(row *Row) entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return entry{
		id: row.ID, created: row.Created, from: row.From, to: row.To,
		who: r.people.take(row.Identity), node: r.nodes.take(row.Node), role: r.roles.take(row.Role),
	}
}

func (r *register) sizes() (people, nodes, roles int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.people.ids), len(r.nodes.ids), len(r.roles.ids)
}

func (r *register) person(of id.ID) (uint32, bool) { return r.number(&r.people, of) }
func (r *register) node(of id.ID) (uint32, bool)   { return r.number(&r.nodes, of) }
func (r *register) role(of id.ID) (uint32, bool)   { return r.number(&r.roles, of) }

func (r *register) number(n *numbers, of id.ID) (uint32, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	number, is := n.of[of]
	return number, is
}

// add is the number of a person, a new one for a stranger.
func (r *register) add(who id.ID) uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.people.take(who)
}

// nodesWithout is the set of nodes that are not among some.
func (r *register) nodesWithout(some map[id.ID]bool) set {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := newSet(len(r.nodes.ids))
	for n, of := range r.nodes.ids {
		if !some[of] {
			s.add(uint32(n))
		}
	}
	return s
}

// nodeSet is a set of nodes, as far as they are known.
func (r *register) nodeSet(of []id.ID) set {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := newSet(len(r.nodes.ids))
	for _, one := range of {
		if n, is := r.nodes.of[one]; is {
			s.add(n)
		}
	}
	return s
}

// roleRanks are the places of roles, by number, in an order that is given.
func (r *register) roleRanks(inOrder []id.ID) []int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	ranks := make([]int64, len(r.roles.ids))
	for i, of := range inOrder {
		if n, is := r.roles.of[of]; is {
			ranks[n] = int64(i)
		}
	}
	return ranks
}

// set is a set of numbers.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

func (s set) add(n uint32) { s[n/64] |= 1 << (n % 64) }

// has may be asked about numbers that came later.
func (s set) has(n uint32) bool {
	at := int(n / 64)
	return at < len(s) && s[at]&(1<<(n%64)) != 0
}

// names is the order of people by name, found out when it is first wanted.
type names struct {
	mu     sync.Mutex
	sorted []uint32 // numbers
	ranks  []int64  // by number; who has one name has one rank
}

// rankNames gives everybody's rank.
func (x *Index) rankNames() []int64 {
	x.names.mu.Lock()
	defer x.names.mu.Unlock()
	if x.names.ranks == nil {
		if x.names.sorted == nil {
			x.names.sorted = make([]uint32, len(x.people))
			for i := range x.names.sorted {
				x.names.sorted[i] = uint32(i)
			}
			slices.SortFunc(x.names.sorted, x.byName)
		}
		x.names.ranks = make([]int64, len(x.people))
		rank := int64(0)
		for i, n := range x.names.sorted {
			if i > 0 && x.people[n].Fold != x.people[x.names.sorted[i-1]].Fold {
				rank++
			}
			x.names.ranks[n] = rank
		}
	}
	return x.names.ranks
}

func (x *Index) byName(a, b uint32) int { return cmp.Compare(x.people[a].Fold, x.people[b].Fold) }

// renamed is the order after some people were added or renamed: those are sorted in again.
func (x *Index) renamed(before *names, changed map[uint32]bool) *names {
	before.mu.Lock()
	defer before.mu.Unlock()
	if before.sorted == nil {
		return &names{}
	}
	these := make([]uint32, 0, len(changed))
	for n := range changed {
		these = append(these, n)
	}
	slices.SortFunc(these, x.byName)
	sorted := make([]uint32, 0, len(x.people))
	for _, n := range before.sorted {
		if changed[n] {
			continue
		}
		for len(these) > 0 && x.byName(these[0], n) < 0 {
			sorted, these = append(sorted, these[0]), these[1:]
		}
		sorted = append(sorted, n)
	}
	return &names{sorted: append(sorted, these...)}
}

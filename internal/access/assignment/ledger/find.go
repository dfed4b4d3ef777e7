package ledger

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/foundation/id"
)

// State is how an assignment stands to its window.
type State uint8

// The states; the zero one is any.
const (
	Any       State = iota
	Active          // it counts
	Scheduled       // its window has not begun
	Expired         // its window has ended
)

// forever is the open end of a window.
const forever = 1<<63 - 1

func (e *entry) state(now int64) State {
	switch {
	case now < e.from:
		return Scheduled
	case now < e.to || e.to == forever:
		return Active
	}
	return Expired
}

// Key is what a list is sorted by. Equal values are ordered by id.
type Key uint8

// The keys.
const (
	Created Key = iota
	Name        // of the person
	Role        // by Query.RoleOrder
	End         // of the window; an open one is the latest
	Access      // at Query.Direct, then elsewhere
)

// Query says which assignments are looked for; what is zero filters nothing.
type Query struct {
	Part           string // of what lists look in of a person; folded
	Identity, Role id.ID
	Nodes          []id.ID // nil for all
	State          State
	Now            int64
	Until          *int64 // the end of the window, at the latest

	By        Key
	RoleOrder []id.ID
	Direct    id.ID
	Desc      bool
	// The piece of the result that is wanted.
	Offset, Limit int
}

// filter is the condition of a query, by numbers.
type filter struct {
	people, nodes set
	who, role     uint32

	ofPeople, atNodes, ofOne, ofRole, ended bool

	state      State
	now, until int64
}

func (f *filter) fits(e *entry) bool {
	switch {
	case f.ofRole && e.role != f.role, f.ofOne && e.who != f.who, f.atNodes && !f.nodes.has(e.node),
		f.ofPeople && !f.people.has(e.who), f.ended && (e.to > f.until || e.to == forever):
		return false
	}
	return f.state == Any || e.state(f.now) == f.state
}

// filter makes the condition of a query; possible is false where nothing can fit.
func (x *Index) filter(q *Query) (f filter, possible bool) {
	f = filter{state: q.State, now: q.Now}
	possible = true
	if !q.Identity.IsZero() {
		f.ofOne = true
		f.who, possible = x.known.person(q.Identity)
	}
	if !q.Role.IsZero() && possible {
		f.ofRole = true
		f.role, possible = x.known.role(q.Role)
	}
	if q.Nodes != nil {
		f.atNodes, f.nodes = true, x.known.nodeSet(q.Nodes)
	}
	if q.Until != nil {
		f.ended, f.until = true, *q.Until
	}
	if q.Part != "" && possible {
		f.ofPeople, f.people = true, newSet(len(x.people))
		for n := range x.people {
			if strings.Contains(x.people[n].Search, q.Part) {
				f.people.add(uint32(n)) //nolint:gosec // as in take
			}
		}
	}
	return f, possible
}

// Find gives the ids of one piece of what is looked for, and how many there are in all.
func (x *Index) Find(q Query) (ids []id.ID, total int) {
	f, possible := x.filter(&q)
	switch {
	case !possible:
		return nil, 0
	case q.By == Created:
		return x.inOrder(&q, &f)
	}
	key := x.key(&q)
	var hits []hit
	for e := range x.each {
		if f.fits(e) {
			hits = append(hits, hit{key(e), e})
		}
	}
	from, to := min(q.Offset, len(hits)), min(q.Offset+q.Limit, len(hits))
	compare := compareHits
	if q.Desc {
		compare = func(a, b *hit) int { return compareHits(b, a) }
	}
	narrow(hits, from, compare)
	narrow(hits[from:], to-from, compare)
	page := hits[from:to]
	slices.SortFunc(page, func(a, b hit) int { return compare(&a, &b) })
	for i := range page {
		ids = append(ids, page[i].e.id)
	}
	return ids, len(hits)
}

// inOrder is a piece in the order of creation.
func (x *Index) inOrder(q *Query, f *filter) (ids []id.ID, total int) {
	all := x.each
	if q.Desc {
		all = x.back
	}
	for e := range all {
		if !f.fits(e) {
			continue
		}
		if total >= q.Offset && len(ids) < q.Limit {
			ids = append(ids, e.id)
		}
		total++
	}
	return ids, total
}

// key is what entries are sorted by.
func (x *Index) key(q *Query) func(*entry) int64 {
	switch q.By {
	case Name:
		ranks := x.rankNames()
		return func(e *entry) int64 { return ranks[e.who] }
	case Role:
		ranks := x.known.roleRanks(q.RoleOrder)
		return func(e *entry) int64 { return ranks[e.role] }
	case Access:
		direct, known := x.known.node(q.Direct)
		return func(e *entry) int64 {
			if known && e.node == direct {
				return 0
			}
			return 1
		}
	case End:
		return func(e *entry) int64 { return e.to }
	default:
		return func(e *entry) int64 { return e.created }
	}
}

// hit is an entry that was found, with what it is sorted by.
type hit struct {
	key int64
	e   *entry
}

func compareHits(a, b *hit) int {
	if c := cmp.Compare(a.key, b.key); c != 0 {
		return c
	}
	return bytes.Compare(a.e.id[:], b.e.id[:])
}

// narrow brings the first n of what would be sorted to the front, in any order: that costs a
// look at each hit or two, and sorting all of them many. No two hits are equal.
func narrow(hits []hit, n int, compare func(a, b *hit) int) {
	for round := 0; n > 0 && n < len(hits); round++ {
		if round == mostRounds {
			slices.SortFunc(hits, func(a, b hit) int { return compare(&a, &b) })
			return
		}
		last := len(hits) - 1
		at := middle(hits, compare)
		hits[at], hits[last] = hits[last], hits[at]
		less := 0
		for i := range last {
			if compare(&hits[i], &hits[last]) < 0 {
				hits[i], hits[less] = hits[less], hits[i]
				less++
			}
		}
		hits[less], hits[last] = hits[last], hits[less]
		switch {
		case n == less || n == less+1:
			return
		case n < less:
			hits = hits[:less]
		default:
			hits, n = hits[less+1:], n-less-1
		}
	}
}

// mostRounds is more than a million hits need, unless somebody has laid them out for it.
const mostRounds = 80

// middle is the place of the middle one of three.
func middle(hits []hit, compare func(a, b *hit) int) int {
	a, b, c := 0, len(hits)/2, len(hits)-1
	if compare(&hits[a], &hits[b]) > 0 {
		a, b = b, a
	}
	switch {
	case compare(&hits[b], &hits[c]) <= 0:
		return b
	case compare(&hits[a], &hits[c]) <= 0:
		return c
	}
	return a
}

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
				f.people.add(uint32(n))
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
	o := x.order(&q)
	o.count(x, &f)
	from := min(q.Offset, o.total)
	hits, before := o.around(x, &f, from, min(from+q.Limit, o.total), q.Desc)
	from -= before
	to := min(from+q.Limit, len(hits))
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
	return ids, o.total
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

// order is what entries are sorted by. Those of one drawer come before those of the next, so
// that no more have to be sorted than the drawers hold to which a page belongs.
type order struct {
	drawer func(*entry) int64
	key    func(*entry) int64 // in a drawer
	full   []int              // by drawer: how many were found
	total  int
}

func (x *Index) order(q *Query) *order {
	same := func(*entry) int64 { return 0 }
	switch q.By {
	case Name:
		ranks := x.rankNames()
		return &order{drawer: func(e *entry) int64 { return ranks[e.who] }, key: same, full: make([]int, len(ranks))}
	case Role:
		ranks := x.known.roleRanks(q.RoleOrder)
		drawers := max(len(q.RoleOrder), 1)
		return &order{drawer: func(e *entry) int64 { return ranks[e.role] }, key: same, full: make([]int, drawers)}
	case Access:
		direct, known := x.known.node(q.Direct)
		drawer := func(e *entry) int64 {
			if known && e.node == direct {
				return 0
			}
			return 1
		}
		return &order{drawer: drawer, key: same, full: make([]int, 2)}
	case End:
		drawer := func(e *entry) int64 {
			if e.to == forever {
				return 1
			}
			return 0
		}
		return &order{drawer: drawer, key: func(e *entry) int64 { return e.to }, full: make([]int, 2)}
	case Created:
	}
	return &order{drawer: same, key: func(e *entry) int64 { return e.created }, full: make([]int, 1)}
}

// count finds out what each drawer holds.
func (o *order) count(x *Index, f *filter) {
	for e := range x.each {
		if f.fits(e) {
			o.full[o.drawer(e)]++
			o.total++
		}
	}
}

// around gives everything in the drawers that hold the places from to to; before is how many
// come before them.
func (o *order) around(x *Index, f *filter, from, to int, desc bool) (hits []hit, before int) {
	first, last, size := len(o.full), -1, 0
	passed := 0
	for i := range o.full {
		d := i
		if desc {
			d = len(o.full) - 1 - i
		}
		if passed < to && passed+o.full[d] > from {
			if size == 0 {
				before = passed
			}
			first, last, size = min(first, d), max(last, d), size+o.full[d]
		}
		passed += o.full[d]
	}
	if size == 0 {
		return nil, from
	}
	hits = make([]hit, 0, size)
	for e := range x.each {
		if d := o.drawer(e); d >= int64(first) && d <= int64(last) && f.fits(e) {
			hits = append(hits, hit{d, o.key(e), e})
		}
	}
	return hits, before
}

// hit is an entry that was found, with what it is sorted by.
type hit struct {
	drawer, key int64
	e           *entry
}

func compareHits(a, b *hit) int {
	if c := cmp.Compare(a.drawer, b.drawer); c != 0 {
		return c
	}
	if c := cmp.Compare(a.key, b.key); c != 0 {
		return c
	}
	return bytes.Compare(a.e.id[:], b.e.id[:])
}

// narrow brings the first n of what would be sorted to the front, in any order: that costs a
// look at each hit or two, and sorting all of them many. No two hits are equal.
func narrow(hits []hit, n int, compare func(a, b *hit) int) {
	random := uint64(len(hits))
	for round := 0; n > 0 && n < len(hits); round++ {
		if round == mostRounds {
			slices.SortFunc(hits, func(a, b hit) int { return compare(&a, &b) })
			return
		}
		last := len(hits) - 1
		random = random*6364136223846793005 + 1442695040888963407 // Knuth's
		at := int(random >> 33 % uint64(len(hits)))               //nolint:gosec // it is less than a length
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

// mostRounds is more than a million hits need, unless chance is against it.
const mostRounds = 200

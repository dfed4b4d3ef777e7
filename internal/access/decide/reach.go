package decide

import (
	"iter"
	"slices"

	"canopy.dev/canopy/internal/foundation/id"
)

// A ReachQuery asks which nodes an identity reaches with a permission.
type ReachQuery struct {
	Identity   id.ID
	Permission string
	// After continues behind the Next of the page before; nil for the first.
	After []id.ID
	// Limit is the number of nodes in a page; below 1 means 1.
	Limit int
}

// ReachPage is one page of the nodes that an identity reaches.
type ReachPage struct {
	// Reason says why nothing is reached, as Evaluate does AppWide; None when
	// something is.
	Reason Reason
	// Roots are the granted nodes that lie below no other granted node, by id,
	// whole on every page. The identity reaches every live node below them.
	Roots []id.ID
	// Nodes of this page: root after root, each with all below it before its
	// next sibling, siblings by id.
	Nodes []id.ID
	// Next is the way from a root to the last node of this page, to be sent as
	// After; nil on the last page. It keeps its place also when nodes come, go
	// or move between two pages, and in another process.
	Next []id.ID
}

// AccessibleNodes is a page of the live nodes at which Evaluate allows the
// permission now.
func (s *Snapshot) AccessibleNodes(q ReachQuery, now Instant) ReachPage {
	var page ReachPage
	var roots []uint32
	if roots, page.Reason = s.reach(q.Identity, q.Permission, now); page.Reason != None {
		return page
	}
	for _, n := range roots {
		page.Roots = append(page.Roots, *s.nodes.at(n))
	}
	limit := max(q.Limit, 1)
	var last []id.ID
	s.walk(roots, q.After, func(n uint32, way []id.ID) bool {
		if len(page.Nodes) == limit {
			page.Next = last
			return false
		}
		page.Nodes = append(page.Nodes, *s.nodes.at(n))
		if len(page.Nodes) == limit {
			last = slices.Clone(way)
		}
		return true
	})
	return page
}

// Reachable is all nodes of AccessibleNodes, in the same order.
func (s *Snapshot) Reachable(identity id.ID, permission string, now Instant) iter.Seq[id.ID] {
	return func(yield func(id.ID) bool) {
		roots, _ := s.reach(identity, permission, now)
		s.walk(roots, nil, func(n uint32, _ []id.ID) bool { return yield(*s.nodes.at(n)) })
	}
}

// reach is the topmost nodes at which an assignment grants the permission, by
// id, or why there is none.
func (s *Snapshot) reach(identity id.ID, permission string, now Instant) ([]uint32, Reason) {
	t := tally{best: NoAssignment, now: now}
	if reason := s.judge(&Question{Identity: identity, Permission: permission, Scope: AppWide}, &t); reason != None {
		return nil, reason
	}
	m, _ := s.memberOf(identity)
	var granted []uint32 // ascending, as rows are
	s.eachRow(m, func(r *row) bool {
		last := len(granted) - 1
		if (last < 0 || granted[last] != r.node) && t.weigh(s, r) == None && s.live(r.node) {
			granted = append(granted, r.node)
		}
		return true
	})
	var roots []uint32
	for _, n := range granted {
		up := s.parent(n)
		for up != nowhere {
			if _, found := slices.BinarySearch(granted, up); found {
				break
			}
			up = s.parent(up)
		}
		if up == nowhere {
			roots = append(roots, n)
		}
	}
	slices.SortFunc(roots, func(a, b uint32) int { return compareIDs(s.nodes.at(a), s.nodes.at(b)) })
	return roots, None
}

// walk calls yield with the active nodes in the subtrees of roots, which are
// given by id, and the way to each, until it says false. Ways are the ids from
// the root down and stand in the order of words; the walk begins behind the way
// after, whether that still leads anywhere or not.
func (s *Snapshot) walk(roots []uint32, after []id.ID, yield func(n uint32, way []id.ID) bool) {
	for _, n := range roots {
		st := stroll{s: s, yield: yield}
		if len(after) > 0 {
			c := compareIDs(s.nodes.at(n), &after[0])
			if c < 0 {
				continue
			}
			if c == 0 {
				st.resuming, st.after = true, after[1:]
			}
		}
		if !st.below(n) {
			return
		}
	}
}

// A stroll is a walk through one subtree.
type stroll struct {
	s     *Snapshot
	yield func(n uint32, way []id.ID) bool
	way   []id.ID
	// While resuming, the nodes on the way are old news, and after is the rest
	// of the way.
	resuming bool
	after    []id.ID
}

func (st *stroll) below(n uint32) bool {
	s := st.s
	if *s.up.at(n)&off != 0 {
		st.resuming = false
		return true
	}
	st.way = append(st.way, *s.nodes.at(n))
	defer func() { st.way = st.way[:len(st.way)-1] }()
	from, next := zeroID, zeroID
	switch {
	case !st.resuming:
		if !st.yield(n, st.way) {
			return false
		}
	case len(st.after) > 0:
		next = st.after[0]
		from, st.after = next, st.after[1:]
	default:
		st.resuming = false
	}
	for c := s.children.seek(s.atNode(n, from)); ; c.next() {
		p, ok := c.item()
		if !ok || p.owner() != n {
			return true
		}
		if st.resuming && *s.nodes.at(p.item()) != next {
			st.resuming = false // the way ends here; go on with what comes behind it
		}
		if !st.below(p.item()) {
			return false
		}
		st.resuming = false
	}
}

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
	// After is the Next of the page before; nil for the first page.
	After []id.ID
	// Limit is the number of nodes in a page; below 1 means 1.
	Limit int
}

// ReachPage is one page of the nodes that an identity reaches.
type ReachPage struct {
	// Reason says why no node is reached, as Evaluate says it AppWide; None when
	// a node is reached.
	Reason Reason
	// Roots are the granted nodes that lie below no other granted node, by id.
	// Every page has all of them. The identity reaches every live node below them.
	Roots []id.ID
	// Nodes of this page, depth first: root after root, each node before the
	// nodes below it, siblings by id.
	Nodes []id.ID
	// Next is the path from a root to the last node of this page. Send it as
	// After; it is nil on the last page. It keeps its place when nodes are added,
	// dropped or moved between two pages, and is valid in another process.
	Next []id.ID
}

// AccessibleNodes returns a page of the live nodes at which Evaluate allows the
// permission now.
func (s *Snapshot) AccessibleNodes(q ReachQuery, now Instant) ReachPage {
	var page ReachPage
	var roots []uint32
	if roots, page.Reason = s.grantedRoots(q.Identity, q.Permission, now); page.Reason != None {
		return page
	}
	for _, n := range roots {
		page.Roots = append(page.Roots, *s.nodeIDs.At(n))
	}
	limit := max(q.Limit, 1)
	var last []id.ID
	s.walk(roots, q.After, func(n uint32, path []id.ID) bool {
		if len(page.Nodes) == limit {
			page.Next = last
			return false
		}
		page.Nodes = append(page.Nodes, *s.nodeIDs.At(n))
		if len(page.Nodes) == limit {
			last = slices.Clone(path)
		}
		return true
	})
	return page
}

// Reachable yields all nodes of AccessibleNodes, in the same order.
func (s *Snapshot) Reachable(identity id.ID, permission string, now Instant) iter.Seq[id.ID] {
	return func(yield func(id.ID) bool) {
		roots, _ := s.grantedRoots(identity, permission, now)
		s.walk(roots, nil, func(n uint32, _ []id.ID) bool { return yield(*s.nodeIDs.At(n)) })
	}
}

// grantedRoots returns the topmost nodes at which an assignment grants the
// permission, by id, or the reason why there are none.
func (s *Snapshot) grantedRoots(identity id.ID, permission string, now Instant) ([]uint32, Reason) {
	t := tally{furthest: NoAssignment, now: now}
	q := Question{Identity: identity, Permission: permission, Scope: AppWide}
	if reason := s.evaluate(&q, &t); reason != None {
		return nil, reason
	}
	m, _ := s.memberOf(identity)
	var granted []uint32 // ascending, as assignments are by node
	s.eachAssignment(m, func(a *assignment) bool {
		last := len(granted) - 1
		if (last < 0 || granted[last] != a.node) && t.reasonOf(s, a) == None && s.live(a.node) {
			granted = append(granted, a.node)
		}
		return true
	})
	var roots []uint32
	for _, n := range granted {
		up := s.parent(n)
		for up != noNode {
			if _, found := slices.BinarySearch(granted, up); found {
				break
			}
			up = s.parent(up)
		}
		if up == noNode {
			roots = append(roots, n)
		}
	}
	slices.SortFunc(roots, func(a, b uint32) int { return compareIDs(s.nodeIDs.At(a), s.nodeIDs.At(b)) })
	return roots, None
}

// walk calls yield with the active nodes in the subtrees of roots, and the path
// to each of them, until yield returns false. Roots are given by id. A path is
// the ids from a root down, and paths come in lexicographic order. The walk begins
// behind the path after, even if that no longer leads to a node.
func (s *Snapshot) walk(roots []uint32, after []id.ID, yield func(n uint32, path []id.ID) bool) {
	for _, n := range roots {
		w := walker{s: s, yield: yield}
		if len(after) > 0 {
			c := compareIDs(s.nodeIDs.At(n), &after[0])
			if c < 0 {
				continue
			}
			if c == 0 {
				w.resuming, w.after = true, after[1:]
			}
		}
		if !w.visit(n) {
			return
		}
	}
}

// A walker walks through one subtree, depth first.
type walker struct {
	s     *Snapshot
	yield func(n uint32, path []id.ID) bool
	path  []id.ID
	// While resuming, the walk follows the path on which the page before ended,
	// whose nodes were on that page or an earlier one. after is the rest of it.
	resuming bool
	after    []id.ID
}

func (w *walker) visit(n uint32) bool {
	s := w.s
	if !s.active(n) {
		w.resuming = false
		return true
	}
	w.path = append(w.path, *s.nodeIDs.At(n))
	defer func() { w.path = w.path[:len(w.path)-1] }()
	from, next := zeroID, zeroID
	switch {
	case !w.resuming:
		if !w.yield(n, w.path) {
			return false
		}
	case len(w.after) > 0:
		next = w.after[0]
		from, w.after = next, w.after[1:]
	default:
		w.resuming = false
	}
	c := s.children.Seek(s.childPosition(n, from))
	for ; ; c.Next() {
		p, ok := c.Item()
		if !ok || p.group() != n {
			return true
		}
		if w.resuming && *s.nodeIDs.At(p.item()) != next {
			// The path ends here: its next node is no longer a child of this one.
			// Go on with what comes behind it.
			w.resuming = false
		}
		if !w.visit(p.item()) {
			return false
		}
		w.resuming = false
	}
}

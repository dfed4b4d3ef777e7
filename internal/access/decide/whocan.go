package decide

import (
	"canopy.dev/canopy/internal/foundation/id"
)

// A WhoQuery asks who may do something at a node.
type WhoQuery struct {
	Node       id.ID
	Permission string
	// After continues behind the Next of the page before; zero for the first.
	After id.ID
	// Limit is the number of identities in a page; below 1 means 1.
	Limit int
}

// WhoPage is one page of those who may.
type WhoPage struct {
	// Reason is NodeNotFound, NodeInactive or PermissionUnknown when that is why
	// nobody may; else None.
	Reason Reason
	// Holders by id.
	Holders []Holder
	// Next is to be sent as After; zero on the last page.
	Next id.ID
}

// Holder is an identity that may, with the assignments that allow it.
type Holder struct {
	Identity    id.ID
	Assignments []GrantingAssignment // root first, then by id
}

// GrantingAssignment is an assignment that grants.
type GrantingAssignment struct {
	ID       id.ID
	Node     id.ID
	Role     id.ID
	RoleName string
	From, To Instant
}

// WhoCan is a page of the identities for which Evaluate allows the permission at
// the node now. It looks at those who have an assignment on the node's lineage,
// from q.After on, until the page is full.
func (s *Snapshot) WhoCan(q WhoQuery, now Instant) WhoPage {
	n, ok := s.nodeOf(q.Node)
	if !ok {
		return WhoPage{Reason: NodeNotFound}
	}
	if !s.live(n) {
		return WhoPage{Reason: NodeInactive}
	}
	key, ok := s.keyOf(q.Permission)
	if !ok {
		return WhoPage{Reason: PermissionUnknown}
	}
	lineage := s.lineage(n)
	all := merger{after: q.After}
	for _, at := range lineage {
		all.add(s, &s.holders, at)
	}
	var page WhoPage
	limit := max(q.Limit, 1)
	t := tally{key: key, now: now}
	for {
		u, ok := all.next()
		if !ok {
			return page
		}
		m, _ := s.memberOf(u)
		if s.members.at(m).reason() != None {
			continue
		}
		var grants []GrantingAssignment
		for _, at := range lineage {
			s.eachRowAt(m, at, func(r *row) bool {
				if t.weigh(s, r) == None {
					ro := s.roles.at(r.role)
					grants = append(grants, GrantingAssignment{
						ID: r.id, Node: *s.nodes.at(at), Role: ro.id, RoleName: ro.name, From: r.from, To: r.to,
					})
				}
				return true
			})
		}
		if len(grants) == 0 {
			continue
		}
		if len(page.Holders) == limit {
			page.Next = page.Holders[limit-1].Identity
			return page
		}
		page.Holders = append(page.Holders, Holder{Identity: u, Assignments: grants})
	}
}

// lineage is the nodes from the root to n.
func (s *Snapshot) lineage(n uint32) []uint32 {
	depth := 0
	for at := n; at != nowhere; at = s.parent(at) {
		depth++
	}
	line := make([]uint32, depth)
	for at := n; at != nowhere; at = s.parent(at) {
		depth--
		line[depth] = at
	}
	return line
}

// A merger brings the identities of several lists together in the order of their
// ids, each once. It looks no further into the lists than it is asked to.
type merger struct {
	sources []source // a heap: the source with the lowest id is the first
	named   []id.ID  // one more list, sorted
	after   id.ID    // all ids up to here have been
}

// A source is the members paired with one owner in a tree, by id.
type source struct {
	s     *Snapshot
	at    cursor[pair]
	owner uint32
	id    id.ID // of the member the source stands at
}

// add adds the members paired with owner.
func (g *merger) add(s *Snapshot, t *tree[pair], owner uint32) {
	src := source{s: s, owner: owner, at: s.membersFrom(t, owner, g.after)}
	if src.read() {
		g.sources = append(g.sources, src)
		for i := len(g.sources) - 1; i > 0; {
			up := (i - 1) / 2
			if compareIDs(&g.sources[up].id, &g.sources[i].id) <= 0 {
				break
			}
			g.sources[up], g.sources[i] = g.sources[i], g.sources[up]
			i = up
		}
	}
}

func (src *source) read() bool {
	p, ok := src.at.item()
	if !ok || p.owner() != src.owner {
		return false
	}
	src.id = src.s.members.at(p.item()).id
	return true
}

func (src *source) next() bool {
	src.at.next()
	return src.read()
}

// next is the next id.
func (g *merger) next() (id.ID, bool) {
	for len(g.sources)+len(g.named) > 0 {
		var u id.ID
		if len(g.sources) == 0 || len(g.named) > 0 && compareIDs(&g.named[0], &g.sources[0].id) <= 0 {
			u, g.named = g.named[0], g.named[1:]
		} else {
			u = g.sources[0].id
			if !g.sources[0].next() {
				last := len(g.sources) - 1
				g.sources[0] = g.sources[last]
				g.sources = g.sources[:last]
			}
			g.sink()
		}
		if compareIDs(&u, &g.after) > 0 {
			g.after = u
			return u, true
		}
	}
	return zeroID, false
}

// sink brings the first source to its place in the heap.
func (g *merger) sink() {
	for i := 0; ; {
		least := i
		for kid := 2*i + 1; kid <= 2*i+2 && kid < len(g.sources); kid++ {
			if compareIDs(&g.sources[kid].id, &g.sources[least].id) < 0 {
				least = kid
			}
		}
		if least == i {
			return
		}
		g.sources[i], g.sources[least] = g.sources[least], g.sources[i]
		i = least
	}
}

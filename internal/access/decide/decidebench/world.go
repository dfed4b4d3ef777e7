package decidebench

import (
	"fmt"
	"math"
	"math/rand/v2"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// now is the instant of all questions. The windows lie around it.
const now decide.Instant = 1_780_000_000_000_000

const day decide.Instant = 24 * 60 * 60 * 1_000_000

// world is a generated environment. It has numbers in place of ids, which are
// computed from the numbers. So even a large world needs little memory beside its
// snapshot.
type world struct {
	Options
	rng         *rand.Rand
	parent      []int32   // by node; -1 for the root
	level       [][]int32 // nodes by depth
	keys        []string
	grants      [][]string // by role
	assignments []assignment
}

type assignment struct {
	identity, node int32
	role           int32
	from, to       decide.Instant
}

func generate(o Options) *world {
	w := &world{Options: o, rng: rand.New(rand.NewPCG(o.Seed, 0))}
	w.generateTree()
	for i := range o.Permissions {
		w.keys = append(w.keys, fmt.Sprintf("area%d.action%d", i/10, i))
	}
	for range o.Roles {
		var grants []string
		for _, k := range w.rng.Perm(len(w.keys))[:min(o.RolePermissions, len(w.keys))] {
			grants = append(grants, w.keys[k])
		}
		w.grants = append(w.grants, grants)
	}
	// No identity gets the same role twice at a node.
	seen := make(map[[2]uint64]struct{}, o.Assignments)
	for len(w.assignments) < o.Assignments {
		a := assignment{
			identity: w.rng.Int32N(int32(o.Identities)), node: w.someNode(), role: w.rng.Int32N(int32(o.Roles)),
			from: decide.Beginning, to: decide.Forever,
		}
		triple := [2]uint64{uint64(a.identity)<<32 | uint64(a.node), uint64(a.role)}
		if _, twice := seen[triple]; twice {
			continue
		}
		seen[triple] = struct{}{}
		if w.rng.Float64() < o.Windowed {
			a.from = now + decide.Instant(w.rng.Int64N(int64(60*day))) - 45*day
			a.to = a.from + 30*day
		}
		w.assignments = append(w.assignments, a)
	}
	return w
}

// generateTree makes a tree in which each level is wider than the level above by
// the same factor.
func (w *world) generateTree() {
	size := func(factor float64) float64 {
		sum := 0.0
		for l := range w.Levels {
			sum += math.Pow(factor, float64(l))
		}
		return sum
	}
	factor := 1.0
	for size(factor) < float64(w.Nodes) {
		factor += 0.001
	}
	w.parent, w.level = []int32{-1}, [][]int32{{0}}
	for l := 1; len(w.parent) < w.Nodes; l = min(l+1, w.Levels-1) {
		if l == len(w.level) {
			w.level = append(w.level, nil)
		}
		above := w.level[l-1]
		for range max(1, int(math.Pow(factor, float64(l)))) {
			if len(w.parent) == w.Nodes {
				return
			}
			w.level[l] = append(w.level[l], int32(len(w.parent)))
			w.parent = append(w.parent, above[w.rng.IntN(len(above))])
		}
	}
}

// someNode returns a random node for an assignment, drawn from all nodes or from
// a random level.
func (w *world) someNode() int32 {
	if w.Dist == "level" {
		level := w.level[w.rng.IntN(len(w.level))]
		return level[w.rng.IntN(len(level))]
	}
	return w.rng.Int32N(int32(len(w.parent)))
}

// The kinds of ids.
const (
	nodeKind = iota + 1
	memberKind
	roleKind
	assignmentKind
)

// idOf returns a UUID of version 7. Its time grows with i, the rest is a hash.
func idOf(kind, i int) id.ID {
	ms := uint64(1_700_000_000_000 + i)
	x := mix(uint64(kind)<<56 ^ uint64(i))
	y := mix(x)
	return id.ID{
		byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms),
		0x70 | byte(x>>8)&0x0f, byte(x), 0x80 | byte(x>>16)&0x3f, byte(x >> 24),
		byte(y >> 40), byte(y >> 32), byte(y >> 24), byte(y >> 16), byte(y >> 8), byte(y),
	}
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func nodeID(i int32) id.ID   { return idOf(nodeKind, int(i)) }
func memberID(i int32) id.ID { return idOf(memberKind, int(i)) }
func roleID(i int32) id.ID   { return idOf(roleKind, int(i)) }

func (w *world) node(i int32) decide.Node {
	n := decide.Node{ID: nodeID(i), Active: true}
	if w.parent[i] >= 0 {
		n.Parent = nodeID(w.parent[i])
	}
	return n
}

func (w *world) assignment(i int) decide.Assignment {
	a := w.assignments[i]
	return decide.Assignment{
		ID: idOf(assignmentKind, i), Identity: memberID(a.identity), Node: nodeID(a.node), Role: roleID(a.role),
		From: a.from, To: a.to,
	}
}

// writeTo passes all rows to r, table after table and each table in the order of
// ids, as a database would. It returns how many there are.
func (w *world) writeTo(r decide.Rows, step func(done, all int)) int {
	all := len(w.keys) + len(w.grants) + len(w.parent) + w.Identities + len(w.assignments)
	done := 0
	tick := func() {
		if done++; done%(1<<16) == 0 {
			step(done, all)
		}
	}
	for _, key := range w.keys {
		r.Permission(key)
		tick()
	}
	for i, keys := range w.grants {
		r.Role(decide.Role{ID: roleID(int32(i)), Name: fmt.Sprintf("Role %d", i), Active: true, Permissions: keys})
		tick()
	}
	for i := range w.parent {
		r.Node(w.node(int32(i)))
		tick()
	}
	for i := range w.Identities {
		r.Member(decide.Member{Identity: memberID(int32(i)), IdentityActive: true, MembershipActive: true})
		tick()
	}
	for i := range w.assignments {
		r.Assignment(w.assignment(i))
		tick()
	}
	return all
}

// questions returns a mix of questions. Half of them ask about an assignment, at
// its node or up to three levels below it, and half about anything.
func (w *world) questions(n int, scope decide.Scope) []decide.Question {
	children := w.children()
	list := make([]decide.Question, n)
	for i := range list {
		q := decide.Question{Identity: memberID(w.rng.Int32N(int32(w.Identities))), Scope: scope}
		node := w.rng.Int32N(int32(len(w.parent)))
		q.Permission = w.keys[w.rng.IntN(len(w.keys))]
		if i%2 == 0 {
			a := w.assignments[w.rng.IntN(len(w.assignments))]
			q.Identity, node = memberID(a.identity), a.node
			for range w.rng.IntN(4) {
				if below := children[node]; len(below) > 0 {
					node = below[w.rng.IntN(len(below))]
				}
			}
			q.Permission = w.grants[a.role][w.rng.IntN(len(w.grants[a.role]))]
		}
		if scope == decide.AtNode {
			q.Node = nodeID(node)
		}
		list[i] = q
	}
	return list
}

func (w *world) children() [][]int32 {
	children := make([][]int32, len(w.parent))
	for i, p := range w.parent {
		if p >= 0 {
			children[p] = append(children[p], int32(i))
		}
	}
	return children
}

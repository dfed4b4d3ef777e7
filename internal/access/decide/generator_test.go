package decide_test

import (
	"fmt"
	"math/rand/v2"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
)

// An editGenerator makes random edits of a world. The first member and the first
// node of that world get most of the assignments. Equal seeds give equal edits.
type editGenerator struct {
	*rand.Rand
	nodes, members int
	w              *oracle.World
}

func newEditGenerator(seed uint64, nodes, members int) *editGenerator {
	g := &editGenerator{rand.New(rand.NewPCG(seed, 0)), nodes, members, oracle.New()}
	for n := range someKeys {
		g.w.Permissions[keyName(n+1)] = true
	}
	var e decide.Edit
	for n := range nodes {
		node := decide.Node{ID: nodeID(n + 1), Parent: nodeID((n + 3) / 4), Active: true}
		e.Changes = append(e.Changes, decide.PutNode{Node: node})
	}
	for n := range members {
		member := decide.Member{Identity: memberID(n + 1), IdentityActive: true, MembershipActive: true}
		e.Changes = append(e.Changes, decide.PutMember{Member: member})
	}
	for n := range someRoles {
		e.Changes = append(e.Changes, decide.PutRole{Role: g.role(n + 1)})
	}
	if p := g.w.Apply(e); p > 0 {
		panic(fmt.Sprint(p, " problems in the first rows"))
	}
	return g
}

func (g *editGenerator) role(n int) decide.Role {
	return decide.Role{
		ID: roleID(n), Name: fmt.Sprint("role ", n), Active: g.IntN(8) > 0,
		Permissions: []string{keyName(n), keyName(g.IntN(someKeys) + 1)},
	}
}

func (g *editGenerator) assignment() decide.Assignment {
	a := decide.Assignment{
		ID: assignmentID(g.IntN(3) + 1), Identity: memberID(1), Node: nodeID(1), Role: roleID(g.IntN(someRoles) + 1),
		From: decide.Beginning, To: decide.Forever,
	}
	if g.IntN(3) > 0 {
		a.Node = nodeID(g.IntN(g.nodes) + 1)
	} else {
		a.Identity = memberID(g.IntN(g.members) + 1)
	}
	if g.IntN(3) == 0 {
		a.From = decide.Instant(g.IntN(4)) - 2
		a.To = a.From + 2
	}
	return a
}

// change mostly adds an assignment, if grow, or else mostly drops one.
func (g *editGenerator) change(grow bool) decide.Change {
	switch x := g.IntN(40); {
	case x == 0:
		n := g.IntN(g.nodes-1) + 2
		node := decide.Node{ID: nodeID(n), Parent: nodeID(g.IntN(n-1) + 1), Active: g.IntN(6) > 0}
		return decide.PutNode{Node: node}
	case x == 1:
		return decide.PutRole{Role: g.role(g.IntN(someRoles) + 1)}
	case x == 2 && g.IntN(4) == 0:
		return decide.DropNode{ID: nodeID(g.nodes - g.IntN(20))}
	case x == 3 && g.IntN(20) == 0:
		return decide.DropRole{ID: roleID(someRoles)}
	case grow == (x%8 > 0):
		return decide.PutAssignment{Assignment: g.assignment()}
	}
	for _, a := range g.w.Assignments { // any of them
		return decide.DropAssignment{ID: a.ID, Identity: a.Identity, Node: a.Node}
	}
	return decide.PutAssignment{Assignment: g.assignment()}
}

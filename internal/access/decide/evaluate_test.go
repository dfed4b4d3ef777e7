package decide_test

import (
	"slices"
	"testing"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/foundation/id"
)

// The product does not allow a chain of a thousand nodes, but the engine must not
// depend on that.
func TestLineagesMayBeDeeperThanTheProductAllows(t *testing.T) {
	t.Parallel()
	w := oracle.New()
	w.Permissions["key.1"] = true
	w.Roles[roleID(1)] = decide.Role{ID: roleID(1), Name: "role", Active: true, Permissions: []string{"key.1"}}
	w.Members[memberID(1)] = decide.Member{Identity: memberID(1), IdentityActive: true, MembershipActive: true}
	for n := range 1000 {
		w.Nodes[nodeID(n+1)] = decide.Node{ID: nodeID(n + 1), Parent: nodeID(n), Active: true}
	}
	a := decide.Assignment{
		ID: assignmentID(1), Identity: memberID(1), Node: nodeID(2), Role: roleID(1),
		From: decide.Beginning, To: decide.Forever,
	}
	w.Assignments[oracle.Key{ID: a.ID, Identity: a.Identity, Node: a.Node}] = a
	s := build(t, w, 1)
	for _, n := range []int{1, 2, 3, 16, 17, 18, 19, 999, 1000} {
		q := decide.Question{Identity: memberID(1), Permission: "key.1", Node: nodeID(n)}
		if got := s.Evaluate(q, 0, nil).Allowed; got != (n >= 2) {
			t.Errorf("allowed at depth %d: %v", n, got)
		}
	}
	if got := len(slices.Collect(s.Reachable(memberID(1), "key.1", 0))); got != 999 {
		t.Errorf("%d nodes are reached, want 999", got)
	}
	put := decide.PutNode{Node: decide.Node{ID: nodeID(1), Active: false}}
	off, _ := s.Apply(decide.Edit{Changes: []decide.Change{put}})
	q := decide.Question{Identity: memberID(1), Permission: "key.1", Node: nodeID(1000)}
	if got := off.Evaluate(q, 0, nil).Reason; got != decide.NodeInactive {
		t.Errorf("below a root that is switched off: %v", got)
	}
}

//nolint:paralleltest // it counts the allocations of the whole process
func TestEvaluateAllocatesNothing(t *testing.T) {
	g := newEditGenerator(4, 300, 40)
	for range 1200 {
		g.w.Apply(decide.Edit{Changes: []decide.Change{g.change(true)}})
	}
	s := build(t, g.w, 1)
	names := make([]string, 0, 8)
	for _, m := range []id.ID{memberID(1), memberID(2), memberID(1000)} {
		for _, scope := range []decide.Scope{decide.AtNode, decide.AppWide} {
			q := decide.Question{Identity: m, Permission: keyName(1), Scope: scope, Node: nodeID(290)}
			if n := testing.AllocsPerRun(100, func() { s.Evaluate(q, 0, names) }); n > 0 {
				t.Errorf("%+v allocates %v times", q, n)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { s.Explain(memberID(1), keyName(1), nodeID(290), 0) }); n > 20 {
		t.Errorf("Explain allocates %v times, at most 20 are wanted", n)
	}
}

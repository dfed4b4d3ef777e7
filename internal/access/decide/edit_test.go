package decide_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/foundation/id"
)

// A scribe writes edits, as random as its seed, of a world of so many nodes and
// members, whose first member and first node get most of the assignments.
type scribe struct {
	*rand.Rand
	nodes, members int
	w              *oracle.World
}

func newScribe(seed uint64, nodes, members int) *scribe {
	sc := &scribe{rand.New(rand.NewPCG(seed, 0)), nodes, members, oracle.New()}
	for n := range someKeys {
		sc.w.Permissions[keyName(n+1)] = true
	}
	var e decide.Edit
	for n := range nodes {
		e.Changes = append(e.Changes, decide.PutNode{Node: decide.Node{ID: nodeID(n + 1), Parent: nodeID((n + 3) / 4), Active: true}})
	}
	for n := range members {
		e.Changes = append(e.Changes, decide.PutMember{Member: decide.Member{Identity: memberID(n + 1), IdentityActive: true, MembershipActive: true}})
	}
	for n := range someRoles {
		e.Changes = append(e.Changes, decide.PutRole{Role: sc.role(n + 1)})
	}
	if p := sc.w.Apply(e); p > 0 {
		panic(fmt.Sprint(p, " problems in the first rows"))
	}
	return sc
}

func (sc *scribe) role(n int) decide.Role {
	return decide.Role{
		ID: roleID(n), Name: fmt.Sprint("role ", n), Active: sc.IntN(8) > 0,
		Permissions: []string{keyName(n), keyName(sc.IntN(someKeys) + 1)},
	}
}

func (sc *scribe) assignment() decide.Assignment {
	a := decide.Assignment{
		ID: assignmentID(sc.IntN(3) + 1), Identity: memberID(1), Node: nodeID(1), Role: roleID(sc.IntN(someRoles) + 1),
		From: decide.Beginning, To: decide.Forever,
	}
	if sc.IntN(3) > 0 {
		a.Node = nodeID(sc.IntN(sc.nodes) + 1)
	} else {
		a.Identity = memberID(sc.IntN(sc.members) + 1)
	}
	if sc.IntN(3) == 0 {
		a.From = decide.Instant(sc.IntN(4)) - 2
		a.To = a.From + 2
	}
	return a
}

// change is mostly one of an assignment: added when grow, else taken away.
func (sc *scribe) change(grow bool) decide.Change {
	switch x := sc.IntN(40); {
	case x == 0:
		n := sc.IntN(sc.nodes-1) + 2
		return decide.PutNode{Node: decide.Node{ID: nodeID(n), Parent: nodeID(sc.IntN(n-1) + 1), Active: sc.IntN(6) > 0}}
	case x == 1:
		return decide.PutRole{Role: sc.role(sc.IntN(someRoles) + 1)}
	case x == 2 && sc.IntN(4) == 0:
		return decide.DropNode{ID: nodeID(sc.nodes - sc.IntN(20))}
	case x == 3 && sc.IntN(20) == 0:
		return decide.DropRole{ID: roleID(someRoles)}
	case grow == (x%8 > 0):
		return decide.PutAssignment{Assignment: sc.assignment()}
	}
	for _, a := range sc.w.Assignments { // any
		return decide.DropAssignment{ID: a.ID, Identity: a.Identity, Node: a.Node}
	}
	return decide.PutAssignment{Assignment: sc.assignment()}
}

// TestMembersGrowHeavyAndSlimAgain leads one member and one node over every
// limit at which their lists change shape, and back.
func TestMembersGrowHeavyAndSlimAgain(t *testing.T) {
	sc := newScribe(1, 300, 40)
	s := build(t, sc.w, 0)
	type past struct {
		s    *decide.Snapshot
		text string
	}
	var history []past
	most := 0
	for revision := range uint64(1500) {
		e := decide.Edit{Revision: revision + 1}
		for range 1 + sc.IntN(3) {
			c := sc.change(revision/500 != 1)
			e.Changes = append(e.Changes, c)
			sc.w.Apply(decide.Edit{Changes: []decide.Change{c}})
		}
		s, _ = s.Apply(e)
		most = max(most, s.Counts().Assignments)
		if revision%75 == 0 {
			text := dump(t, s)
			if diff := cmp.Diff(dump(t, build(t, sc.w, e.Revision)), text); diff != "" {
				t.Fatalf("revision %d: afresh (-), edited (+):\n%s", e.Revision, diff)
			}
			history = append(history, past{s, text})
		}
		for range 5 {
			q := decide.Question{
				Identity: memberID(1 + sc.IntN(2)), Permission: keyName(1 + sc.IntN(someKeys)),
				Node: nodeID(1 + sc.IntN(sc.nodes)), Scope: decide.Scope(sc.IntN(2)),
			}
			now := decide.Instant(sc.IntN(6) - 3)
			same(t, q, sc.w.Evaluate(q, now), s.Evaluate(q, now, nil))
		}
	}
	if most < 250 {
		t.Fatalf("at most %d assignments: the lists were never long", most)
	}
	now := decide.Instant(0)
	for _, key := range []string{keyName(1), keyName(2)} {
		roots, nodes := sc.w.Accessible(memberID(1), key, now)
		page := s.AccessibleNodes(decide.ReachQuery{Identity: memberID(1), Permission: key, Limit: sc.nodes}, now)
		same(t, "roots", roots, page.Roots)
		same(t, "nodes", nodes, page.Nodes)
		same(t, "who", sc.w.WhoCan(nodeID(1), key, now), s.WhoCan(decide.WhoQuery{Node: nodeID(1), Permission: key, Limit: 1000}, now).Holders)
	}
	want, _ := sc.w.Grants(memberID(1), now)
	got, _ := s.Grants(memberID(1), now)
	same(t, "grants", want, got)
	for i, p := range history {
		if p.text != decide.Dump(p.s) {
			t.Fatalf("snapshot %d was changed by later edits", i)
		}
	}
}

// TestReadersSeeWholeSnapshotsWhileEditsStreamIn is for the race detector: what
// a reader gets must be the answer of the revision it holds.
func TestReadersSeeWholeSnapshotsWhileEditsStreamIn(t *testing.T) {
	const revisions = 300
	sc := newScribe(2, 60, 10)
	first := build(t, sc.w, 0)
	var edits []decide.Edit
	var questions []decide.Question
	for range 40 {
		questions = append(questions, decide.Question{
			Identity: memberID(1 + sc.IntN(3)), Permission: keyName(1 + sc.IntN(someKeys)), Node: nodeID(1 + sc.IntN(60)),
		})
	}
	answers := make([][]bool, revisions+1)
	note := func(revision int) {
		for _, q := range questions {
			answers[revision] = append(answers[revision], sc.w.Evaluate(q, 0).Allowed)
		}
	}
	note(0)
	for r := range revisions {
		e := decide.Edit{Revision: uint64(r + 1), Changes: []decide.Change{sc.change(true), sc.change(false)}}
		sc.w.Apply(e)
		edits = append(edits, e)
		note(r + 1)
	}

	var latest atomic.Pointer[decide.Snapshot]
	latest.Store(first)
	var readers sync.WaitGroup
	var stop atomic.Bool
	for reader := range 4 {
		readers.Go(func() {
			old := latest.Load()
			for i := reader; !stop.Load(); i++ {
				if i%50 == 0 {
					old = latest.Load()
				}
				for _, s := range []*decide.Snapshot{old, latest.Load()} {
					q := i % len(questions)
					want := answers[s.Revision()][q]
					if got := s.Evaluate(questions[q], 0, nil).Allowed; got != want {
						t.Errorf("revision %d: %+v: %v, want %v", s.Revision(), questions[q], got, want)
						return
					}
					s.WhoCan(decide.WhoQuery{Node: questions[q].Node, Permission: questions[q].Permission, Limit: 5}, 0)
					s.AccessibleNodes(decide.ReachQuery{Identity: questions[q].Identity, Permission: questions[q].Permission, Limit: 5}, 0)
					s.Impact(decide.ImpactQuery{Edit: edits[i%len(edits)], Limit: 3}, 0)
				}
			}
		})
	}
	for _, e := range edits {
		next, _ := latest.Load().Apply(e)
		latest.Store(next)
	}
	stop.Store(true)
	readers.Wait()
	if diff := cmp.Diff(dump(t, build(t, sc.w, revisions)), dump(t, latest.Load())); diff != "" {
		t.Fatalf("afresh (-), edited (+):\n%s", diff)
	}
}

// TestEditsOfOneSnapshotDoNotMeet applies many edits to the same snapshot at
// the same time.
func TestEditsOfOneSnapshotDoNotMeet(t *testing.T) {
	sc := newScribe(3, 60, 10)
	for range 200 {
		sc.w.Apply(decide.Edit{Changes: []decide.Change{sc.change(true)}})
	}
	base := build(t, sc.w, 0)
	before := dump(t, base)
	var all sync.WaitGroup
	for range 8 {
		e := decide.Edit{Revision: 1}
		for range 5 {
			e.Changes = append(e.Changes, sc.change(false), sc.change(true))
		}
		w := sc.w.Clone()
		w.Apply(e)
		want := dump(t, build(t, w, 1))
		all.Go(func() {
			next, _ := base.Apply(e)
			if diff := cmp.Diff(want, decide.Dump(next)); diff != "" {
				t.Errorf("afresh (-), edited (+):\n%s", diff)
			}
		})
	}
	all.Wait()
	if before != decide.Dump(base) {
		t.Error("the snapshot was changed by edits of it")
	}
}

// A chain of thousand nodes is no world of the product, and no reason to fail.
func TestLineagesMayBeDeeperThanTheProductAllows(t *testing.T) {
	w := oracle.New()
	w.Permissions["key.1"] = true
	w.Roles[roleID(1)] = decide.Role{ID: roleID(1), Name: "role", Active: true, Permissions: []string{"key.1"}}
	w.Members[memberID(1)] = decide.Member{Identity: memberID(1), IdentityActive: true, MembershipActive: true}
	for n := range 1000 {
		w.Nodes[nodeID(n+1)] = decide.Node{ID: nodeID(n + 1), Parent: nodeID(n), Active: true}
	}
	a := decide.Assignment{ID: assignmentID(1), Identity: memberID(1), Node: nodeID(2), Role: roleID(1), From: decide.Beginning, To: decide.Forever}
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
	off, _ := s.Apply(decide.Edit{Changes: []decide.Change{decide.PutNode{Node: decide.Node{ID: nodeID(1), Active: false}}}})
	q := decide.Question{Identity: memberID(1), Permission: "key.1", Node: nodeID(1000)}
	if got := off.Evaluate(q, 0, nil).Reason; got != decide.NodeInactive {
		t.Errorf("below a root that is switched off: %v", got)
	}
}

func TestEvaluateAllocatesNothing(t *testing.T) {
	sc := newScribe(4, 300, 40)
	for range 1200 {
		sc.w.Apply(decide.Edit{Changes: []decide.Change{sc.change(true)}})
	}
	s := build(t, sc.w, 1)
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

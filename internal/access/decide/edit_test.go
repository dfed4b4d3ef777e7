package decide_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/decide"
)

// The first member gets more assignments than fit into its summary, then more than
// fit into its list, and loses them again.
func TestAssignmentsSpillAndComeBack(t *testing.T) {
	t.Parallel()
	g := newEditGenerator(1, 300, 40)
	s := build(t, g.w, 0)
	type version struct {
		s    *decide.Snapshot
		text string
	}
	var versions []version
	most := 0
	for revision := range uint64(1500) {
		e := decide.Edit{Revision: revision + 1}
		for range 1 + g.IntN(3) {
			c := g.change(revision/500 != 1)
			e.Changes = append(e.Changes, c)
			g.w.Apply(decide.Edit{Changes: []decide.Change{c}})
		}
		s, _ = s.Apply(e)
		most = max(most, s.Counts().Assignments)
		if revision%75 == 0 {
			text := dump(t, s)
			if diff := cmp.Diff(dump(t, build(t, g.w, e.Revision)), text); diff != "" {
				t.Fatalf("revision %d: built (-), edited (+):\n%s", e.Revision, diff)
			}
			versions = append(versions, version{s, text})
		}
		for range 5 {
			q := decide.Question{
				Identity: memberID(1 + g.IntN(2)), Permission: keyName(1 + g.IntN(someKeys)),
				Node: nodeID(1 + g.IntN(g.nodes)), Scope: decide.Scope(g.IntN(2)),
			}
			now := decide.Instant(g.IntN(6) - 3)
			same(t, q, g.w.Evaluate(q, now), s.Evaluate(q, now, nil))
		}
	}
	if most < 250 {
		t.Fatalf("there were at most %d assignments, which is not enough to spill", most)
	}
	now := decide.Instant(0)
	for _, key := range []string{keyName(1), keyName(2)} {
		roots, nodes := g.w.Accessible(memberID(1), key, now)
		page := s.AccessibleNodes(decide.ReachQuery{Identity: memberID(1), Permission: key, Limit: g.nodes}, now)
		same(t, "roots", roots, page.Roots)
		same(t, "nodes", nodes, page.Nodes)
		who := s.WhoCan(decide.WhoQuery{Node: nodeID(1), Permission: key, Limit: 1000}, now)
		same(t, "who", g.w.WhoCan(nodeID(1), key, now), who.Holders)
	}
	want, _ := g.w.Grants(memberID(1), now)
	got, _ := s.Grants(memberID(1), now)
	same(t, "grants", want, got)
	for i, v := range versions {
		if v.text != decide.Dump(v.s) {
			t.Fatalf("snapshot %d was changed by later edits", i)
		}
	}
}

// For the race detector: a reader must get the answers of the revision it has,
// while edits make new ones.
func TestReadersSeeTheirRevision(t *testing.T) {
	t.Parallel()
	const revisions = 300
	g := newEditGenerator(2, 60, 10)
	first := build(t, g.w, 0)
	var edits []decide.Edit
	var questions []decide.Question
	for range 40 {
		questions = append(questions, decide.Question{
			Identity: memberID(1 + g.IntN(3)), Permission: keyName(1 + g.IntN(someKeys)),
			Node: nodeID(1 + g.IntN(60)),
		})
	}
	answers := make([][]bool, revisions+1)
	answer := func(revision int) {
		for _, q := range questions {
			answers[revision] = append(answers[revision], g.w.Evaluate(q, 0).Allowed)
		}
	}
	answer(0)
	for r := range revisions {
		e := decide.Edit{Revision: uint64(r + 1), Changes: []decide.Change{g.change(true), g.change(false)}}
		g.w.Apply(e)
		edits = append(edits, e)
		answer(r + 1)
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
					q, want := questions[i%len(questions)], answers[s.Revision()][i%len(questions)]
					if got := s.Evaluate(q, 0, nil).Allowed; got != want {
						t.Errorf("revision %d: %+v: %v, want %v", s.Revision(), q, got, want)
						return
					}
					s.WhoCan(decide.WhoQuery{Node: q.Node, Permission: q.Permission, Limit: 5}, 0)
					s.AccessibleNodes(decide.ReachQuery{Identity: q.Identity, Permission: q.Permission, Limit: 5}, 0)
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
	if diff := cmp.Diff(dump(t, build(t, g.w, revisions)), dump(t, latest.Load())); diff != "" {
		t.Fatalf("built (-), edited (+):\n%s", diff)
	}
}

// For the race detector: many edits of the same snapshot at the same time.
func TestEditsOfOneSnapshotDoNotAffectEachOther(t *testing.T) {
	t.Parallel()
	g := newEditGenerator(3, 60, 10)
	for range 200 {
		g.w.Apply(decide.Edit{Changes: []decide.Change{g.change(true)}})
	}
	base := build(t, g.w, 0)
	before := dump(t, base)
	var all sync.WaitGroup
	for range 8 {
		e := decide.Edit{Revision: 1}
		for range 5 {
			e.Changes = append(e.Changes, g.change(false), g.change(true))
		}
		w := g.w.Clone()
		w.Apply(e)
		want := dump(t, build(t, w, 1))
		all.Go(func() {
			next, _ := base.Apply(e)
			if diff := cmp.Diff(want, decide.Dump(next)); diff != "" {
				t.Errorf("built (-), edited (+):\n%s", diff)
			}
		})
	}
	all.Wait()
	if before != decide.Dump(base) {
		t.Error("the edits changed the snapshot itself")
	}
}

package decidebench

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"canopy.dev/canopy/internal/access/decide"
)

// bench measures one operation after another on one snapshot.
type bench struct {
	*world
	snapshot *decide.Snapshot
	logf     func(format string, args ...any)
	results  []Result
}

// questionsLen is how many questions are asked in turn. In a large world, what is
// needed to answer them all does not fit into the caches of a core.
const questionsLen = 1 << 16

// all measures one operation after the other, until ctx ends.
func (b *bench) all(ctx context.Context) {
	for _, run := range []func(){
		b.evaluate, b.evaluateCold, b.evaluateAppWide, b.evaluateLarge, b.naive, b.bulk, b.explain,
		b.accessibleNodes, b.whoCan, b.impactMove, b.editAssignment, b.editMove, b.evaluateDuringEdits,
	} {
		if ctx.Err() == nil {
			run()
		}
	}
}

func (b *bench) measure(name string, cores int, f operation) {
	b.logf("measuring %s on %d", name, cores)
	b.results = append(b.results, measure(name, cores, b.Duration, f))
}

// ask makes questions of the snapshot.
func (b *bench) ask(scope decide.Scope) asked {
	return asked{b.snapshot, b.questions(questionsLen, scope), now}
}

func (b *bench) evaluate() {
	a := b.ask(decide.AtNode)
	for _, n := range cores() {
		b.measure(evaluateName, n, a.evaluate(n))
	}
}

// evaluateCold asks while the caches hold something else. Only its latency is
// measured: flushing the caches takes much longer than the question.
func (b *bench) evaluateCold() {
	b.logf("measuring evaluate_cold on 1")
	ask := b.ask(decide.AtNode).evaluate(1)
	flood := make([]uint64, 64<<20/8)
	cost := clockCost()
	var h histogram
	begin := time.Now()
	for i := 0; i < 10 || time.Since(begin) < b.Duration; i++ {
		for j := 0; j < len(flood); j += 8 {
			flood[j]++
		}
		t := time.Now()
		ask(0, i)
		h.add(time.Since(t) - cost)
	}
	p50 := h.quantile(0.5)
	b.results = append(b.results, Result{
		Name: "evaluate_cold", Cores: 1, P50: p50, P99: h.quantile(0.99), P999: h.quantile(0.999), OpsPerS: 1e9 / p50,
	})
}

func (b *bench) evaluateAppWide() {
	b.measure("evaluate_app_wide", 1, b.ask(decide.AppWide).evaluate(1))
}

// evaluateLarge gives one identity 10,000 assignments and one node 100,000, and
// asks about them.
func (b *bench) evaluateLarge() {
	b.logf("adding 10,000 assignments to an identity and 100,000 to a node")
	var e decide.Edit
	put := func(i, identity, node int) {
		e.Changes = append(e.Changes, decide.PutAssignment{Assignment: decide.Assignment{
			ID:       idOf(assignmentKind, 1<<40+i),
			Identity: memberID(int32(identity % b.Identities)),
			Node:     nodeID(int32(node % b.Nodes)),
			Role:     roleID(int32(i % b.Roles)),
			From:     decide.Beginning,
			To:       decide.Forever,
		}})
	}
	const identity = 0
	node := int(b.level[len(b.level)-1][0])
	for i := range 10_000 {
		put(i, identity, i*7)
	}
	largeIdentity, _ := b.snapshot.Apply(e)
	e = decide.Edit{}
	for i := range 100_000 {
		put(10_000+i, i, node)
	}
	largeNode, _ := b.snapshot.Apply(e)
	questions := b.questions(questionsLen, decide.AtNode)
	for i := range questions {
		questions[i].Identity = memberID(identity)
	}
	b.measure("evaluate_identity_10000", 1, asked{largeIdentity, questions, now}.evaluate(1))
	for i := range questions {
		questions[i].Identity, questions[i].Node = memberID(int32(i%b.Identities)), nodeID(int32(node))
	}
	b.measure("evaluate_node_100000", 1, asked{largeNode, questions, now}.evaluate(1))
	for i := range questions {
		questions[i].Identity, questions[i].Scope = memberID(identity), decide.AppWide
	}
	b.measure("evaluate_identity_10000_app_wide", 1, asked{largeIdentity, questions, now}.evaluate(1))
}

func (b *bench) naive() {
	b.logf("building the maps of the naive engine")
	n := newNaive()
	b.writeTo(n, func(int, int) {})
	a := b.ask(decide.AtNode)
	if err := a.agree(n); err != nil {
		panic(err)
	}
	for _, cores := range cores() {
		b.measure(naiveName, cores, a.naive(n, cores))
	}
}

func (b *bench) bulk() {
	questions := b.questions(questionsLen, decide.AtNode)
	dst := make([]decide.Decision, 0, 1000)
	b.measure("bulk_1000", 1, func(_, i int) {
		from := i * 1000 % (len(questions) - 1000)
		b.snapshot.Bulk(questions[from:from+1000], now, dst[:0])
	})
}

func (b *bench) explain() { b.measure(explainName, 1, b.ask(decide.AtNode).explain) }

func (b *bench) accessibleNodes() {
	a := b.ask(decide.AppWide)
	a.questions = slices.DeleteFunc(a.questions, func(q decide.Question) bool {
		return !b.snapshot.Evaluate(q, now, nil).Allowed
	})
	b.measure(accessibleName, 1, a.accessibleNodes)
}

func (b *bench) whoCan() { b.measure(whoName, 1, b.ask(decide.AtNode).whoCan) }

// impactMove previews the move of a subtree of about 1,000 nodes, after giving
// 2,500 identities a role at its parent and 2,500 at the node it moves to.
func (b *bench) impactMove() {
	node, size := Subtree(b.parent, 1000)
	from, to := b.parent[node], Elsewhere(b.parent, node)
	b.logf("previewing the move of %d nodes", size)
	var e decide.Edit
	for i := range 5000 {
		at := from
		if i%2 == 1 {
			at = to
		}
		e.Changes = append(e.Changes, decide.PutAssignment{Assignment: decide.Assignment{
			ID: idOf(assignmentKind, 1<<41+i), Identity: memberID(int32(i % b.Identities)), Node: nodeID(at),
			Role: roleID(int32(i % b.Roles)), From: decide.Beginning, To: decide.Forever,
		}})
	}
	s, _ := b.snapshot.Apply(e)
	q := decide.ImpactQuery{Edit: move(node, to), Limit: 100}
	if len(s.Impact(q, now).Impacts) == 0 {
		panic("decidebench: the move has no impact")
	}
	b.measure("impact_move", 1, func(int, int) { s.Impact(q, now) })
}

func move(node, to int32) decide.Edit {
	put := decide.PutNode{Node: decide.Node{ID: nodeID(node), Parent: nodeID(to), Active: true}}
	return decide.Edit{Changes: []decide.Change{put}}
}

// assignmentEdits returns 2*n edits: each of n assignments is added, then
// dropped.
func (b *bench) assignmentEdits(n int) []decide.Edit {
	edits := make([]decide.Edit, 0, 2*n)
	for i := range n {
		a := decide.Assignment{
			ID: idOf(assignmentKind, 1<<42+i), Identity: memberID(b.rng.Int32N(int32(b.Identities))),
			Node: nodeID(b.rng.Int32N(int32(b.Nodes))), Role: roleID(b.rng.Int32N(int32(b.Roles))),
			From: decide.Beginning, To: decide.Forever,
		}
		edits = append(edits,
			decide.Edit{Changes: []decide.Change{decide.PutAssignment{Assignment: a}}},
			decide.Edit{Changes: []decide.Change{decide.DropAssignment{ID: a.ID, Identity: a.Identity, Node: a.Node}}})
	}
	return edits
}

func (b *bench) editAssignment() {
	edits, s := b.assignmentEdits(1<<14), b.snapshot
	b.measure("edit_assignment", 1, func(_, i int) { s, _ = s.Apply(edits[i%len(edits)]) })
}

func (b *bench) editMove() {
	node, size := Subtree(b.parent, 10_000)
	b.logf("moving %d nodes back and forth", size)
	there, back := move(node, Elsewhere(b.parent, node)), move(node, b.parent[node])
	s := b.snapshot
	b.measure("edit_move_10000", 1, func(_, i int) {
		if i%2 == 0 {
			s, _ = s.Apply(there)
		} else {
			s, _ = s.Apply(back)
		}
	})
}

// evaluateDuringEdits asks on one core while 10,000 edits a second make new
// snapshots. Every question goes to the latest snapshot.
func (b *bench) evaluateDuringEdits() {
	const perMillisecond = 10
	edits := b.assignmentEdits(1 << 14)
	questions := b.questions(questionsLen, decide.AtNode)
	var latest atomic.Pointer[decide.Snapshot]
	latest.Store(b.snapshot)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	done := 0
	begin := time.Now()
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			// A tick may come late, and then there is more to do.
			for due := int(time.Since(begin).Milliseconds()) * perMillisecond; done < due; done++ {
				s, _ := latest.Load().Apply(edits[done%len(edits)])
				latest.Store(s)
			}
		}
	})
	names := make([]string, 8)
	b.measure("evaluate_during_edits", 1, func(_, i int) {
		latest.Load().Evaluate(questions[i%len(questions)], now, names)
	})
	close(stop)
	wg.Wait()
	b.logf("%d edits in %v", done, time.Since(begin).Round(time.Millisecond))
}

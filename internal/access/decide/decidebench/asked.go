package decidebench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"canopy.dev/canopy/internal/access/decide"
)

// What is measured of every environment, wherever it was made.
const (
	evaluateName   = "evaluate"
	naiveName      = "naive_evaluate"
	explainName    = "explain"
	accessibleName = "accessible_nodes"
	whoName        = "who_can"
)

// The first pages are as long as those of the API.
const (
	pageOfNodes  = 100
	pageOfPeople = 50
)

// asked are questions, and the snapshot that they are asked of in turn, as of one instant.
type asked struct {
	snapshot  *decide.Snapshot
	questions []decide.Question
	now       decide.Instant
}

func (a asked) at(i int) decide.Question { return a.questions[i%len(a.questions)] }

// evaluate asks for decisions. Each worker begins with a different question.
func (a asked) evaluate(workers int) operation {
	// Only names[worker][8] is used, so that workers share no cache line.
	names := make([][16][8]string, workers)
	return func(worker, i int) {
		a.snapshot.Evaluate(a.at(i+worker*len(a.questions)/workers), a.now, names[worker][8][:])
	}
}

// naive asks for the same decisions of what the engine is compared with.
func (a asked) naive(n *naive, workers int) operation {
	return func(worker, i int) {
		n.evaluate(a.at(i+worker*len(a.questions)/workers), a.now)
	}
}

// agree tells where the two differ. Only equal answers can be compared by their cost.
func (a asked) agree(n *naive) error {
	for _, q := range a.questions {
		got, want := a.snapshot.Evaluate(q, a.now, nil), n.evaluate(q, a.now)
		if got.Allowed != want.Allowed || got.Reason != want.Reason {
			return fmt.Errorf("decidebench: %+v: engine %+v, naive %+v", q, got, want)
		}
	}
	return nil
}

func (a asked) explain(_, i int) {
	q := a.at(i)
	a.snapshot.Explain(q.Identity, q.Permission, q.Node, a.now)
}

func (a asked) accessibleNodes(_, i int) {
	q := a.at(i)
	a.snapshot.AccessibleNodes(
		decide.ReachQuery{Identity: q.Identity, Permission: q.Permission, Limit: pageOfNodes}, a.now)
}

func (a asked) whoCan(_, i int) {
	q := a.at(i)
	a.snapshot.WhoCan(decide.WhoQuery{Node: q.Node, Permission: q.Permission, Limit: pageOfPeople}, a.now)
}

// cores returns the numbers of cores to measure on: one, and all if there are
// more.
func cores() []int {
	if n := runtime.GOMAXPROCS(0); n > 1 {
		return []int{1, n}
	}
	return []int{1}
}

// Sample is an environment that was made elsewhere, and what to ask about it.
type Sample struct {
	Rows      func(decide.Rows) error // hands all its rows over, each time it is called
	Questions []decide.Question       // about nodes
	Now       decide.Instant
	Duration  time.Duration // how long to measure throughput, and then latency
}

// Measure measures what the engine answers about the sample in this process, and beside it
// the naive evaluation of the same rows. It fails where the two do not agree, or the rows
// contradict each other.
func (s Sample) Measure(ctx context.Context) ([]Result, error) {
	var builder decide.Builder
	n := newNaive()
	for _, to := range []decide.Rows{&builder, n} {
		if err := s.Rows(to); err != nil {
			return nil, err
		}
	}
	snapshot, problems := builder.Build(1)
	if len(problems) > 0 {
		return nil, fmt.Errorf("decidebench: the rows contradict each other: %+v", problems[0])
	}
	a := asked{snapshot, s.Questions, s.Now}
	if err := a.agree(n); err != nil {
		return nil, err
	}
	var list []Result
	add := func(name string, cores int, f operation) {
		if ctx.Err() == nil {
			list = append(list, measure(name, cores, s.Duration, f))
		}
	}
	for _, cores := range cores() {
		add(evaluateName, cores, a.evaluate(cores))
		add(naiveName, cores, a.naive(n, cores))
	}
	add(explainName, 1, a.explain)
	add(accessibleName, 1, a.accessibleNodes)
	add(whoName, 1, a.whoCan)
	return list, ctx.Err()
}

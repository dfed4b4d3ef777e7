package decidebench

import (
	"testing"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// small returns the default world of "canopy bench decide". With go test -bench,
// it takes only a flag to get a profile.
func small(b *testing.B) (*world, *decide.Snapshot) {
	b.Helper()
	w := generate(Options{
		Nodes: 10_000, Levels: 7, Identities: 10_000, Roles: 50, Permissions: 200, RolePermissions: 20,
		Assignments: 50_000, Windowed: 0.1, Dist: "uniform", Seed: 1,
	})
	var builder decide.Builder
	w.writeTo(&builder, func(int, int) {})
	s, problems := builder.Build(1)
	if len(problems) > 0 {
		b.Fatalf("the generated rows contradict each other: %+v", problems[0])
	}
	b.ReportAllocs()
	b.ResetTimer()
	return w, s
}

func BenchmarkEvaluate(b *testing.B) {
	w, s := small(b)
	evaluate := asked{s, w.questions(1<<14, decide.AtNode), now}.evaluate(1)
	for i := 0; b.Loop(); i++ {
		evaluate(0, i)
	}
}

func BenchmarkExplain(b *testing.B) {
	w, s := small(b)
	a := asked{s, w.questions(1<<14, decide.AtNode), now}
	for i := 0; b.Loop(); i++ {
		a.explain(0, i)
	}
}

func BenchmarkWhoCan(b *testing.B) {
	w, s := small(b)
	a := asked{s, w.questions(1<<10, decide.AtNode), now}
	for i := 0; b.Loop(); i++ {
		a.whoCan(0, i)
	}
}

func BenchmarkApplyAssignment(b *testing.B) {
	w, s := small(b)
	for i := 0; b.Loop(); i++ {
		put := decide.PutAssignment{Assignment: w.assignment(i % w.Assignments)}
		s, _ = s.Apply(decide.Edit{Changes: []decide.Change{put}})
	}
}

func BenchmarkApplyMove(b *testing.B) {
	w, s := small(b)
	node, _ := Subtree(w.parent, 1000)
	moves := [2]decide.Edit{move(node, Elsewhere(w.parent, node)), move(node, w.parent[node])}
	for i := 0; b.Loop(); i++ {
		s, _ = s.Apply(moves[i%2])
	}
}

func BenchmarkBuild(b *testing.B) {
	w, _ := small(b)
	for b.Loop() {
		var builder decide.Builder
		w.writeTo(&builder, func(int, int) {})
		if s, _ := builder.Build(1); s.Counts().Assignments == 0 {
			b.Fatal("nothing was built")
		}
	}
}

// Two things with the same id would make the environment smaller than the report
// says.
func TestGeneratedIDsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[id.ID]bool{}
	for i := range int32(20_000) {
		for _, u := range []id.ID{nodeID(i), memberID(i), roleID(i)} {
			if seen[u] {
				t.Fatalf("id %s was generated twice", u)
			}
			seen[u] = true
		}
	}
}

package decision

import (
	"context"
	"errors"
	"sync"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
	"canopy.dev/canopy/internal/tenant/revision"
)

// errTwoMoments says that something was written between the views of the two halves.
var errTwoMoments = errors.New("decision: the rows are of two moments")

// halves reads the assignments, which are most of the rows, beside all else: in two views of the
// store, which are one where both stand at the same revision of the same write.
func (s *Service) halves(ctx context.Context, in scope.Environment) (*decide.Builder, revision.At, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	to := &shared{}
	read := func(rows func(context.Context, *database.Tx, scope.Environment, decide.Rows) error) (revision.At, error) {
		return environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (revision.At, error) {
			return at, rows(ctx, tx, in, to)
		})
	}
	var beside sync.WaitGroup
	given, failed := revision.At{}, errPanic
	beside.Go(func() {
		task.Try(ctx, s.Log, "assignments", func() {
			if given, failed = read(assignment.Rows); failed != nil {
				cancel()
			}
		})
	})
	at, err := read(placesAndPeople)
	if err != nil {
		cancel()
	}
	beside.Wait()
	switch {
	case failed != nil && (err == nil || errors.Is(err, context.Canceled)):
		return nil, at, failed
	case err != nil:
		return nil, at, err
	case given != at:
		return nil, at, errTwoMoments
	}
	return &to.b, at, nil
}

// shared is a Builder that takes rows from two goroutines.
type shared struct {
	mu sync.Mutex
	b  decide.Builder
}

// Permission implements decide.Rows.
func (s *shared) Permission(key string) { s.mu.Lock(); s.b.Permission(key); s.mu.Unlock() }

// Role implements decide.Rows.
func (s *shared) Role(r decide.Role) { s.mu.Lock(); s.b.Role(r); s.mu.Unlock() }

// Node implements decide.Rows.
func (s *shared) Node(n decide.Node) { s.mu.Lock(); s.b.Node(n); s.mu.Unlock() }

// Member implements decide.Rows.
func (s *shared) Member(m decide.Member) { s.mu.Lock(); s.b.Member(m); s.mu.Unlock() }

// Assignment implements decide.Rows.
func (s *shared) Assignment(a decide.Assignment) { s.mu.Lock(); s.b.Assignment(a); s.mu.Unlock() }

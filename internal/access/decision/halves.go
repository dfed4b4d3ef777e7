package decision

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// errTwoMoments says that something was written between the views of the two halves.
var errTwoMoments = errors.New("decision: the rows are of two moments")

// halves reads the assignments, which are most of the rows, beside all else: in two views of the
// store, which are one where both stand at the same revision of the same write.
//
// On SQLite, where reading takes our own time, who is done with all else helps with them, from
// the other end.
func (s *Service) halves(ctx context.Context, in scope.Environment) (*decide.Builder, revision.At, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	to, meet, ours := &shared{}, &meeting{}, s.DB.Engine == database.SQLite
	read := func(rows func(*database.Tx) error) (revision.At, error) {
		return environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (revision.At, error) {
			return at, rows(tx)
		})
	}
	var beside sync.WaitGroup
	given, failed := revision.At{}, errPanic
	beside.Go(func() {
		task.Try(ctx, s.Log, "assignments", func() {
			given, failed = read(func(tx *database.Tx) error {
				if ours {
					return assignment.Share(ctx, tx, in, false, meet.up, to)
				}
				return assignment.Rows(ctx, tx, in, to)
			})
			if failed != nil {
				cancel()
			}
		})
	})
	at, err := read(func(tx *database.Tx) error {
		err := placesAndPeople(ctx, tx, in, to)
		if err == nil && ours {
			err = assignment.Share(ctx, tx, in, true, meet.down, to)
		}
		return err
	})
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

// meeting lets two readers share sorted nodes: one goes up and one goes down, each has the
// nodes that it comes to, and none has one that the other has come to.
type meeting struct {
	mu        sync.Mutex
	low, high id.ID // where each is; zero before it begins
}

// up reports whether the node is of who goes up.
func (m *meeting) up(node id.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.high.IsZero() && bytes.Compare(node[:], m.high[:]) >= 0 {
		return false
	}
	m.low = node
	return true
}

// down reports whether the node is of who goes down.
func (m *meeting) down(node id.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bytes.Compare(node[:], m.low[:]) <= 0 {
		return false
	}
	m.high = node
	return true
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

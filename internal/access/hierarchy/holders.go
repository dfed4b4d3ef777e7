package hierarchy

import (
	"context"
	"errors"
	"fmt"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Holders counts the identities that hold something at nodes: those who are active members
// and have an assignment there whose window is open. It is what a tree asks of the room that
// knows assignments; it may be used by many at once.
type Holders interface {
	// Ready has what Held needs at hand, for who holds no transaction yet.
	Ready(ctx context.Context, in scope.Environment) error
	// Held is what the transaction sees where the Environment stands, or what was there a
	// little later, as of now; ErrAgain where that takes a Ready first.
	Held(ctx context.Context, tx *database.Tx, in scope.Environment, at revision.At) (Holding, error)
}

// Holding is who holds something at one moment.
type Holding interface {
	// Turned is the last moment, in microseconds since 1970, at which a window began or ended.
	Turned() int64
	// Below are the numbers of those who hold something at each of some nodes, and of all who
	// do above them.
	Below(above, nodes []ID) (direct []int, inherited int)
	// Along are the numbers at each node of a lineage, the root first, and above it.
	Along(lineage []ID) (direct, inherited []int)
	// Walk begins a walk down a tree.
	Walk() HolderWalk
}

// HolderWalk counts along the way of a walk: every node is entered before those below it, and
// left after them.
type HolderWalk interface {
	Enter(of ID) (direct, inherited int)
	Leave()
}

// ErrAgain says that holders can't be counted in this transaction: one that begins after a
// Ready may find them.
var ErrAgain = errors.New("hierarchy: to be read again")

// countings is how often a reading tries to count holders.
const countings = 10

// counting is environment.Read for who counts holders; there are none where nobody counts.
func counting[T any](
	ctx context.Context, s *Service, in scope.Environment,
	fn func(tx *database.Tx, at revision.At, held Holding) (T, error),
) (v T, err error) {
	if s.Holders == nil {
		return environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (T, error) {
			return fn(tx, at, nobody{})
		})
	}
	for range countings {
		if err := s.Holders.Ready(ctx, in); err != nil {
			return v, err
		}
		v, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (v T, err error) {
			held, err := s.Holders.Held(ctx, tx, in, at)
			if err != nil {
				return v, err
			}
			return fn(tx, at, held)
		})
		if !errors.Is(err, ErrAgain) {
			return v, err
		}
	}
	return v, fmt.Errorf("%w: the Environment does not stand still", database.ErrSlow)
}

// nobody holds anything.
type nobody struct{}

func (nobody) Turned() int64                                     { return 0 }
func (nobody) Below(_, nodes []ID) (direct []int, inherited int) { return make([]int, len(nodes)), 0 }
func (nobody) Walk() HolderWalk                                  { return nobody{} }
func (nobody) Enter(ID) (direct, inherited int)                  { return 0, 0 }
func (nobody) Leave()                                            {}

func (nobody) Along(lineage []ID) (direct, inherited []int) {
	return make([]int, len(lineage)), make([]int, len(lineage))
}

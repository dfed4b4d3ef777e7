package hierarchy

import (
	"context"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// FewNames is how large a tree must be to be held in memory.
const FewNames = fewNames

// Holds reports whether the names of a tree can be searched in memory just now.
func (s *Service) Holds(ctx context.Context, in scope.Environment) (bool, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (bool, error) {
		x, free, err := s.names(ctx, tx, in, at)
		if x != nil {
			free()
		}
		return x != nil, err
	})
}

// Downwards are the statements that walk down a tree, which take the Environment, a node and
// a number.
var Downwards = []string{
	countSubtree + ` LIMIT $3`, countSubtreeUpTo, selectSubtreeIDs + ` LIMIT $3`, deleteSubtree, selectDeep,
}

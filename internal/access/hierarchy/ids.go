package hierarchy

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Lineage is a node with everything above it, the root first; nodes.node_not_found.
func Lineage(ctx context.Context, tx *database.Tx, in scope.Environment, of ID) ([]ID, error) {
	nodes, err := lineageOf(ctx, tx, in, of)
	if err == nil && len(nodes) == 0 {
		err = ErrNotFound
	}
	return idsOf(nodes), err
}

// Under are a node and everything below it, in no order; none for a node that is not there.
// It costs a look at each of them.
func Under(ctx context.Context, tx *database.Tx, in scope.Environment, top ID) ([]ID, error) {
	return database.All(ctx, tx, func(row database.Scanner) (of ID, err error) {
		return of, row.Scan(&of)
	}, selectSubtreeIDs, in.ID, top)
}

// DeletedSince are the nodes whose deletion began at a moment or later.
func DeletedSince(ctx context.Context, tx *database.Tx, in scope.Environment, since time.Time) ([]ID, error) {
	return database.All(ctx, tx, func(row database.Scanner) (of ID, err error) {
		return of, row.Scan(&of)
	}, selectDeletedSince, in.ID, since)
}

package hierarchy

import (
	"context"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Rows hands over a whole tree as decisions know it.
func Rows(ctx context.Context, tx *database.Tx, in scope.Environment, to decide.Rows) error {
	return tx.Query(ctx, func(row database.Scanner) error {
		var n decide.Node
		var status Status
		err := row.Scan(&n.ID, &n.Parent, &status)
		n.Active = status == Active
		to.Node(n)
		return err
	}, `SELECT n.id, n.parent_id, n.status`+fromNode, in.ID)
}

// Named is a node as people know it.
type Named struct{ Name, Type string }

// NamesOf reads the names and types of some nodes; those that are gone are left out.
func NamesOf(ctx context.Context, tx *database.Tx, in scope.Environment, ids []id.ID) (map[id.ID]Named, error) {
	found := make(map[id.ID]Named, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	q := list{args: []any{in.ID}}
	of := make([]ID, len(ids))
	for i := range ids {
		of[i] = ID(ids[i])
	}
	return found, tx.Query(ctx, func(row database.Scanner) error {
		var at id.ID
		var n Named
		err := row.Scan(&at, &n.Name, &n.Type)
		found[at] = n
		return err
	}, `SELECT n.id, n.name, n.node_type FROM node n WHERE`+ofEnvironment+notDeleted+` AND n.id IN (`+q.ids(of)+`)`,
		q.args...)
}

package assignment

import (
	"context"
	"errors"
	"fmt"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// The ids are one column: of half a million rows each column costs a tenth of a second.
const selectWorld = `SELECT a.id || a.identity_id || a.node_id || a.role_id, a.effective_from, a.effective_to
	FROM assignment a WHERE a.environment_id = $1`

const (
	selectUpwards   = selectWorld + ` ORDER BY a.node_id`
	selectDownwards = selectWorld + ` ORDER BY a.node_id DESC`
)

// Rows hands over all assignments as decisions know them, whatever their state.
func Rows(ctx context.Context, tx *database.Tx, in scope.Environment, to decide.Rows) error {
	return each(ctx, tx, in, selectWorld, func(a decide.Assignment) error {
		to.Assignment(a)
		return nil
	})
}

// Share hands over a share of the assignments: those of one node after the other, as long as
// mine says so of each. It takes the nodes by id, downwards from the last one.
func Share(
	ctx context.Context, tx *database.Tx, in scope.Environment, down bool, mine func(node id.ID) bool, to decide.Rows,
) error {
	query := selectUpwards
	if down {
		query = selectDownwards
	}
	var at id.ID
	err := each(ctx, tx, in, query, func(a decide.Assignment) error {
		if a.Node != at && !mine(a.Node) {
			return errNotMine
		}
		at = a.Node
		to.Assignment(a)
		return nil
	})
	if errors.Is(err, errNotMine) {
		return nil
	}
	return err
}

var errNotMine = errors.New("assignment: the rest is another's share")

func each(
	ctx context.Context, tx *database.Tx, in scope.Environment, query string, fn func(decide.Assignment) error,
) error {
	var ids database.Borrowed
	var from, until any // of int64: what a driver gives needs no conversion
	return tx.Query(ctx, func(row database.Scanner) error {
		if err := row.Scan(&ids, &from, &until); err != nil {
			return err
		}
		var a decide.Assignment
		if err := id.Several(ids, &a.ID, &a.Identity, &a.Node, &a.Role); err != nil {
			return fmt.Errorf("an assignment: %w", err)
		}
		begins, ok := from.(int64)
		ends, well := until.(int64)
		if !ok || !well {
			return fmt.Errorf("assignment %s: the ends of a window are stored as %T and %T", a.ID, from, until)
		}
		a.From, a.To = decide.Instant(begins), decide.Instant(ends)
		return fn(a)
	}, query, in.ID)
}

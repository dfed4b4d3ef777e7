package event

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Place is where a reader of an Environment's feed stands: behind a row. The zero Place is
// before all.
type Place struct {
	Revision uint64
	Ordinal  uint32
}

// BehindRevision is the place behind all rows of a revision.
func BehindRevision(revision uint64) Place { return Place{revision, 1<<32 - 1} }

const (
	selectFeed = `SELECT ` + rowColumns + ` FROM audit_event e
		WHERE account_id = $1 AND environment_id = $2 AND revision IS NOT NULL AND (revision, ordinal) > ($3, $4)
		ORDER BY revision, ordinal LIMIT $5`

	selectSwept = `SELECT position FROM audit_swept WHERE scope_id = $1 AND account_id = $2`
)

// InFeed gives rows of an Environment's feed behind a place, in the order of the feed. A writer
// holds the revision until its commit, so no row ever comes before one that can be read.
func InFeed(ctx context.Context, tx *database.Tx, in scope.Environment, behind Place, limit int) ([]Row, error) {
	return database.All(ctx, tx, scanRow, selectFeed, in.Application.Account.ID, in.ID,
		int64(behind.Revision), int64(behind.Ordinal), limit) //nolint:gosec // counted from 1 on
}

// Swept is up to where rows of a feed were removed for their age: of that of an Environment the
// revision, of that of an Account the number. 0 where none was.
func Swept(ctx context.Context, tx *database.Tx, account scope.AccountID, of id.ID) (to uint64, err error) {
	err = tx.QueryRow(ctx, selectSwept, of, account).Scan(&to)
	if errors.Is(err, database.ErrNoRows) {
		return 0, nil
	}
	return to, err
}

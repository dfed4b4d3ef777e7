package delivery

import (
	"context"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/reseal"
)

// 12 bytes are the length of secret.Box.Head.
const (
	selectStale = `SELECT id, secrets FROM webhook WHERE substr(secrets, 1, 12) <> $1 AND id > $2 ORDER BY id LIMIT $3`
	countStale  = `SELECT count(*) FROM webhook WHERE substr(secrets, 1, 12) <> $1`
	//nolint:gosec // a statement, no credential
	putSecrets = `UPDATE webhook SET secrets = $1 WHERE id = $2 AND secrets = $3`
)

// SealedFor is what the secrets of a subscription are sealed for.
func SealedFor(webhook string) string { return "webhook:" + webhook }

// Reseal seals secrets again that name another key than the first of the box, or none.
func Reseal(ctx context.Context, db *database.DB, box *secret.Box) (reseal.Report, error) {
	return reseal.Column{
		Name: "webhook secrets", Next: selectStale, Put: putSecrets, Left: countStale, Context: SealedFor,
	}.Run(ctx, db, box)
}

package outbox

import (
	"context"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/reseal"
)

// Jobs that ended have no payload. 12 bytes are the length of secret.Box.Head.
const (
	selectStale = `SELECT id, payload FROM outbox
		WHERE payload IS NOT NULL AND substr(payload, 1, 12) <> $1 AND id > $2 ORDER BY id LIMIT $3`
	countStale = `SELECT count(*) FROM outbox WHERE payload IS NOT NULL AND substr(payload, 1, 12) <> $1`
	putPayload = `UPDATE outbox SET payload = $1 WHERE id = $2 AND payload = $3`
)

// Reseal seals payloads again that name another key than the first of the box, or none.
// It may run beside workers: a job that ends meanwhile stays wiped.
func Reseal(ctx context.Context, db *database.DB, box *secret.Box) (reseal.Report, error) {
	return reseal.Column{
		Name: "queued work", Next: selectStale, Put: putPayload, Left: countStale, Context: sealedFor,
	}.Run(ctx, db, box)
}

package idempotency

// One row is one call. acted says that a change of it has committed; renewed_at is NULL
// once the call has ended.
const (
	// insertClaim takes over what is forgotten, and what a call left that never acted.
	insertClaim = `INSERT INTO idempotency (key, id, body_hash, acted, answer, renewed_at, created_at)
		VALUES ($1, $2, $3, 0, NULL, $4, $4)
		ON CONFLICT (key) DO UPDATE SET id = excluded.id, body_hash = excluded.body_hash, acted = 0, answer = NULL,
			renewed_at = excluded.renewed_at, created_at = excluded.created_at
		WHERE idempotency.created_at <= $5
			OR idempotency.acted = 0 AND idempotency.answer IS NULL AND idempotency.renewed_at <= $6`

	selectCall = `SELECT id, body_hash, answer, renewed_at IS NOT NULL AND renewed_at > $2
		FROM idempotency WHERE key = $1`

	renewClaim = `UPDATE idempotency SET renewed_at = $3 WHERE key = $1 AND id = $2 AND renewed_at IS NOT NULL`

	markClaim = `UPDATE idempotency SET acted = 1 WHERE key = $1 AND id = $2`

	keepAnswer = `UPDATE idempotency SET answer = $3, renewed_at = NULL WHERE key = $1 AND id = $2`

	// loseAnswer is for one that is not kept and after which no repeat may act.
	loseAnswer = `UPDATE idempotency SET acted = 1, renewed_at = NULL WHERE key = $1 AND id = $2`

	deleteClaim = `DELETE FROM idempotency WHERE key = $1 AND id = $2 AND acted = 0 AND answer IS NULL`

	endClaim = `UPDATE idempotency SET renewed_at = NULL WHERE key = $1 AND id = $2`

	bringBack = `UPDATE idempotency SET
			created_at = CASE WHEN created_at > $2 THEN $2 ELSE created_at END,
			renewed_at = CASE WHEN renewed_at > $2 THEN $2 ELSE renewed_at END
		WHERE key = $1 AND (created_at > $2 OR renewed_at > $2)`

	bringBackAll = `UPDATE idempotency SET created_at = $1 WHERE created_at > $1 AND key IN
		(SELECT key FROM idempotency WHERE created_at > $1 ORDER BY created_at LIMIT $2)`

	deleteOld = `DELETE FROM idempotency WHERE created_at <= $1 AND key IN
		(SELECT key FROM idempotency WHERE created_at <= $1 ORDER BY created_at LIMIT $2)`
)

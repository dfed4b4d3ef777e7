package recovery

const (
	// upsertLive makes the one live link of somebody, in place of the one there was.
	upsertLive = `INSERT INTO password_reset (id, user_id, token_hash, status, created_at, expires_at)
		VALUES ($1, $2, $3, 'live', $4, $5)
		ON CONFLICT (user_id) WHERE status = 'live' DO UPDATE SET id = excluded.id, token_hash = excluded.token_hash,
			created_at = excluded.created_at, expires_at = excluded.expires_at`

	selectReset = `SELECT status, expires_at FROM password_reset WHERE token_hash = $1`

	selectWanted = `SELECT count(*) FROM password_reset
		WHERE user_id = $1 AND token_hash = $2 AND status = 'live' AND expires_at > $3`

	updateUsed = `UPDATE password_reset SET status = 'used'
		WHERE token_hash = $1 AND status = 'live' AND expires_at > $2 RETURNING user_id`

	updateAllUsed = `UPDATE password_reset SET status = 'used' WHERE user_id = $1 AND status = 'live'`

	deleteEnded = `DELETE FROM password_reset WHERE expires_at < $1`
)

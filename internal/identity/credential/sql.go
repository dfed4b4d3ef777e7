package credential

const (
	insertPassword = `INSERT INTO identity_password (id, account_id, identity_id, password_hash, replaced_at)
		VALUES ($1, $2, $3, $4, $5)`

	// The newest stay. The limit is one that nobody reaches; an offset alone is not for both
	// engines.
	trimPasswords = `DELETE FROM identity_password WHERE account_id = $1 AND id IN (SELECT id FROM identity_password
		WHERE identity_id = $2 ORDER BY replaced_at DESC, id DESC LIMIT 1000000 OFFSET $3)`

	selectPasswords = `SELECT password_hash FROM identity_password WHERE account_id = $1 AND identity_id = $2
		ORDER BY replaced_at DESC, id DESC LIMIT $3`

	deletePasswords = `DELETE FROM identity_password WHERE account_id = $1 AND identity_id = $2`

	insertLink = `INSERT INTO identity_link
		(id, account_id, identity_id, purpose, token_hash, status, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, 'live', $6, $7)`

	killLinks = `UPDATE identity_link SET status = 'used'
		WHERE account_id = $1 AND identity_id = $2 AND purpose = $3 AND status = 'live'`

	deleteLinks = `DELETE FROM identity_link WHERE account_id = $1 AND identity_id = $2`

	countWanted = `SELECT count(*) FROM identity_link
		WHERE identity_id = $1 AND token_hash = $2 AND status = 'live' AND expires_at > $3`

	sweepLinks = `DELETE FROM identity_link WHERE id IN (SELECT id FROM identity_link WHERE expires_at < $1 LIMIT 500)`
)

package signup

import "canopy.dev/canopy/internal/platform/database"

const (
	insertRegistration = `INSERT INTO registration (id, email, user_id, account_id, account_name, application_id,
		application_name, application_slug, first_name, last_name, password_hash, token_hash, is_decoy, status,
		created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'pending', $14, $15)`

	returning = ` RETURNING account_id, application_id, user_id, email, first_name, last_name, account_name,
		application_name, application_slug, password_hash`

	// updateUsed spends a link and a sign-up that it establishes, which may be its own.
	updateUsed = `UPDATE registration SET status = 'used'
		WHERE email = $1 AND status = 'pending' AND is_decoy = 0
			AND (token_hash = $2 AND expires_at > $3 OR token_hash <> $2 AND id = $4)` + returning + `, id`

	selectLink = `SELECT id, email, status, expires_at FROM registration WHERE token_hash = $1 AND is_decoy = 0`

	// selectLive is what waits under an address, beginning with one of them.
	selectLive = `SELECT id, password_hash FROM registration
		WHERE email = $1 AND status = 'pending' AND is_decoy = 0 AND created_at > $2
		ORDER BY CASE WHEN id = $3 THEN 0 ELSE 1 END, created_at DESC, id DESC LIMIT $4`

	selectNewest = `SELECT id, is_decoy, created_at FROM registration
		WHERE email = $1 AND status = 'pending' AND created_at > $2 ORDER BY created_at DESC, id DESC LIMIT 1`

	updateLink = `UPDATE registration SET token_hash = $1, expires_at = $2, is_decoy = $4
		WHERE id = $3 AND status = 'pending'` + returning

	// updateNobody and prolongNobody are updateLink and account.ProlongSlug for an address
	// that gets no link.
	updateNobody  = `UPDATE registration_nobody SET token_hash = $1, expires_at = $2`
	prolongNobody = `UPDATE registration_nobody SET reserved_until = $1`

	selectWanted = `SELECT count(*) FROM registration
		WHERE account_id = $1 AND token_hash = $2 AND status = 'pending' AND expires_at > $3`

	selectPendingHash = `SELECT password_hash FROM registration
		WHERE email = $1 AND status = 'pending' AND created_at > $2 ORDER BY created_at DESC, id DESC LIMIT 1`

	deletePending = `DELETE FROM registration WHERE email = $1 AND status = 'pending' RETURNING account_id`

	deleteEnded = `DELETE FROM registration WHERE expires_at <= $1 RETURNING account_id`
)

// scan reads what returning gives, and what may follow it.
func scan(s database.Scanner, more ...any) (r registration, err error) {
	err = s.Scan(append([]any{
		&r.account, &r.application, &r.user, &r.email, &r.firstName, &r.lastName, &r.accountName,
		&r.applicationName, &r.applicationSlug, &r.passwordHash,
	}, more...)...)
	return r, err
}

package session

import (
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

const (
	insertSession = `INSERT INTO portal_session (id, user_id, account_id, application_id, include_permissions,
		refresh_hash, ip_address, user_agent, created_at, last_used_at, expires_at, ends_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)`

	updateRefresh = `UPDATE portal_session SET refresh_hash = $1, last_used_at = $2,
		expires_at = CASE WHEN ends_at < $3 THEN ends_at ELSE $3 END
		WHERE refresh_hash = $4 AND ended_at IS NULL AND expires_at > $2
		RETURNING id, user_id, account_id, application_id, include_permissions, ends_at`

	insertUsed = `INSERT INTO portal_session_used (token_hash, session_id, used_at) VALUES ($1, $2, $3)`

	selectUsed = `SELECT s.id, s.user_id, s.account_id, u.used_at, s.ended_at FROM portal_session_used u
		JOIN portal_session s ON s.id = u.session_id WHERE u.token_hash = $1`

	selectUnused = `SELECT id, user_id, account_id, NULL, ended_at FROM portal_session WHERE refresh_hash = $1`

	selectRefresh = `SELECT refresh_hash FROM portal_session WHERE id = $1 AND user_id = $2 AND ended_at IS NULL`

	updateApplication = `UPDATE portal_session SET application_id = $1 WHERE id = $2`

	updateBinding = `UPDATE portal_session SET account_id = $1, application_id = $2 WHERE id = $3`

	// A condition follows, from $2 on.
	updateEnded = `UPDATE portal_session SET ended_at = $1 WHERE ended_at IS NULL AND ends_at > $1 AND `

	// The membership is that of the token's Account: a session that was switched
	// elsewhere does not take the older token along.
	selectCaller = `SELECT m.account_role, u.email, slug.slug FROM portal_session s` +
		portaluser.JoinActiveMember + `s.user_id AND m.account_id = $3` +
		account.JoinSlug + `m.account_id` +
		portaluser.JoinUser + `s.user_id` +
		application.JoinApplication + `$4 AND app.account_id = m.account_id
		WHERE s.id = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND s.ends_at > $5`

	selectLive = `SELECT s.id, slug.slug, COALESCE(app.slug, ''), s.ip_address, s.user_agent, s.created_at,
		s.last_used_at, s.expires_at FROM portal_session s` +
		account.JoinSlug + `s.account_id LEFT` + application.JoinApplication + `s.application_id
		WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2 ORDER BY s.created_at DESC, s.id DESC`
)

const (
	insertPreAuth = `INSERT INTO pre_auth (id, user_id, include_permissions, expires_at) VALUES ($1, $2, $3, $4)`

	spendPreAuth = `UPDATE pre_auth SET spent_at = $1
		WHERE id = $2 AND user_id = $3 AND spent_at IS NULL AND expires_at > $1 RETURNING include_permissions`

	spendAllPreAuth = `UPDATE pre_auth SET spent_at = $1 WHERE user_id = $2 AND spent_at IS NULL`
)

func scanView(row database.Scanner) (v View, err error) {
	err = row.Scan(&v.ID, &v.AccountSlug, &v.ApplicationSlug, &v.IPAddress, &v.UserAgent, &v.CreatedAt,
		&v.LastUsedAt, &v.ExpiresAt)
	return v, err
}

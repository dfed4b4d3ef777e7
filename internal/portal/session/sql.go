package session

import (
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

const (
	insertSession = `INSERT INTO portal_session (id, user_id, account_id, application_id, include_permissions,
		refresh_hash, ip_address, user_agent, created_at, last_used_at, expires_at, ends_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)`

	sessionColumns = `id, account_id, application_id, include_permissions, refresh_hash, COALESCE(renewed_with, ''),
		renewed_at, successor, expires_at, ends_at, ended_at`

	selectSession = `SELECT ` + sessionColumns + ` FROM portal_session WHERE id = $1 AND user_id = $2`

	// The session whose refresh token has or had a hash.
	selectOwner = `SELECT id, user_id FROM portal_session WHERE refresh_hash = $1
		UNION ALL SELECT s.id, s.user_id FROM portal_session_used u
			JOIN portal_session s ON s.id = u.session_id WHERE u.token_hash = $1`

	updateRefresh = `UPDATE portal_session SET refresh_hash = $1, last_used_at = $2, expires_at = $3,
		renewed_with = $4, renewed_at = $2, successor = $5 WHERE id = $6`

	insertUsed = `INSERT INTO portal_session_used (token_hash, session_id, used_at) VALUES ($1, $2, $3)`

	deleteSuccessors = `UPDATE portal_session SET successor = NULL WHERE successor IS NOT NULL AND renewed_at < $1`

	// The limits are ones that nobody reaches; an offset alone is not for both engines.
	deleteOldestUsed = `DELETE FROM portal_session_used WHERE token_hash IN (
		SELECT token_hash FROM portal_session_used WHERE session_id = $1
		ORDER BY used_at DESC LIMIT 1000000 OFFSET $2)`

	endOldest = `UPDATE portal_session SET ended_at = $1 WHERE id IN (
		SELECT id FROM portal_session WHERE user_id = $2 AND ended_at IS NULL AND expires_at > $1
		ORDER BY last_used_at DESC, id DESC LIMIT 1000000 OFFSET $3)`

	updateApplication = `UPDATE portal_session SET application_id = $1 WHERE id = $2`

	updateBinding = `UPDATE portal_session SET account_id = $1, application_id = $2 WHERE id = $3`

	// A condition follows, from $2 on.
	updateEnded = `UPDATE portal_session SET ended_at = $1 WHERE ended_at IS NULL AND ends_at > $1 AND `

	// The membership is that of the token's Account: a session that was switched
	// elsewhere does not take the older token along.
	selectCaller = `SELECT m.account_role, u.email, slug.slug, s.ends_at,
		rev.revision, rev.stamp, rev.tree_revision, rev.tree_stamp FROM portal_session s` +
		portaluser.JoinActiveMember + `s.user_id AND m.account_id = $3` +
		account.JoinSlug + `m.account_id` +
		portaluser.JoinUser + `s.user_id` +
		application.JoinApplication + `$4 AND app.account_id = m.account_id` +
		revision.JoinRevision + `m.account_id
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

func scanState(row database.Scanner) (st state, err error) {
	err = row.Scan(&st.id, &st.account, &st.application, &st.permissions, &st.refreshHash, &st.renewedWith,
		&st.renewedAt, &st.successor, &st.expiresAt, &st.endsAt, &st.endedAt)
	return st, err
}

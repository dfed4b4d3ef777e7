package identitysession

import "canopy.dev/canopy/internal/platform/database"

const (
	selectLive = `SELECT id, ip_address, user_agent, active_org_node_id, created_at, expires_at FROM identity_session
		WHERE environment_id = $1 AND identity_id = $2 AND ended_at IS NULL AND expires_at > $3
		ORDER BY created_at DESC, id DESC`

	endOne = `UPDATE identity_session SET ended_at = $1
		WHERE environment_id = $2 AND identity_id = $3 AND id = $4 AND ended_at IS NULL AND expires_at > $1`

	endIn = `UPDATE identity_session SET ended_at = $1
		WHERE environment_id = $2 AND identity_id = $3 AND ended_at IS NULL AND expires_at > $1`

	endAll = `UPDATE identity_session SET ended_at = $1
		WHERE account_id = $2 AND identity_id = $3 AND ended_at IS NULL AND expires_at > $1`

	deleteAll = `DELETE FROM identity_session WHERE account_id = $1 AND identity_id = $2`

	sweepEnded = `DELETE FROM identity_session WHERE id IN
		(SELECT id FROM identity_session WHERE ended_at < $1 OR expires_at < $1 LIMIT 500)`

	sweepGone = `DELETE FROM identity_session WHERE environment_id = $1 AND id IN
		(SELECT id FROM identity_session WHERE environment_id = $1 LIMIT 500)`
)

func scan(row database.Scanner) (s Session, err error) {
	return s, row.Scan(&s.ID, &s.IPAddress, &s.UserAgent, &s.OrgNode, &s.CreatedAt, &s.ExpiresAt)
}

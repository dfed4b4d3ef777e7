package identityinvite

import (
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

const (
	columns = `v.id, v.account_id, v.application_id, v.environment_id, COALESCE(env.name, ''), COALESCE(env.slug, ''),
		v.email, v.intent, v.first_name, v.last_name, v.role_id, v.node_id, v.status, v.expires_at, v.invited_by,
		v.inviter_kind, v.created_at, v.delivery, v.last_sent_at, v.send_count, v.asked_at`

	// What leads into an Environment that is gone is gone, too.
	from    = ` FROM identity_invite v LEFT` + environment.JoinEnvironment + `v.environment_id`
	isThere = ` AND (v.environment_id IS NULL OR env.id IS NOT NULL)`

	inAccount     = from + ` WHERE v.account_id = $1` + isThere
	inEnvironment = from + ` WHERE v.environment_id = $1`

	selectOwn = `SELECT ` + columns + inAccount + ` AND v.id = $2`

	selectByToken = `SELECT ` + columns + from + ` WHERE v.token_hash = $1` + isThere

	selectLive = `SELECT ` + columns + inAccount + ` AND v.email = $2 AND COALESCE(v.environment_id, '') = $3
		AND v.status = 'pending' AND v.organization_id IS NULL`

	closeExpired = `UPDATE identity_invite SET status = 'expired' WHERE account_id = $1 AND email = $2
		AND COALESCE(environment_id, '') = $3 AND organization_id IS NULL AND status = 'pending' AND expires_at <= $4`

	insertInvite = `INSERT INTO identity_invite (id, account_id, application_id, environment_id, email, intent,
			first_name, last_name, name_fold, search, role_id, node_id, status, token_hash, invited_by, inviter_kind,
			created_at, expires_at, asked_at, delivery, send_count)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'pending', $13, $14, $15, $16, $17, $16, $18, $19)
		ON CONFLICT DO NOTHING`

	updateResend = `UPDATE identity_invite SET token_hash = $1, expires_at = $2, asked_at = $3, delivery = $4,
			send_count = send_count + $5
		WHERE account_id = $6 AND id = $7 AND status = 'pending' AND expires_at > $3 AND asked_at <= $8`

	rewindAsked = `UPDATE identity_invite SET asked_at = $1 WHERE account_id = $2 AND id = $3 AND asked_at > $1`

	updateRevoke = `UPDATE identity_invite SET status = 'revoked'
		WHERE account_id = $1 AND id = $2 AND status = 'pending' AND expires_at > $3`

	updateAccept = `UPDATE identity_invite SET status = 'accepted'
		WHERE account_id = $1 AND id = $2 AND token_hash = $3 AND status = 'pending' AND expires_at > $4`

	selectWanted = `SELECT count(*)` + from + ` WHERE v.id = $1 AND v.token_hash = $2 AND v.status = 'pending'
		AND v.expires_at > $3` + isThere

	updateDelivery = `UPDATE identity_invite SET delivery = $1, last_sent_at = COALESCE($2, last_sent_at)
		WHERE id = $3 AND token_hash = $4`

	// A tier follows.
	selectCounts = `SELECT count(*),
		COALESCE(sum(CASE WHEN v.status = 'pending' AND v.expires_at > $2 THEN 1 ELSE 0 END), 0),
		COALESCE(sum(CASE WHEN v.status = 'pending' AND v.expires_at > $2 AND v.role_id IS NOT NULL THEN 1 ELSE 0 END), 0),
		COALESCE(sum(CASE WHEN v.status = 'accepted' THEN 1 ELSE 0 END), 0),
		COALESCE(sum(CASE WHEN v.status = 'revoked' THEN 1 ELSE 0 END), 0)`
)

// What goes along with something else: the ids, the addresses and the intents of what has gone.
const (
	gone = ` RETURNING id, email, intent`

	isLive = ` WHERE environment_id = $1 AND status = 'pending' AND expires_at > $2`

	revokeLive = `UPDATE identity_invite SET status = 'revoked'` + isLive

	ofAddress = ` AND email = $3 AND account_id = $4`

	revokeOfAddress = revokeLive + ofAddress + gone

	countOfAddress = `SELECT count(*) FROM identity_invite` + isLive + ofAddress

	revokeOfRole = revokeLive + ` AND role_id = $3` + gone

	// A list of nodes and gone follow.
	revokeAtNodes = revokeLive + ` AND node_id IN `

	revokeInSubtree = `UPDATE identity_invite SET status = 'revoked'
		WHERE environment_id = $1 AND status = 'pending' AND expires_at > $3
			AND node_id IN (` + hierarchy.Subtree + ` SELECT id FROM down)` + gone

	countAtNode = `SELECT count(*) FROM identity_invite WHERE environment_id = $1 AND status = 'pending' AND node_id = $2`

	anyAtNode = `SELECT count(*) FROM (SELECT 1 FROM identity_invite
		WHERE environment_id = $1 AND status = 'pending' AND node_id IS NOT NULL LIMIT 1) AS found`

	selectNaming = `SELECT id, role_id, node_id FROM identity_invite
		WHERE environment_id = $1 AND status = 'pending' AND role_id IS NOT NULL AND expires_at > $2`

	moveToNode = `UPDATE identity_invite SET node_id = $1
		WHERE environment_id = $2 AND status = 'pending' AND node_id = $3`

	deleteOfAddress = `DELETE FROM identity_invite WHERE account_id = $1 AND email = $2` + gone

	sweepInvites = `DELETE FROM identity_invite WHERE environment_id = $1 AND id IN
		(SELECT id FROM identity_invite WHERE environment_id = $1 LIMIT 500)`
)

func scan(row database.Scanner) (Invite, error) {
	var i Invite
	var by principal.Kind
	err := row.Scan(&i.ID, &i.Account, &i.Application, &i.Environment, &i.EnvironmentName, &i.environmentSlug, &i.Email,
		&i.Intent, &i.FirstName, &i.LastName, &i.Role, &i.Node, &i.Status, &i.ExpiresAt, &i.InvitedBy, &by, &i.CreatedAt,
		&i.Delivery, &i.LastSentAt, &i.SendCount, &i.askedAt)
	i.byUser = by == principal.KindUser
	return i, err
}

func scanGone(row database.Scanner) (i Invite, err error) {
	return i, row.Scan(&i.ID, &i.Email, &i.Intent)
}

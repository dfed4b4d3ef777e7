package invite

import (
	"strconv"
	"time"

	"canopy.dev/canopy/internal/database"
	"canopy.dev/canopy/internal/id"
	"canopy.dev/canopy/internal/page"
	"canopy.dev/canopy/internal/text"
)

const columns = ` id, account_id, email, first_name, last_name, status, expires_at, invited_by, created_at, delivery, last_sent_at, send_count, asked_at `

func scan(row database.Scanner) (Invite, error) {
	var i Invite
	err := row.Scan(&i.ID, &i.AccountID, &i.Email, &i.FirstName, &i.LastName, &i.Status, &i.ExpiresAt, &i.InvitedBy, &i.CreatedAt,
		&i.Delivery, &i.LastSentAt, &i.SendCount, &i.askedAt)
	return i, err
}

const (
	selectMember = `SELECT m.is_active FROM portal_user u JOIN account_member m ON m.user_id = u.id AND m.account_id = $1 WHERE u.email = $2`

	closeExpired = `UPDATE user_invite SET status = 'expired' WHERE account_id = $1 AND email = $2 AND status = 'pending' AND expires_at <= $3`

	insertInvite = `INSERT INTO user_invite (id, account_id, email, first_name, last_name, name_fold, status, token_hash, invited_by,
			created_at, expires_at, asked_at, delivery, send_count)
		VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9, $10, $9, 'queued', 1)
		ON CONFLICT (account_id, email) WHERE status = 'pending' DO NOTHING`

	selectLive = `SELECT ` + columns + `FROM user_invite WHERE account_id = $1 AND email = $2 AND status = 'pending'`

	selectCounts = `SELECT count(*),
			COALESCE(sum(CASE WHEN status = 'pending' AND expires_at > $2 THEN 1 ELSE 0 END), 0),
			COALESCE(sum(CASE WHEN status = 'accepted' THEN 1 ELSE 0 END), 0),
			COALESCE(sum(CASE WHEN status = 'expired' OR status = 'pending' AND expires_at <= $2 THEN 1 ELSE 0 END), 0),
			COALESCE(sum(CASE WHEN status = 'revoked' THEN 1 ELSE 0 END), 0)
		FROM user_invite WHERE account_id = $1`

	updateResend = `UPDATE user_invite SET token_hash = $1, expires_at = $2, asked_at = $3, delivery = 'queued', send_count = send_count + 1
		WHERE account_id = $4 AND id = $5 AND status = 'pending' AND expires_at > $3 AND asked_at <= $6 RETURNING ` + columns

	updateAccept = `UPDATE user_invite SET status = 'accepted'
		WHERE token_hash = $1 AND status = 'pending' AND expires_at > $2 RETURNING ` + columns
)

// listQuery is the FROM and WHERE of a list, with its arguments.
func listQuery(accountID id.ID, r page.Request, status Status, now time.Time) (string, []any) {
	query, args := ` FROM user_invite WHERE account_id = $1`, []any{accountID}
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	switch status {
	case Pending:
		query += ` AND status = 'pending' AND expires_at > ` + arg(now)
	case Expired:
		query += ` AND (status = 'expired' OR status = 'pending' AND expires_at <= ` + arg(now) + `)`
	case Accepted, Revoked:
		query += ` AND status = ` + arg(string(status))
	}
	if r.Q != "" {
		like := arg(text.LikePattern(r.Q))
		query += ` AND (email LIKE ` + like + ` ESCAPE '\' OR name_fold LIKE ` + like + ` ESCAPE '\')`
	}
	return query, args
}

// orderBy sorts by a column of the list's own and by id, and cuts the page out.
// Column and direction come from fixed words, the numbers are numbers.
func orderBy(r page.Request) string {
	column := map[string]string{"created_at": "created_at", "expires_at": "expires_at", "email": "email", "name": "name_fold"}[r.SortBy]
	direction := " ASC"
	if r.Desc {
		direction = " DESC"
	}
	return " ORDER BY " + column + direction + ", id" + direction + " LIMIT " + strconv.Itoa(r.Take) + " OFFSET " + strconv.Itoa(r.Offset())
}

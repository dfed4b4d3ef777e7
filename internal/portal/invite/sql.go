package invite

import (
	"slices"
	"strconv"
	"time"

	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/account"
)

const columns = ` id, account_id, email, first_name, last_name, status, expires_at, invited_by, created_at, delivery,
	last_sent_at, send_count, asked_at `

func scan(row database.Scanner) (Invite, error) {
	var i Invite
	err := row.Scan(&i.ID, &i.AccountID, &i.Email, &i.FirstName, &i.LastName, &i.Status, &i.ExpiresAt, &i.InvitedBy,
		&i.CreatedAt, &i.Delivery, &i.LastSentAt, &i.SendCount, &i.askedAt)
	return i, err
}

const (
	closeExpired = `UPDATE user_invite SET status = 'expired'
		WHERE account_id = $1 AND email = $2 AND status = 'pending' AND expires_at <= $3`

	insertInvite = `INSERT INTO user_invite (id, account_id, email, first_name, last_name, name_fold, search, status,
			token_hash, invited_by, created_at, expires_at, asked_at, delivery, send_count)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $10, $11, $10, 'queued', 1)
		ON CONFLICT (account_id, email) WHERE status = 'pending' DO NOTHING`

	selectLive = `SELECT` + columns + `FROM user_invite WHERE account_id = $1 AND email = $2 AND status = 'pending'`

	selectOwn = `SELECT` + columns + `FROM user_invite WHERE account_id = $1 AND id = $2`

	selectByToken = `SELECT` + columns + `FROM user_invite WHERE token_hash = $1`

	// Five ranges of one index, whose ends alone are compared: five times as fast
	// as looking at each row's status.
	selectCounts = `SELECT
			(SELECT count(*) FROM user_invite WHERE account_id = $1 AND status = 'pending' AND expires_at > $2),
			(SELECT count(*) FROM user_invite WHERE account_id = $1 AND status = 'accepted'),
			(SELECT count(*) FROM user_invite WHERE account_id = $1 AND status = 'expired')
				+ (SELECT count(*) FROM user_invite WHERE account_id = $1 AND status = 'pending' AND expires_at <= $2),
			(SELECT count(*) FROM user_invite WHERE account_id = $1 AND status = 'revoked')`

	updateResend = `UPDATE user_invite SET token_hash = $1, expires_at = $2, asked_at = $3, delivery = 'queued',
			send_count = send_count + 1
		WHERE account_id = $4 AND id = $5 AND status = 'pending' AND expires_at > $3 AND asked_at <= $6
		RETURNING` + columns

	rewindAsked = `UPDATE user_invite SET asked_at = $1 WHERE account_id = $2 AND id = $3 AND asked_at > $1`

	updateRevoke = `UPDATE user_invite SET status = 'revoked'
		WHERE account_id = $1 AND id = $2 AND status = 'pending' AND expires_at > $3 RETURNING` + columns

	updateAccept = `UPDATE user_invite SET status = 'accepted'
		WHERE token_hash = $1 AND status = 'pending' AND expires_at > $2 RETURNING` + columns

	selectWanted = `SELECT count(*) FROM user_invite
		WHERE id = $1 AND token_hash = $2 AND status = 'pending' AND expires_at > $3`

	updateDelivery = `UPDATE user_invite SET delivery = $1, last_sent_at = COALESCE($2, last_sent_at)
		WHERE id = $3 AND token_hash = $4 RETURNING` + columns
)

// A list is a page and a count, which together look at each of the Account's
// invites once at most: the page ends somewhere, and only what comes after it is
// left to count. Each statement stays inside one index of the Account, as the
// plans of TestListStaysInsideTheAccount show.
//
// filter is the WHERE of both, with its arguments.
func filter(in account.ID, r page.Request, status Status, now time.Time) (string, []any) {
	where, args := ` WHERE account_id = $1`, []any{database.PlanAnew, in}
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args)-1)
	}
	switch status {
	case Pending:
		where += ` AND status = 'pending' AND expires_at > ` + arg(now)
	case Expired:
		where += ` AND (status = 'expired' OR status = 'pending' AND expires_at <= ` + arg(now) + `)`
	case Accepted, Revoked:
		where += ` AND status = ` + arg(string(status))
	}
	if r.Q != "" {
		where += ` AND search LIKE ` + arg(text.LikePattern(r.Q)) + ` ESCAPE '\'`
	}
	return where, args
}

// onPage wraps a filter: the page's ids come out of the index that holds the
// sort order, and only their rows are read.
func onPage(where string, r page.Request) string {
	order := r.OrderBy("id")
	return `SELECT` + columns + `FROM (SELECT id AS on_page FROM user_invite` + where + order + r.Limit() +
		`) AS p JOIN user_invite ON id = on_page` + order
}

// afterPage counts what comes after the page's last row.
func afterPage(where string, args []any, r page.Request, last Invite) (string, []any) {
	var key any
	switch r.Sort.Key {
	case "created_at":
		key = last.CreatedAt
	case "expires_at":
		key = last.ExpiresAt
	case "email":
		key = last.Email
	case "name":
		key = text.Fold(last.Name())
	}
	than := " > "
	if r.Desc {
		than = " < "
	}
	n := len(args) // PlanAnew takes no placeholder
	return `SELECT count(*) FROM user_invite` + where + ` AND (` + r.Sort.Column + `, id)` + than +
		`($` + strconv.Itoa(n) + `, $` + strconv.Itoa(n+1) + `)`, append(slices.Clip(args), key, last.ID)
}

package portaluser

import (
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/account"
)

// Joins for the queries of other rooms, which name no table of this one. Each
// ends where the id of the user is to follow.
const (
	// JoinUser brings portal_user as u.
	JoinUser = ` JOIN portal_user u ON u.id = `
	// JoinActiveMember brings account_member as m; the Account is the caller's to
	// name.
	JoinActiveMember = ` JOIN account_member m ON m.is_active = 1 AND m.user_id = `
)

const (
	userColumns = `id, email, first_name, last_name, password_hash, password_changed_at, created_at`

	selectUser = `SELECT ` + userColumns + ` FROM portal_user WHERE `

	insertUser = `INSERT INTO portal_user (id, email, first_name, last_name, name_fold, password_hash,
		password_changed_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (email) DO NOTHING`

	updatePassword = `UPDATE portal_user SET password_hash = $1, password_changed_at = $2
		WHERE id = $3 AND password_changed_at = $4 RETURNING ` + userColumns

	// One text for both engines: an update that changes nothing locks, too.
	lockUser = `UPDATE portal_user SET password_changed_at = password_changed_at WHERE id = $1
		RETURNING ` + userColumns

	updateHash = `UPDATE portal_user SET password_hash = $1 WHERE id = $2 AND password_hash = $3`
)

const (
	insertBrowser = `INSERT INTO portal_browser (token_hash, user_id, created_at) VALUES ($1, $2, $3)`

	selectBrowser = `SELECT 1 FROM portal_browser b JOIN portal_user u ON u.id = b.user_id
		WHERE b.token_hash = $1 AND u.email = $2 AND b.created_at > $3`

	deleteBrowser = `DELETE FROM portal_browser WHERE token_hash = $1`

	deleteBrowsers = `DELETE FROM portal_browser WHERE user_id = $1`

	// The limit is one that nobody reaches; an offset alone is not for both engines.
	deleteOldestBrowsers = `DELETE FROM portal_browser WHERE token_hash IN (SELECT token_hash FROM portal_browser
		WHERE user_id = $1 ORDER BY created_at DESC, token_hash LIMIT 1000000 OFFSET $2)`

	deleteEndedBrowsers = `DELETE FROM portal_browser WHERE created_at <= $1`
)

const (
	selectMembership = `SELECT acc.id, slug.slug, acc.name, m.user_id, m.account_role, m.is_active, m.joined_at
		FROM account_member m` + account.JoinAccount + `m.account_id` + account.JoinSlug + `m.account_id WHERE `

	insertMember = `INSERT INTO account_member (account_id, user_id, account_role, is_active, joined_at)
		VALUES ($1, $2, $3, 1, $4) ON CONFLICT (account_id, user_id) DO NOTHING`

	selectMemberByEmail = `SELECT m.is_active FROM portal_user u
		JOIN account_member m ON m.user_id = u.id AND m.account_id = $1 WHERE u.email = $2`

	memberColumns = `u.id, u.email, u.first_name, u.last_name, m.account_role, m.is_active, u.created_at, m.joined_at`

	fromMembers = ` FROM account_member m JOIN portal_user u ON u.id = m.user_id WHERE m.account_id = $1`

	countMembers = `SELECT count(*), COALESCE(sum(is_active), 0) FROM account_member WHERE account_id = $1`

	countOtherOwners = `SELECT count(*) FROM account_member
		WHERE account_id = $1 AND account_role = 'owner' AND is_active = 1 AND user_id <> $2`

	selectAccountsOf = `SELECT account_id FROM account_member WHERE user_id = $1`

	deleteMember = `DELETE FROM account_member WHERE account_id = $1 AND user_id = $2`

	updateMemberActive = `UPDATE account_member SET is_active = $1 WHERE account_id = $2 AND user_id = $3`

	updateMemberRole = `UPDATE account_member SET account_role = $1 WHERE account_id = $2 AND user_id = $3`
)

func scanUser(row database.Scanner) (User, error) {
	var u User
	err := row.Scan(&u.ID, &u.Email, &u.FirstName, &u.LastName, &u.PasswordHash, &u.PasswordChangedAt,
		&u.CreatedAt)
	return u, err
}

func scanMembership(row database.Scanner) (Membership, error) {
	var m Membership
	err := row.Scan(&m.Account.ID, &m.Account.Slug, &m.AccountName, &m.UserID, &m.Role, &m.Active, &m.JoinedAt)
	return m, err
}

func scanMember(row database.Scanner) (Member, error) {
	var m Member
	err := row.Scan(&m.UserID, &m.Email, &m.FirstName, &m.LastName, &m.Role, &m.Active, &m.CreatedAt, &m.JoinedAt)
	return m, err
}

// Tables are those that the joins of this room read (database.DB.Watch).
func Tables() []string { return []string{"portal_user", "account_member"} }

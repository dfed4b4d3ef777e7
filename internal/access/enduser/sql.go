package enduser

import (
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/platform/database"
)

// Columns are those that Scan reads, of the identity as i.
const Columns = `i.id, i.account_id, i.email, i.first_name, i.last_name, i.external_id, i.metadata, i.avatar_url,
	i.is_active, i.email_verified_at, i.password_hash, i.password_changed_at, i.wrong_passwords, i.locked_until,
	i.mfa_admin_reset_at, i.created_at, i.updated_at`

// Joins for the queries of other rooms, which name no table of this one.
const (
	// JoinIdentity brings identity as i; the id of the identity is to follow.
	JoinIdentity = ` JOIN identity i ON i.id = `
	// FromAccount are the identities of the Account $1 as m, for lists: id, email,
	// name_fold, search, is_active, created_at; email_verified_at for counts.
	FromAccount = ` FROM identity m WHERE m.account_id = $1`
)

const (
	selectIdentity = `SELECT ` + Columns + ` FROM identity i WHERE i.account_id = $1`

	// A row that meets another one of its address, or of its external id, is not written.
	insertIdentity = `INSERT INTO identity (id, account_id, email, first_name, last_name, name_fold, search, external_id,
			metadata, is_active, password_hash, password_changed_at, wrong_passwords, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $11, 0, $12, $12) ON CONFLICT DO NOTHING`

	deleteIdentity = `DELETE FROM identity WHERE account_id = $1 AND id = $2`

	updateProfile = `UPDATE identity SET first_name = $1, last_name = $2, name_fold = $3, search = $4, metadata = $5,
		updated_at = $6 WHERE account_id = $7 AND id = $8`

	updatePassword = `UPDATE identity SET password_hash = $1, password_changed_at = $2, wrong_passwords = 0,
		locked_until = NULL, updated_at = $2 WHERE account_id = $3 AND id = $4`

	updateWrong = `UPDATE identity SET wrong_passwords = $1, locked_until = COALESCE($2, locked_until)
		WHERE account_id = $3 AND id = $4`

	updateUnlocked = `UPDATE identity SET wrong_passwords = 0, locked_until = NULL
		WHERE account_id = $1 AND id = $2 AND (wrong_passwords > 0 OR locked_until IS NOT NULL)`

	updateVerified = `UPDATE identity SET email_verified_at = $1, updated_at = $1 WHERE account_id = $2 AND id = $3`

	updateMFAReset = `UPDATE identity SET mfa_admin_reset_at = $1, updated_at = $1 WHERE account_id = $2 AND id = $3`

	updateActive = `UPDATE identity SET is_active = $1, updated_at = $2 WHERE account_id = $3 AND id = $4`
)

// Scan reads Columns, and what other columns follow them.
func Scan(row database.Scanner, more ...any) (i Identity, err error) {
	var metadata, hash *string
	err = row.Scan(append([]any{
		&i.ID, &i.Account, &i.Email, &i.FirstName, &i.LastName, &i.ExternalID, &metadata, &i.AvatarURL, &i.Active,
		&i.EmailVerifiedAt, &hash, &i.PasswordChangedAt, &i.WrongPasswords, &i.LockedUntil, &i.MFAResetAt, &i.CreatedAt,
		&i.UpdatedAt,
	}, more...)...)
	if metadata != nil {
		i.Metadata = jsontext.Value(*metadata)
	}
	if hash != nil {
		i.PasswordHash = *hash
	}
	return i, err
}

func scan(row database.Scanner) (Identity, error) { return Scan(row) }

// NamedColumns are those of Named, of the identity as i.
const NamedColumns = `i.id, i.first_name, i.last_name, i.email, i.avatar_url`

// A list of ids follows. Of the Account no index is asked: by one SQLite would look at all of its identities.
const selectNamed = `SELECT ` + NamedColumns + ` FROM identity i
	WHERE CASE WHEN i.account_id = $1 THEN 1 END = 1 AND i.id IN `

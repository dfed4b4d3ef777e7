// Package portaluser owns the people who configure Canopy: the table
// portal_user, their passwords, and the throttles and locks around guessing
// them. A row exists only for a proven address. It refuses to know sessions,
// invites and registrations, which stand on it.
//
//	wrong password ──► pair (IP, address) + 1, IP + 1, run + 1 ──► 10th: locked 15 min
//	right password ──► pair and run start again at 0
package portaluser

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/account"
)

// User is a portal user. What one may do hangs on memberships, not on this row.
type User struct {
	ID                id.ID
	Email             string
	FirstName         string
	LastName          string
	PasswordHash      string
	PasswordChangedAt time.Time
	WrongPasswords    int
	LockedUntil       time.Time // zero: never locked
	CreatedAt         time.Time
}

// Locked reports whether sign-in is locked at now.
func (u User) Locked(now time.Time) bool { return now.Before(u.LockedUntil) }

// Principal is u as an actor.
func (u User) Principal() *principal.Principal {
	return &principal.Principal{Kind: principal.User, ID: u.ID, Label: u.Email}
}

// The faults of people and their passwords.
var (
	ErrNotFound           = fault.New(fault.NotFound, "users.not_found", "User not found")
	ErrInvalidCredentials = fault.New(fault.Unauthenticated, "auth.invalid_credentials", "Invalid email or password")
	ErrTooManyAttempts    = fault.New(fault.TooMany, "auth.too_many_attempts", "Too many failed attempts, try again later")
	ErrLocked             = fault.New(fault.Forbidden, "auth.account_locked", "This account is locked for a while after too many failed attempts")
)

const columns = `id, email, first_name, last_name, password_hash, password_changed_at, wrong_passwords, locked_until, created_at`

func scan(row database.Scanner) (User, error) {
	var u User
	err := row.Scan(&u.ID, &u.Email, &u.FirstName, &u.LastName, &u.PasswordHash, &u.PasswordChangedAt, &u.WrongPasswords, &u.LockedUntil, &u.CreatedAt)
	return u, err
}

// ByEmail finds the user of a normalised address; nil when there is none.
func ByEmail(ctx context.Context, tx *database.Tx, email string) (*User, error) {
	return found(scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM portal_user WHERE email = $1`, email)))
}

// ByID finds a user; nil when there is none.
func ByID(ctx context.Context, tx *database.Tx, userID id.ID) (*User, error) {
	return found(scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM portal_user WHERE id = $1`, userID)))
}

// Count is the number of users of the whole install.
func Count(ctx context.Context, tx *database.Tx) (n int, err error) {
	return n, tx.QueryRow(ctx, `SELECT count(*) FROM portal_user`).Scan(&n)
}

func found(u User, err error) (*User, error) {
	if errors.Is(err, database.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// NewParams is what Create wants.
type NewParams struct {
	ID           id.ID
	Email        string
	FirstName    string
	LastName     string
	PasswordHash string
}

// Create makes the user of a proven address; false when the address has one
// already. Audit: user.registered, with the new user as actor.
func Create(ctx context.Context, tx *database.Tx, p NewParams, in id.ID) (*User, bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO portal_user (id, email, first_name, last_name, name_fold, password_hash, password_changed_at, wrong_passwords, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $7) ON CONFLICT (email) DO NOTHING`,
		p.ID, p.Email, p.FirstName, p.LastName, text.Fold(p.FirstName+" "+p.LastName), p.PasswordHash, tx.Now)
	if err != nil || n == 0 {
		return nil, false, err
	}
	u, err := ByID(ctx, tx, p.ID)
	if err != nil {
		return nil, false, err
	}
	return u, true, audit.Write(ctx, tx, audit.Entry{AccountID: in, Action: "user.registered", Category: "auth", ResourceType: "user",
		ResourceID: u.ID, ResourceLabel: u.Email, Metadata: audit.Meta{"email": u.Email}, Hidden: true, Actor: u.Principal()})
}

// SetPassword stores a new hash and clears lock and run; only if the password is
// still the one changed at since: false when another call was faster.
func SetPassword(ctx context.Context, tx *database.Tx, u *User, hash string) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE portal_user SET password_hash = $1, password_changed_at = $2, wrong_passwords = 0, locked_until = NULL
		WHERE id = $3 AND password_changed_at = $4`, hash, tx.Now, u.ID, u.PasswordChangedAt)
	return n == 1, err
}

// Rehash renews the hash of an unchanged password under present parameters.
func Rehash(ctx context.Context, tx *database.Tx, u *User, hash string) error {
	_, err := tx.Exec(ctx, `UPDATE portal_user SET password_hash = $1 WHERE id = $2 AND password_hash = $3`, hash, u.ID, u.PasswordHash)
	return err
}

// AuditPerson writes a row about a person: once for every Account with an active
// membership; where there is none, once without Account and hidden. u may be nil.
func AuditPerson(ctx context.Context, tx *database.Tx, u *User, e audit.Entry) error {
	e.Category = "auth"
	var memberships []account.Membership
	if u != nil {
		e.ResourceType, e.ResourceID, e.ResourceLabel = "user", u.ID, u.Email
		var err error
		if memberships, err = account.ActiveMemberships(ctx, tx, u.ID); err != nil {
			return err
		}
	}
	if len(memberships) == 0 {
		e.Hidden = true
		return audit.Write(ctx, tx, e)
	}
	for _, m := range memberships {
		e.AccountID = m.AccountID
		if err := audit.Write(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

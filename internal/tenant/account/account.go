// Package account owns Accounts, their slugs and their memberships: the tables
// account, account_slug and account_member. It refuses to know how people sign
// in or what they hold elsewhere; member (the use cases on people), session and
// registration stand on it.
package account

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// Role is what a portal user is in one Account.
type Role string

// The roles of portal users.
const (
	Owner Role = "owner" // signed the Account up, or was promoted
	Admin Role = "admin" // was invited
)

// Account is one customer company of the install, top of every tenant check.
type Account struct {
	ID        id.ID
	Name      string
	Slug      string
	Settings  jsontext.Value
	Plan      string
	Version   int
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Membership is a portal user's place in one Account.
type Membership struct {
	AccountID   id.ID
	AccountName string
	AccountSlug string
	UserID      id.ID
	Role        Role
	Active      bool
	JoinedAt    time.Time
}

// The faults of Accounts.
var (
	ErrNotFound        = fault.New(fault.NotFound, "account.not_found", "Account not found")
	ErrVersionConflict = fault.New(fault.Conflict, "version_conflict", "The resource was changed since you read it")
)

// ReserveSlug takes the first free spelling of the name's slug for accountID
// until the given instant. Reservations that have run out are taken over. The
// primary key of account_slug decides races.
func ReserveSlug(ctx context.Context, tx *database.Tx, accountID id.ID, name string, until time.Time) (string, error) {
	base := text.Slug(name, "account")
	for n := 1; ; n++ {
		slug := text.SlugNumber(base, n)
		took, err := tx.Exec(ctx, `INSERT INTO account_slug (slug, account_id, reserved_until) VALUES ($1, $2, $3)
			ON CONFLICT (slug) DO UPDATE SET account_id = excluded.account_id, reserved_until = excluded.reserved_until
			WHERE account_slug.reserved_until <= $4`, slug, accountID, until, tx.Now)
		if err != nil {
			return "", err
		}
		if took == 1 {
			return slug, nil
		}
	}
}

// ProlongSlug keeps a reservation until a later instant. One that had run out
// and was taken over is made anew, from the name.
func ProlongSlug(ctx context.Context, tx *database.Tx, accountID id.ID, name string, until time.Time) error {
	kept, err := tx.Exec(ctx, `UPDATE account_slug SET reserved_until = $1 WHERE account_id = $2 AND reserved_until IS NOT NULL`, until, accountID)
	if err == nil && kept == 0 {
		_, err = ReserveSlug(ctx, tx, accountID, name, until)
	}
	return err
}

// ReleaseSlug gives a reservation up. An Account's own slug stays.
func ReleaseSlug(ctx context.Context, tx *database.Tx, accountID id.ID) error {
	_, err := tx.Exec(ctx, `DELETE FROM account_slug WHERE account_id = $1 AND reserved_until IS NOT NULL`, accountID)
	return err
}

// Create makes the Account whose slug was reserved for it; the reservation
// becomes final. Audit: account.created.
func Create(ctx context.Context, tx *database.Tx, accountID id.ID, name string) error {
	_, err := tx.Exec(ctx, `INSERT INTO account (id, name, settings, plan, version, created_at, updated_at)
		VALUES ($1, $2, '{}', 'self_hosted', 1, $3, $3)`, accountID, name, tx.Now)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE account_slug SET reserved_until = NULL WHERE account_id = $1`, accountID); err != nil {
		return err
	}
	return audit.Write(ctx, tx, audit.Entry{AccountID: accountID, Action: "account.created", Category: "tenancy",
		ResourceType: "account", ResourceID: accountID, ResourceLabel: name})
}

const selectAccount = `SELECT a.id, a.name, s.slug, a.settings, a.plan, a.version, a.created_at, a.updated_at
	FROM account a JOIN account_slug s ON s.account_id = a.id WHERE a.id = $1`

// Get reads one Account; ErrNotFound.
func Get(ctx context.Context, tx *database.Tx, accountID id.ID) (Account, error) {
	var a Account
	var settings string
	err := tx.QueryRow(ctx, selectAccount, accountID).
		Scan(&a.ID, &a.Name, &a.Slug, &settings, &a.Plan, &a.Version, &a.CreatedAt, &a.UpdatedAt)
	if errors.Is(err, database.ErrNoRows) {
		return a, ErrNotFound
	}
	a.Settings = jsontext.Value(settings)
	return a, err
}

// Change is what a PATCH asks for; nil leaves a field as it is.
type Change struct {
	Name      *string
	Settings  jsontext.Value
	IfVersion int // 0: whatever the version
}

// Update changes an Account under its version: one guarded update, so that of
// two writers with one version one gets ErrVersionConflict, with the present
// Account as data for view. A change that changes nothing writes nothing.
// Audit: account.updated.
func Update(ctx context.Context, tx *database.Tx, accountID id.ID, c Change, view func(Account) any) (Account, error) {
	now, err := Get(ctx, tx, accountID)
	if err != nil {
		return now, err
	}
	if c.IfVersion != 0 && c.IfVersion != now.Version {
		return now, ErrVersionConflict.WithData(view(now))
	}
	changed, changes := now, []string{}
	if c.Name != nil && *c.Name != now.Name {
		changed.Name, changes = *c.Name, append(changes, "name")
	}
	if c.Settings != nil && string(c.Settings) != string(now.Settings) {
		changed.Settings, changes = c.Settings, append(changes, "settings")
	}
	if len(changes) == 0 {
		return now, nil
	}
	n, err := tx.Exec(ctx, `UPDATE account SET name = $1, settings = $2, version = version + 1, updated_at = $3
		WHERE id = $4 AND version = $5`, changed.Name, string(changed.Settings), tx.Now, accountID, now.Version)
	if err != nil {
		return now, err
	}
	if n == 0 { // PostgreSQL: somebody committed between our read and our update
		if now, err = Get(ctx, tx, accountID); err != nil {
			return now, err
		}
		return now, ErrVersionConflict.WithData(view(now))
	}
	changed.Version, changed.UpdatedAt = now.Version+1, tx.Now
	return changed, audit.Write(ctx, tx, audit.Entry{AccountID: accountID, Action: "account.updated", Category: "tenancy",
		ResourceType: "account", ResourceID: accountID, ResourceLabel: changed.Name, Metadata: audit.Meta{"changes": changes}})
}

// Join adds a membership, active from now on; false when there is one already.
func Join(ctx context.Context, tx *database.Tx, accountID, userID id.ID, role Role) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO account_member (account_id, user_id, account_role, is_active, joined_at)
		VALUES ($1, $2, $3, 1, $4) ON CONFLICT (account_id, user_id) DO NOTHING`, accountID, userID, string(role), tx.Now)
	return n == 1, err
}

const selectMembership = `SELECT m.account_id, a.name, s.slug, m.user_id, m.account_role, m.is_active, m.joined_at
	FROM account_member m JOIN account a ON a.id = m.account_id JOIN account_slug s ON s.account_id = a.id `

func scanMembership(row database.Scanner) (Membership, error) {
	var m Membership
	err := row.Scan(&m.AccountID, &m.AccountName, &m.AccountSlug, &m.UserID, &m.Role, &m.Active, &m.JoinedAt)
	return m, err
}

// MembershipOf reads a person's place in an Account; false when there is none.
func MembershipOf(ctx context.Context, tx *database.Tx, accountID, userID id.ID) (Membership, bool, error) {
	m, err := scanMembership(tx.QueryRow(ctx, selectMembership+`WHERE m.account_id = $1 AND m.user_id = $2`, accountID, userID))
	if errors.Is(err, database.ErrNoRows) {
		return m, false, nil
	}
	return m, err == nil, err
}

// ActiveMemberships lists the Accounts a person can enter, by name.
func ActiveMemberships(ctx context.Context, tx *database.Tx, userID id.ID) ([]Membership, error) {
	return database.All(ctx, tx, scanMembership,
		selectMembership+`WHERE m.user_id = $1 AND m.is_active = 1 ORDER BY lower(a.name), a.id`, userID)
}

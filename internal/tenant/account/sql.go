package account

import (
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/platform/database"
)

// Joins for the queries of other rooms, which name no table of this one. Each
// ends where the id of the Account is to follow.
const (
	// JoinSlug brings account_slug as slug.
	JoinSlug = ` JOIN account_slug slug ON slug.account_id = `
	// JoinAccount brings account as acc.
	JoinAccount = ` JOIN account acc ON acc.id = `
)

const (
	insertSlug = `INSERT INTO account_slug (slug, account_id, reserved_until) VALUES ($1, $2, $3)
		ON CONFLICT (slug) DO UPDATE SET account_id = excluded.account_id, reserved_until = excluded.reserved_until
		WHERE account_slug.reserved_until <= $4`

	countSlug = `SELECT count(*) FROM account_slug
		WHERE slug = $1 AND (reserved_until IS NULL OR reserved_until > $2)`

	prolongSlug = `UPDATE account_slug SET reserved_until = $1 WHERE account_id = $2 AND reserved_until IS NOT NULL`

	releaseSlug = `DELETE FROM account_slug WHERE account_id = $1 AND reserved_until IS NOT NULL`

	keepSlug = `UPDATE account_slug SET reserved_until = NULL WHERE account_id = $1`

	insertAccount = `INSERT INTO account (id, name, settings, plan, version, created_at, updated_at)
		VALUES ($1, $2, '{}', 'self_hosted', 1, $3, $3)`

	selectAccount = `SELECT a.id, a.name, s.slug, a.settings, a.plan, a.version, a.created_at, a.updated_at
		FROM account a JOIN account_slug s ON s.account_id = a.id WHERE a.id = $1`

	updateAccount = `UPDATE account SET name = $1, settings = $2, version = version + 1, updated_at = $3
		WHERE id = $4 AND version = $5`

	lockAccount = `UPDATE account SET version = version WHERE id = $1`
)

func scan(row database.Scanner) (Account, error) {
	var a Account
	var settings string
	err := row.Scan(&a.ID, &a.Name, &a.Slug, &settings, &a.Plan, &a.Version, &a.CreatedAt, &a.UpdatedAt)
	a.Settings = jsontext.Value(settings)
	return a, err
}

// Tables are those that the joins of this room read (database.DB.Watch).
func Tables() []string { return []string{"account", "account_slug"} }

package apikey

import (
	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

const (
	keyColumns = `k.id, k.name, k.description, k.access_mode, k.scopes, k.key_preview, k.is_active, k.expires_at,
		u.used_at, k.created_at`

	fromKeys = ` FROM api_key k LEFT JOIN api_key_use u ON u.key_id = k.id WHERE k.environment_id = $1`

	insertKey = `INSERT INTO api_key (id, environment_id, name, name_fold, description, access_mode, scopes, key_hash,
		key_preview, is_active, expires_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $11, $11)`

	countKeys = `SELECT count(*) FROM api_key WHERE environment_id = $1`

	setActive = `UPDATE api_key SET is_active = $1, updated_at = $2 WHERE environment_id = $3 AND id = $4`

	setValue = `UPDATE api_key SET key_hash = $1, key_preview = $2, updated_at = $3 WHERE environment_id = $4 AND id = $5`

	deleteKey = `DELETE FROM api_key WHERE environment_id = $1 AND id = $2`

	deleteKeys = `DELETE FROM api_key WHERE environment_id = $1`

	selectByValue = `SELECT k.id, k.name, k.access_mode, k.scopes, k.expires_at, env.id, env.slug, app.id, app.slug,
		slug.account_id, slug.slug, rev.revision, rev.stamp, rev.tree_revision, rev.tree_stamp
		FROM api_key k` + environment.JoinEnvironment + `k.environment_id` + application.JoinApplication +
		`env.application_id` + account.JoinSlug + `env.account_id` + revision.JoinRevision + `env.id
		WHERE k.key_hash = $1 AND k.is_active = 1 AND (k.expires_at IS NULL OR k.expires_at > $2)`

	upsertUse = `INSERT INTO api_key_use (key_id, environment_id, used_at)
		SELECT id, environment_id, $1 FROM api_key WHERE environment_id = $2 AND id = $3
		ON CONFLICT (key_id) DO UPDATE SET used_at = excluded.used_at WHERE api_key_use.used_at < excluded.used_at`

	insertDenial = `INSERT INTO api_key_denial (key_id, permission, minute, environment_id) VALUES ($1, $2, $3, $4)
		ON CONFLICT (key_id, permission, minute) DO NOTHING`

	sweepDenials = `DELETE FROM api_key_denial WHERE (key_id, permission, minute) IN
		(SELECT key_id, permission, minute FROM api_key_denial WHERE minute < $1 LIMIT 1000)`
)

func scan(row database.Scanner) (k Key, err error) {
	var scopes string
	err = row.Scan(&k.ID, &k.Name, &k.Description, &k.Mode, &scopes, &k.Preview, &k.Active, &k.ExpiresAt,
		&k.LastUsedAt, &k.CreatedAt)
	if err != nil {
		return k, err
	}
	return k, json.Unmarshal([]byte(scopes), &k.Scopes)
}

func scanKnown(row database.Scanner) (found revision.Kept[principal.Key], err error) {
	k, at := &found.Value, &found.At
	env := &k.Environment
	app := &env.Application
	var mode Mode
	var scopes string
	err = row.Scan(&k.KeyID, &k.Label, &mode, &scopes, &k.ExpiresAt, &env.ID, &env.Slug, &app.ID, &app.Slug,
		&app.Account.ID, &app.Account.Slug, &at.Revision, &at.Stamp, &at.Tree, &at.TreeStamp)
	if err != nil {
		return found, err
	}
	found.Of, found.Account = env.ID.Any(), app.Account.ID
	k.Kind, k.ID, k.FullAccess = principal.KindAPIKey, k.KeyID.Any(), mode == FullAccess
	return found, json.Unmarshal([]byte(scopes), &k.Scopes)
}

package application

import (
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Joins for the queries of other rooms, which name no table of this one.
const (
	// JoinApplication brings application as app; the id of the Application is to
	// follow.
	JoinApplication = ` JOIN application app ON app.id = `
)

const (
	insertApplication = `INSERT INTO application
		(id, account_id, name, slug, settings, default_environment_id, version, created_at, updated_at)
		VALUES ($1, $2, $3, $4, '{}', $5, 1, $6, $6)`

	selectApplication = `SELECT p.id, p.account_id, p.name, p.slug, p.settings, env.id, env.slug, p.version, p.created_at,
		p.updated_at FROM application p` +
		environment.JoinEnvironment + `p.default_environment_id WHERE p.account_id = $1`

	lockApplication = `SELECT version FROM application WHERE account_id = $1 AND id = $2`

	countSlug = `SELECT count(*) FROM application WHERE account_id = $1 AND slug = $2`

	countApplications = `SELECT count(*) FROM application WHERE account_id = $1`

	updateApplication = `UPDATE application SET name = $1, settings = $2, default_environment_id = $3,
		version = $4, updated_at = $5 WHERE account_id = $6 AND id = $7`

	deleteApplication = `DELETE FROM application WHERE account_id = $1 AND id = $2`

	insertDeleted = `INSERT INTO application_deleted (id, account_id, deleted_at) VALUES ($1, $2, $3)`

	selectDeleted = `SELECT id, account_id FROM application_deleted ORDER BY deleted_at LIMIT 100`

	dropDeleted = `DELETE FROM application_deleted WHERE account_id = $1 AND id = $2`

	selectResume = `SELECT env.slug FROM resume_state r` + environment.JoinEnvironment + `r.environment_id
		WHERE r.account_id = $1 AND r.application_id = $2 AND r.user_id = $3`

	upsertResume = `INSERT INTO resume_state (user_id, application_id, account_id, environment_id)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, application_id) DO UPDATE SET environment_id = excluded.environment_id`

	forgetResume = `DELETE FROM resume_state WHERE account_id = $1 AND user_id = $2`
)

func scan(row database.Scanner) (Application, error) {
	var a Application
	var settings string
	err := row.Scan(&a.ID, &a.AccountID, &a.Name, &a.Slug, &settings, &a.DefaultEnvironmentID,
		&a.DefaultEnvironmentSlug, &a.Version, &a.CreatedAt, &a.UpdatedAt)
	a.Settings = jsontext.Value(settings)
	return a, err
}

// Tables are those that the joins of this room read (database.DB.Watch).
func Tables() []string { return []string{"application"} }

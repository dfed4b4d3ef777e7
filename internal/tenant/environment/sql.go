package environment

import (
	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/platform/database"
)

// Joins for the queries of other rooms, which name no table of this one.
const (
	// JoinEnvironment brings environment as env; the id of the Environment is to
	// follow.
	JoinEnvironment = ` JOIN environment env ON env.id = `
)

const (
	insertEnvironment = `INSERT INTO environment
		(id, account_id, application_id, name, slug, access_model, hierarchy_schema, settings, version, created_at,
		updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9)`

	selectEnvironment = `SELECT env.id, env.account_id, env.application_id, env.name, env.slug, env.access_model,
		env.hierarchy_schema, env.settings, env.version, env.created_at, env.updated_at
		FROM environment env WHERE env.account_id = $1`

	updateEnvironment = `UPDATE environment SET name = $1, slug = $2, access_model = $3, hierarchy_schema = $4,
		settings = $5, version = $6, updated_at = $7 WHERE account_id = $8 AND id = $9`

	deleteEnvironment = `DELETE FROM environment WHERE account_id = $1 AND id = $2`

	insertDeleted = `INSERT INTO environment_deleted (id, account_id, deleted_at) VALUES ($1, $2, $3)`

	selectDeleted = `SELECT id, account_id FROM environment_deleted ORDER BY deleted_at LIMIT 100`

	dropDeleted = `DELETE FROM environment_deleted WHERE account_id = $1 AND id = $2`
)

func scan(row database.Scanner) (Environment, error) {
	var e Environment
	var schema *string
	var settings string
	err := row.Scan(&e.ID, &e.Account, &e.Application, &e.Name, &e.Slug, &e.Model, &schema, &settings, &e.Version,
		&e.CreatedAt, &e.UpdatedAt)
	if err != nil {
		return e, err
	}
	if schema != nil {
		e.Schema = &Schema{}
		if err := json.Unmarshal([]byte(*schema), e.Schema); err != nil {
			return e, err
		}
	}
	e.Settings = defaults()
	return e, json.Unmarshal([]byte(settings), &e.Settings)
}

// stored are schema and settings as they are kept; nil for no schema.
func (e Environment) stored() (schema any, settings string, err error) {
	if e.Schema != nil {
		raw, err := json.Marshal(e.Schema, json.Deterministic(true))
		if err != nil {
			return nil, "", err
		}
		schema = string(raw)
	}
	raw, err := json.Marshal(e.Settings)
	return schema, string(raw), err
}

// Tables are those that the joins of this room read (database.DB.Watch).
func Tables() []string { return []string{"environment"} }

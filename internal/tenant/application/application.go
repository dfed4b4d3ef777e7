// Package application owns Applications and their Environments: the tables
// application and environment. For now it makes them at sign-up and reads them;
// their own endpoints come with their area.
package application

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// Application is one product whose access is managed.
type Application struct {
	ID                     id.ID
	AccountID              id.ID
	Name                   string
	Slug                   string
	DefaultEnvironmentSlug string
}

// ErrNotFound says that the Account has no such Application.
var ErrNotFound = fault.New(fault.NotFound, "applications.not_found", "Application not found")

// NewParams is what Create wants; ids and slugs may have been promised before.
type NewParams struct {
	ID        id.ID
	AccountID id.ID
	Name      string
	Slug      string
}

// Create makes an Application with its Environments Development, the default
// one, and Production. Audit: application.created, environment.created twice.
func Create(ctx context.Context, tx *database.Tx, p NewParams) error {
	development, production := id.New[id.ID](tx.Now), id.New[id.ID](tx.Now)
	_, err := tx.Exec(ctx, `INSERT INTO application (id, account_id, name, slug, settings, default_environment_id, version, created_at, updated_at)
		VALUES ($1, $2, $3, $4, '{}', $5, 1, $6, $6)`, p.ID, p.AccountID, p.Name, p.Slug, development, tx.Now)
	if err != nil {
		return err
	}
	entry := audit.Entry{AccountID: p.AccountID, ApplicationID: p.ID, Action: "application.created", Category: "tenancy",
		ResourceType: "application", ResourceID: p.ID, ResourceLabel: p.Name}
	if err := audit.Write(ctx, tx, entry); err != nil {
		return err
	}
	for _, e := range []struct {
		id         id.ID
		name, slug string
	}{{development, "Development", "development"}, {production, "Production", "production"}} {
		_, err := tx.Exec(ctx, `INSERT INTO environment (id, account_id, application_id, name, slug, access_model, version, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, 'flat', 1, $6, $6)`, e.id, p.AccountID, p.ID, e.name, e.slug, tx.Now)
		if err != nil {
			return err
		}
		err = audit.Write(ctx, tx, audit.Entry{AccountID: p.AccountID, ApplicationID: p.ID, EnvironmentID: e.id,
			Action: "environment.created", Category: "tenancy", ResourceType: "environment", ResourceID: e.id, ResourceLabel: e.name})
		if err != nil {
			return err
		}
	}
	return nil
}

const selectApplication = `SELECT p.id, p.account_id, p.name, p.slug, e.slug
	FROM application p JOIN environment e ON e.id = p.default_environment_id `

func scan(row database.Scanner) (Application, error) {
	var a Application
	err := row.Scan(&a.ID, &a.AccountID, &a.Name, &a.Slug, &a.DefaultEnvironmentSlug)
	return a, err
}

// Of lists an Account's Applications, oldest first.
func Of(ctx context.Context, tx *database.Tx, accountID id.ID) ([]Application, error) {
	return database.All(ctx, tx, scan, selectApplication+`WHERE p.account_id = $1 ORDER BY p.created_at, p.id`, accountID)
}

// Find reads an Application by its id, whatever its Account; the caller checks
// that the Account is one it may see. ErrNotFound.
func Find(ctx context.Context, tx *database.Tx, applicationID id.ID) (Application, error) {
	a, err := scan(tx.QueryRow(ctx, selectApplication+`WHERE p.id = $1`, applicationID))
	if errors.Is(err, database.ErrNoRows) {
		return a, ErrNotFound
	}
	return a, err
}

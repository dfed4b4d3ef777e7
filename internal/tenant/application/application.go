// Package application owns Applications, the products whose access is managed:
// the table application. For now it makes them at sign-up and reads them; their
// own endpoints come with their area. It calls environment, since an Application
// always has one.
package application

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// ID names an Application.
type ID = scope.ApplicationID

// Application is one product of an Account.
type Application struct {
	ID                     ID
	AccountID              scope.AccountID
	Name                   string
	Slug                   string
	DefaultEnvironmentID   environment.ID
	DefaultEnvironmentSlug string
}

// ErrNotFound says that the Account has no such Application.
var ErrNotFound = fault.New(fault.NotFound, "applications.not_found", "Application not found")

// Created is recorded when an Application comes into being.
var Created = event.Type[event.None]{
	Action: "application.created", Category: event.Tenancy, Resource: "application",
	About: "An Application came into being.",
}

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

	selectApplication = `SELECT p.id, p.account_id, p.name, p.slug, env.id, env.slug FROM application p` +
		environment.JoinEnvironment + `p.default_environment_id WHERE p.account_id = $1`
)

func scan(row database.Scanner) (Application, error) {
	var a Application
	err := row.Scan(&a.ID, &a.AccountID, &a.Name, &a.Slug, &a.DefaultEnvironmentID, &a.DefaultEnvironmentSlug)
	return a, err
}

// NewParams is what Create wants; ids and slugs may have been promised before.
type NewParams struct {
	ID      ID
	Account scope.AccountID
	Name    string
	Slug    string
}

// Create makes an Application with its Environments Development, the default
// one, and Production. Events: application.created, environment.created twice.
func (s *Service) Create(ctx context.Context, tx *database.Tx, by principal.Actor, p NewParams) error {
	development, production := id.New[environment.ID](tx.Now), id.New[environment.ID](tx.Now)
	if _, err := tx.Exec(ctx, insertApplication, p.ID, p.Account, p.Name, p.Slug, development, tx.Now); err != nil {
		return err
	}
	entry := event.Entry{Actor: by, Account: p.Account, Application: p.ID, Resource: p.ID.Any(), Label: p.Name}
	if err := event.Record(ctx, tx, Created, entry, event.None{}); err != nil {
		return err
	}
	in := scope.Application{Account: scope.Account{ID: p.Account}, ID: p.ID, Slug: p.Slug}
	for _, e := range []environment.New{
		{At: scope.Environment{Application: in, ID: development, Slug: "development"}, Name: "Development"},
		{At: scope.Environment{Application: in, ID: production, Slug: "production"}, Name: "Production"},
	} {
		e.ApplicationName = p.Name
		if err := s.Parts.Create(ctx, tx, by, e); err != nil {
			return err
		}
	}
	return nil
}

// List gives an Account's Applications, oldest first.
func List(ctx context.Context, tx *database.Tx, accountID scope.AccountID) ([]Application, error) {
	return database.All(ctx, tx, scan, selectApplication+` ORDER BY p.created_at, p.id`, accountID)
}

// Find reads an Application of an Account; ErrNotFound.
func Find(ctx context.Context, tx *database.Tx, accountID scope.AccountID, applicationID ID) (Application, error) {
	a, err := scan(tx.QueryRow(ctx, selectApplication+` AND p.id = $2`, accountID, applicationID))
	if errors.Is(err, database.ErrNoRows) {
		return a, ErrNotFound
	}
	return a, err
}

// Service holds the use cases of Applications. It is safe for concurrent use.
type Service struct {
	DB    *database.DB
	Parts environment.Parts // of every Environment
}

// Place finds the Application of a slug in an Account; ErrNotFound.
func (s *Service) Place(ctx context.Context, in scope.Account, slug string) (scope.Application, error) {
	a, err := database.Read(ctx, s.DB, func(tx *database.Tx) (Application, error) {
		return scan(tx.QueryRow(ctx, selectApplication+` AND p.slug = $2`, in.ID, slug))
	})
	if errors.Is(err, database.ErrNoRows) {
		err = ErrNotFound
	}
	return scope.Application{Account: in, ID: a.ID, Slug: a.Slug}, err
}

// Default is the Environment of an Application for who names none; ErrNotFound.
func (s *Service) Default(ctx context.Context, in scope.Application) (scope.Environment, error) {
	a, err := database.Read(ctx, s.DB, func(tx *database.Tx) (Application, error) {
		return Find(ctx, tx, in.Account.ID, in.ID)
	})
	return scope.Environment{Application: in, ID: a.DefaultEnvironmentID, Slug: a.DefaultEnvironmentSlug}, err
}

// Tables are those that the joins of this room read (database.DB.Watch).
func Tables() []string { return []string{"application"} }

// Package environment owns Environments, the units of isolation of an
// Application: the table environment. For now it makes them; their own
// endpoints come with their area.
package environment

import (
	"context"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// ID names an Environment.
type ID = scope.EnvironmentID

// Created is recorded when an Environment comes into being.
var Created = event.Type[event.None]{
	Action: "environment.created", Category: event.Tenancy, Resource: "environment",
	About: "An Environment came into being.",
}

// Joins for the queries of other rooms, which name no table of this one.
const (
	// JoinEnvironment brings environment as env; the id of the Environment is to
	// follow.
	JoinEnvironment = ` JOIN environment env ON env.id = `
)

const insertEnvironment = `INSERT INTO environment
	(id, account_id, application_id, name, slug, access_model, version, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, 'flat', 1, $6, $6)`

// NewParams is what Create wants.
type NewParams struct {
	ID          ID
	Account     scope.AccountID
	Application scope.ApplicationID
	Name        string
	Slug        string
}

// Create makes a flat Environment. Event: environment.created.
func Create(ctx context.Context, tx *database.Tx, by principal.Actor, p NewParams) error {
	_, err := tx.Exec(ctx, insertEnvironment, p.ID, p.Account, p.Application, p.Name, p.Slug, tx.Now)
	if err != nil {
		return err
	}
	entry := event.Entry{
		Actor: by, Account: p.Account, Application: p.Application, Environment: p.ID, Resource: p.ID.Any(), Label: p.Name,
	}
	return event.Record(ctx, tx, Created, entry, event.None{})
}

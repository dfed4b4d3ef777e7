package environment

import (
	"context"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Part is what another room keeps of every Environment.
type Part interface {
	// Found writes what an Environment has from its first moment. It records no event and
	// appends to no revision: nobody follows the Environment yet.
	Found(ctx context.Context, tx *database.Tx, n New) error
	// Cut ends, in the transaction that deletes the Environment, what lets somebody in, or
	// shows it elsewhere. What it leaves, Sweep removes.
	Cut(ctx context.Context, tx *database.Tx, in scope.Environment) (Removed, error)
	// Sweep removes a piece of what is left of a deleted Environment, small enough for one
	// transaction that others wait for; done says that nothing is left.
	Sweep(ctx context.Context, tx *database.Tx, gone ID) (done bool, err error)
}

// Parts are all there are, in the order in which they are founded.
type Parts []Part

// Removed counts what a deletion takes along.
type Removed struct {
	Nodes       int
	Assignments int
}

// New is what an Environment is made of.
type New struct {
	At              scope.Environment // ids and slug may have been promised before
	Name            string
	ApplicationName string // names the root node
	Copy            *Copy  // nil: it is flat, and has what every Environment has
}

// Copy is what a new Environment is a copy of.
type Copy struct {
	From   string // slug
	Model  Model
	Schema *Schema // nil: none
	// Fill writes what is copied, once the Environment has what every one has, and counts it.
	Fill func(ctx context.Context, tx *database.Tx, at scope.Environment) (Copied, error)
}

// Copied counts what was copied.
type Copied struct {
	Permissions int `json:"permissions"`
	Roles       int `json:"roles"`
	Nodes       int `json:"nodes"` // the root included
}

// CreatedPayload says where a copy comes from.
type CreatedPayload struct {
	CopiedFrom string  `json:"copied_from,omitempty"` // slug
	Copied     *Copied `json:"copied,omitempty"`
}

// Created is recorded when an Environment comes into being.
var Created = event.Type[CreatedPayload]{
	Action: "environment.created", Category: event.Tenancy, Resource: "environment",
	About: "An Environment came into being.",
}

// Create makes an Environment with all its parts. Fault: environments.slug_taken. Event:
// environment.created.
func (parts Parts) Create(ctx context.Context, tx *database.Tx, by principal.Actor, n New) error {
	e := Environment{Model: Flat, Settings: defaults()}
	if n.Copy != nil {
		e.Model, e.Schema = n.Copy.Model, n.Copy.Schema
	}
	schema, settings, err := e.stored()
	if err != nil {
		return err
	}
	account, application := n.At.Application.Account.ID, n.At.Application.ID
	_, err = tx.Exec(ctx, insertEnvironment, n.At.ID, account, application, n.Name, n.At.Slug, string(e.Model),
		schema, settings, tx.Now)
	if tx.DB.Broken(err, "environment_application_slug") {
		return ErrSlugTaken
	}
	if err != nil {
		return err
	}
	if err := revision.Open(ctx, tx, account, n.At.ID.Any()); err != nil {
		return err
	}
	for _, p := range parts {
		if err := p.Found(ctx, tx, n); err != nil {
			return err
		}
	}
	told := CreatedPayload{}
	if n.Copy != nil {
		copied, err := n.Copy.Fill(ctx, tx, n.At)
		if err != nil {
			return err
		}
		told = CreatedPayload{n.Copy.From, &copied}
	}
	entry := event.Entry{
		Actor: by, Account: account, Application: application, Environment: n.At.ID, Resource: n.At.ID.Any(), Label: n.Name,
	}
	return event.Record(ctx, tx, Created, entry, told)
}

// Cut deletes an Environment whose lock the transaction holds: nothing leads there any
// more. What the parts leave, Sweep removes.
func (parts Parts) Cut(ctx context.Context, tx *database.Tx, in scope.Environment) (all Removed, err error) {
	for _, p := range parts {
		removed, err := p.Cut(ctx, tx, in)
		if err != nil {
			return all, err
		}
		all.Nodes += removed.Nodes
		all.Assignments += removed.Assignments
	}
	account := in.Application.Account.ID
	if _, err := tx.Exec(ctx, deleteEnvironment, account, in.ID); err != nil {
		return all, err
	}
	if _, err := tx.Exec(ctx, insertDeleted, in.ID, account, tx.Now); err != nil {
		return all, err
	}
	return all, revision.Close(ctx, tx, account, in.ID.Any())
}

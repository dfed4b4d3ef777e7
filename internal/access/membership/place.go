package membership

import (
	"context"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Place is where a caller sees people from: an Environment, whose active members are seen; an
// Application, likewise; or an Account, with all of its identities. Whoever is not seen is
// identities.not_found.
type Place struct {
	account     scope.Account
	application scope.Application // zero: from the Account
	environment scope.Environment // zero: from above
	standard    scope.Environment // the default one, of an Application
}

// InEnvironment sees the members of an Environment.
func InEnvironment(in scope.Environment) Place {
	return Place{account: in.Application.Account, application: in.Application, environment: in}
}

// InApplication sees the members of an Application, whose default Environment is given.
func InApplication(in scope.Application, standard scope.Environment) Place {
	return Place{account: in.Account, application: in, standard: standard}
}

// InAccount sees all identities of an Account.
func InAccount(in scope.Account) Place { return Place{account: in} }

// Account is the Account of the place.
func (p Place) Account() scope.Account { return p.account }

// Application is that of the place; false from an Account.
func (p Place) Application() (scope.Application, bool) {
	return p.application, !p.application.ID.IsZero()
}

// AboveEnvironments is the Application of a place that is one; false for others.
func (p Place) AboveEnvironments() (scope.Application, bool) {
	return p.application, p.environment.ID.IsZero() && !p.application.ID.IsZero()
}

// Environment is that of the place, or the default one of its Application; false from an
// Account.
func (p Place) Environment() (scope.Environment, bool) {
	if !p.environment.ID.IsZero() {
		return p.environment, true
	}
	return p.standard, !p.standard.ID.IsZero()
}

// Find reads somebody who is seen.
func (p Place) Find(ctx context.Context, tx *database.Tx, who enduser.ID) (enduser.Identity, error) {
	switch {
	case !p.environment.ID.IsZero():
		return findMember(ctx, tx, p.environment, who)
	case !p.application.ID.IsZero():
		return findAppMember(ctx, tx, p.application, who)
	}
	return enduser.Find(ctx, tx, p.account.ID, who)
}

// Hold is Find for who is going to change the person: it holds the row of the identity until
// the transaction ends (enduser.Lock).
func (p Place) Hold(ctx context.Context, tx *database.Tx, who enduser.ID) (enduser.Identity, error) {
	i, err := enduser.Lock(ctx, tx, p.account.ID, who)
	if err != nil {
		return i, err
	}
	_, err = p.Find(ctx, tx, who)
	return i, err
}

// Knows reports whether somebody is or was a member here.
func (p Place) Knows(ctx context.Context, tx *database.Tx, who enduser.ID) (is bool, err error) {
	switch {
	case !p.environment.ID.IsZero():
		_, is, err = Of(ctx, tx, p.environment, who)
	case !p.application.ID.IsZero():
		_, is, err = AppOf(ctx, tx, p.application, who)
	default:
		is = true
	}
	return is, err
}

// Entry is an event about somebody, of the place's tier: from an Application it belongs to the
// default Environment, if the person is a member there.
func (p Place) Entry(
	ctx context.Context, tx *database.Tx, by principal.Actor, who enduser.Identity,
) (event.Entry, error) {
	e := event.Entry{
		Actor: by, Account: p.account.ID, Application: p.application.ID, Environment: p.environment.ID,
		Resource: who.ID.Any(), Label: who.Email,
	}
	if p.standard.ID.IsZero() {
		return e, nil
	}
	is, err := IsActive(ctx, tx, p.standard, who.ID)
	if is {
		e.Environment = p.standard.ID
	}
	return e, err
}

// Read runs fn on one view of the place.
func Read[T any](
	ctx context.Context, db *database.DB, at Place, fn func(tx *database.Tx) (T, error),
) (T, error) {
	if at.environment.ID.IsZero() {
		return database.Read(ctx, db, fn)
	}
	return environment.Read(ctx, db, at.environment, func(tx *database.Tx, _ revision.At) (T, error) { return fn(tx) })
}

// WriteBeside runs fn, which changes people whose rows it holds, and holds no Environment.
func WriteBeside[T any](
	ctx context.Context, db *database.DB, at Place, fn func(tx *database.Tx) (T, error),
) (T, error) {
	if at.environment.ID.IsZero() {
		return database.Write(ctx, db, fn)
	}
	return environment.WriteBeside(ctx, db, at.environment, fn)
}

// RecordEach writes an event about a person that concerns the whole Account: once for the
// Account, and once for each Environment in which the person is a member. payload gives that
// of the Account's row, which names the Environments, and that of the others, which don't.
func RecordEach[P any](
	ctx context.Context, tx *database.Tx, by principal.Actor, who enduser.Identity, in []Membership, t event.Type[P],
	payload func(environments []scope.EnvironmentID) P,
) error {
	all := []scope.EnvironmentID{}
	for _, m := range in {
		all = append(all, m.In.ID)
	}
	entry := event.Entry{Actor: by, Account: who.Account, Resource: who.ID.Any(), Label: who.Email}
	if err := event.Record(ctx, tx, t, entry, payload(all)); err != nil {
		return err
	}
	for _, m := range in {
		if err := event.Record(ctx, tx, t, Entry(by, m.In, who), payload(nil)); err != nil {
			return err
		}
	}
	return nil
}

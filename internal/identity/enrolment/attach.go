package enrolment

import (
	"context"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Attach makes identities of the Account members of the Environment, again or for the first
// time, each by itself and without a role; of back alone, those who were members once. Faults
// of rows: identities.not_found, identities.already_member. Event:
// identity.env_membership.added.
func (s *Service) Attach(
	ctx context.Context, by principal.Actor, in scope.Environment, ids []enduser.ID, back bool,
) ([]Result, error) {
	return attach(ctx, s.DB, in, ids, func(tx *database.Tx, who enduser.Identity) (enduser.Identity, error) {
		if back {
			_, was, err := membership.Of(ctx, tx, in, who.ID)
			if err == nil && !was {
				err = enduser.ErrNotFound
			}
			if err != nil {
				return who, err
			}
		}
		return who, add(ctx, tx, by, in, who)
	}, func(who enduser.Identity, err error) Result { return Result{who, err} })
}

// add makes a person a member, or one again.
func add(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, who enduser.Identity,
) error {
	m, again, err := membership.Activate(ctx, tx, in, who)
	if err != nil {
		return err
	}
	told := membership.AddedPayload{Reactivated: again, ID: m.ID}
	return event.Record(ctx, tx, membership.Added, membership.Entry(by, in, who), told)
}

// AppResult is how one row of several ended: with a place in an Application, or with a fault.
type AppResult struct {
	Membership membership.App
	Err        error
}

// AttachToApplication makes identities of the Account members of an Application and its
// default Environment, each by itself and without a role. Faults of rows:
// identities.not_found, identities.already_member. Events: identity.app_membership.added,
// identity.env_membership.added.
func (s *Service) AttachToApplication(
	ctx context.Context, by principal.Actor, in scope.Application, ids []enduser.ID,
) ([]AppResult, error) {
	home, err := database.Read(ctx, s.DB, func(tx *database.Tx) (scope.Environment, error) {
		_, e, err := standard(ctx, tx, in.Account, in.ID)
		return e, err
	})
	if err != nil {
		return nil, err
	}
	return attach(ctx, s.DB, home, ids, func(tx *database.Tx, who enduser.Identity) (membership.App, error) {
		return addToApplication(ctx, tx, by, home, who)
	}, func(a membership.App, err error) AppResult { return AppResult{a, err} })
}

// Join is AttachToApplication for one identity and an Application that a body names. Fault,
// besides: applications.not_found.
func (s *Service) Join(
	ctx context.Context, by principal.Actor, in scope.Account, who enduser.ID, into string,
) (membership.App, error) {
	app := scope.Application{Account: in, ID: named[application.ID](&into)}
	// Who is named in the path comes before what the body names.
	_, err := database.Read(ctx, s.DB, func(tx *database.Tx) (enduser.Identity, error) {
		return enduser.Find(ctx, tx, in.ID, who)
	})
	if err != nil {
		return membership.App{}, err
	}
	results, err := s.AttachToApplication(ctx, by, app, []enduser.ID{who})
	if err != nil {
		return membership.App{}, err
	}
	return results[0].Membership, results[0].Err
}

func addToApplication(
	ctx context.Context, tx *database.Tx, by principal.Actor, home scope.Environment, who enduser.Identity,
) (membership.App, error) {
	a, changed, err := membership.ActivateApp(ctx, tx, home.Application, who)
	if err != nil {
		return a, err
	}
	if !changed {
		return a, membership.ErrAlreadyMember
	}
	about := membership.AppEntry(by, home.Application, who)
	err = event.Record(ctx, tx, membership.AppAdded, about, membership.AppPayload{Application: home.Application.ID})
	if err != nil {
		return a, err
	}
	return a, add(ctx, tx, by, home, who)
}

// attach runs one for each of the identities, which the transaction holds with the
// Environment; those that are not in the Account are identities.not_found.
func attach[T, R any](
	ctx context.Context, db *database.DB, in scope.Environment, ids []enduser.ID,
	one func(tx *database.Tx, who enduser.Identity) (T, error), result func(T, error) R,
) ([]R, error) {
	var held map[enduser.ID]enduser.Identity
	return environment.WriteAfter(ctx, db, in, func(tx *database.Tx) (err error) {
		held, err = enduser.LockAll(ctx, tx, in.Application.Account.ID, ids)
		return err
	}, func(tx *database.Tx, _ environment.Environment) ([]R, error) {
		list := make([]R, len(ids))
		for i, of := range ids {
			var made T
			var err error = enduser.ErrNotFound
			if who, is := held[of]; is {
				made, err = one(tx, who)
			}
			if err != nil && fault.As(err) == nil {
				return nil, err
			}
			list[i] = result(made, err)
		}
		return list, nil
	})
}

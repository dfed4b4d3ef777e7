package enrolment

import (
	"context"
	"errors"
	"slices"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Remove ends somebody's membership in the Environment, with all assignments, pending invites
// and sessions there. The identity, and its place in the Application, stay. Fault:
// identities.not_found. Event: identity.env_membership.removed.
func (s *Service) Remove(ctx context.Context, by principal.Actor, in scope.Environment, who enduser.ID) error {
	var i enduser.Identity
	_, err := environment.WriteAfter(ctx, s.DB, in, func(tx *database.Tx) (err error) {
		i, err = membership.InEnvironment(in).Hold(ctx, tx, who)
		return err
	}, func(tx *database.Tx, _ environment.Environment) (none struct{}, err error) {
		return none, s.remove(ctx, tx, by, in, i)
	})
	return err
}

// remove ends an active membership of a person whom the transaction holds.
func (s *Service) remove(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, who enduser.Identity,
) error {
	was, err := membership.Deactivate(ctx, tx, in, who)
	if err != nil || !was {
		return err
	}
	if _, err := assignment.DropOfIdentity(ctx, tx, in, who.ID); err != nil {
		return err
	}
	if err := identitysession.EndIn(ctx, tx, in.ID, who.ID); err != nil {
		return err
	}
	var told membership.RemovedPayload
	if s.RevokeInvites != nil {
		if told.RevokedInvites, err = s.RevokeInvites(ctx, tx, by, in, who.Email); err != nil {
			return err
		}
	}
	return event.Record(ctx, tx, membership.Removed, membership.Entry(by, in, who), told)
}

// errMoved says that a person has come into an Environment that is not held.
var errMoved = errors.New("enrolment: the memberships have changed")

// RemoveFromApplication ends somebody's place in the Application, and the memberships in its
// Environments as Remove does. Fault: identities.not_found. Events:
// identity.app_membership.removed, identity.env_membership.removed for each.
func (s *Service) RemoveFromApplication(
	ctx context.Context, by principal.Actor, in scope.Application, who enduser.ID,
) error {
	at := membership.InApplication(in, scope.Environment{})
	return s.everywhere(ctx, at, who, func(m membership.Membership) bool {
		return m.Status == membership.Active && m.In.Application.ID == in.ID
	}, func(tx *database.Tx, i enduser.Identity, there []membership.Membership) error {
		if _, err := membership.DeactivateApp(ctx, tx, in, i.ID); err != nil {
			return err
		}
		about := membership.AppEntry(by, in, i)
		err := event.Record(ctx, tx, membership.AppRemoved, about, membership.AppPayload{Application: in.ID})
		if err != nil {
			return err
		}
		for _, m := range there {
			if err := s.remove(ctx, tx, by, m.In, i); err != nil {
				return err
			}
		}
		return nil
	})
}

// everywhere runs fn with a person, whom it holds, and those of the person's memberships that
// which picks, whose Environments it holds too.
func (s *Service) everywhere(
	ctx context.Context, at membership.Place, who enduser.ID, which func(membership.Membership) bool,
	fn func(tx *database.Tx, i enduser.Identity, there []membership.Membership) error,
) error {
	picked := func(tx *database.Tx, i enduser.Identity) ([]membership.Membership, error) {
		all, err := membership.Everywhere(ctx, tx, i)
		return slices.DeleteFunc(all, func(m membership.Membership) bool { return !which(m) }), err
	}
	for {
		in, err := database.Read(ctx, s.DB, func(tx *database.Tx) (in []scope.Environment, err error) {
			i, err := at.Find(ctx, tx, who)
			if err != nil {
				return nil, err
			}
			all, err := picked(tx, i)
			for _, m := range all {
				in = append(in, m.In)
			}
			return in, err
		})
		if err != nil {
			return err
		}
		var i enduser.Identity
		var there []membership.Membership
		_, err = environment.WriteAll(ctx, s.DB, in, func(tx *database.Tx) (err error) {
			if i, err = at.Hold(ctx, tx, who); err != nil {
				return err
			}
			if there, err = picked(tx, i); err != nil {
				return err
			}
			for _, m := range there {
				if !slices.ContainsFunc(in, func(e scope.Environment) bool { return e.ID == m.In.ID }) {
					return errMoved
				}
			}
			return nil
		}, func(tx *database.Tx) (none struct{}, err error) { return none, fn(tx, i, there) })
		if !errors.Is(err, errMoved) && !errors.Is(err, environment.ErrNotFound) {
			return err
		}
	}
}

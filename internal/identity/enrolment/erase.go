package enrolment

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/identity/mfa"
	"canopy.dev/canopy/internal/platform/database"
)

// Erased is recorded when a person is erased. Its rows name nobody.
var Erased = event.Type[ErasedPayload]{
	Action: "identity.erased", Category: event.Identity, Resource: "identity", Severity: event.Warning,
	Feed: event.OfEnvironments, On: event.Both,
	About: "A person was erased: identity, memberships, credentials, and what the log said of them.",
}

// ErasedPayload names, in the Account's row, the Environments in which the person was a member.
type ErasedPayload struct {
	Environments []scope.EnvironmentID `json:"environment_ids,omitempty"`
}

// Erase deletes a person with everything that is kept of them, and takes out of the log what
// names or places them; ids, actions and times stay. The address is free afterwards. It may
// take as long as the log is long. Fault: identities.not_found. Event: identity.erased.
func (s *Service) Erase(ctx context.Context, by principal.Actor, in scope.Account, who enduser.ID) error {
	everywhere := func(membership.Membership) bool { return true }
	return s.everywhere(database.Long(ctx), membership.InAccount(in), who, everywhere,
		func(tx *database.Tx, i enduser.Identity, there []membership.Membership) error {
			invites, err := s.forget(ctx, tx, i, there)
			if err != nil {
				return err
			}
			gone := event.Person{ID: i.ID, Names: []string{i.Email, i.FirstName, i.LastName, i.Name()}, Invites: invites}
			if err := event.ErasePerson(ctx, tx, i.Account, gone); err != nil {
				return err
			}
			if err := enduser.Remove(ctx, tx, i.Account, i.ID); err != nil {
				return err
			}
			was := slices.DeleteFunc(slices.Clone(there), func(m membership.Membership) bool {
				return m.Status != membership.Active
			})
			i.Email = event.Erased
			return membership.RecordEach(ctx, tx, by, i, was, Erased, func(all []scope.EnvironmentID) ErasedPayload {
				return ErasedPayload{all}
			})
		})
}

// forget deletes what refers to a person whom the transaction holds with all Environments, and
// gives the invites that there were.
func (s *Service) forget(
	ctx context.Context, tx *database.Tx, who enduser.Identity, there []membership.Membership,
) (invites []id.ID, err error) {
	for _, m := range there {
		if _, err := assignment.DropOfIdentity(ctx, tx, m.In, who.ID); err != nil {
			return nil, err
		}
	}
	if err := membership.Forget(ctx, tx, who, there); err != nil {
		return nil, err
	}
	for _, forget := range []func(context.Context, *database.Tx, enduser.Identity) error{
		identitysession.Forget, mfa.Forget, s.Credentials.Forget,
	} {
		if err := forget(ctx, tx, who); err != nil {
			return nil, err
		}
	}
	if s.ForgetInvites == nil {
		return nil, nil
	}
	return s.ForgetInvites(ctx, tx, who.Account, who.Email)
}

package profile

import (
	"context"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/platform/database"
)

// Service holds the use cases, one transaction each. It is safe for concurrent use.
type Service struct{ DB *database.DB }

// Change is what a caller wants changed; nil leaves a field as it is.
type Change struct {
	enduser.Change
	IsActive *bool `json:"is_active,omitempty" nullable:"false" doc:"The switch for the whole Account."`
}

// Rules implements text.Ruled.
func (c *Change) Rules(f *text.Fields) { c.Change.Rules(f) }

// Update changes an identity. A change that changes nothing writes nothing. Fault:
// identities.not_found. Events: identity.updated for the profile, and those of SetActive.
func (s *Service) Update(
	ctx context.Context, by principal.Actor, at membership.Place, who enduser.ID, c Change,
) (enduser.Identity, error) {
	return membership.WriteBeside(ctx, s.DB, at, func(tx *database.Tx) (enduser.Identity, error) {
		i, err := at.Hold(ctx, tx, who)
		if err != nil {
			return i, err
		}
		if i, err = update(ctx, tx, by, at, i, c.Change); err != nil || c.IsActive == nil {
			return i, err
		}
		return setActive(ctx, tx, by, i, *c.IsActive)
	})
}

// update changes the profile of a person whom the transaction holds.
func update(
	ctx context.Context, tx *database.Tx, by principal.Actor, at membership.Place, before enduser.Identity,
	c enduser.Change,
) (enduser.Identity, error) {
	i, changes, err := before.Applied(c)
	if err != nil || len(changes.Fields()) == 0 {
		return before, err
	}
	if i, err = enduser.SaveProfile(ctx, tx, i); err != nil {
		return i, err
	}
	if i.NameFold() != before.NameFold() {
		if _, err := membership.Follow(ctx, tx, i); err != nil {
			return i, err
		}
	}
	in, inside := at.Environment()
	if !inside {
		return i, updated(ctx, tx, by, i, changes)
	}
	revision.AppendBeside(tx, in)
	about, err := at.Entry(ctx, tx, by, i)
	if err != nil {
		return i, err
	}
	return i, event.Record(ctx, tx, enduser.Updated, about, enduser.UpdatedPayload{Changes: &changes})
}

// updated records a change through the directory: for the Account and each Environment.
func updated(
	ctx context.Context, tx *database.Tx, by principal.Actor, i enduser.Identity, changes enduser.Changes,
) error {
	in, err := membership.ActiveEverywhere(ctx, tx, i)
	if err != nil {
		return err
	}
	told := enduser.UpdatedPayload{Fields: changes.Fields()}
	return membership.RecordEach(ctx, tx, by, i, in, enduser.Updated,
		func([]scope.EnvironmentID) enduser.UpdatedPayload { return told })
}

// SetActive switches somebody on or off, for the whole Account. As it is already it writes
// nothing. Off ends every session. Fault: identities.not_found. Events:
// identity.status_set, and session.all_revoked if there were sessions.
func (s *Service) SetActive(
	ctx context.Context, by principal.Actor, at membership.Place, who enduser.ID, active bool,
) (enduser.Identity, error) {
	return s.Update(ctx, by, at, who, Change{IsActive: &active})
}

// setActive switches a person whom the transaction holds.
func setActive(
	ctx context.Context, tx *database.Tx, by principal.Actor, before enduser.Identity, active bool,
) (enduser.Identity, error) {
	if before.Active == active {
		return before, nil
	}
	i, err := enduser.SetActive(ctx, tx, before, active)
	if err != nil {
		return i, err
	}
	in, err := membership.Follow(ctx, tx, i)
	if err != nil {
		return i, err
	}
	err = membership.RecordEach(ctx, tx, by, i, in, enduser.StatusSet,
		func(all []scope.EnvironmentID) enduser.StatusSetPayload {
			return enduser.StatusSetPayload{Previous: before.Active, New: active, Environments: all}
		})
	if err != nil || active {
		return i, err
	}
	_, err = identitysession.EndAll(ctx, tx, by, i, identitysession.IdentityDeactivated)
	return i, err
}

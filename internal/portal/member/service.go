package member

import (
	"context"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// Service holds the use cases, one transaction each. It is safe for concurrent use.
type Service struct{ DB *database.DB }

// List gives one page of the Account's people; the sort keys are
// portaluser.Sorts.
func (s *Service) List(
	ctx context.Context, in scope.Account, r page.Request, only portaluser.Activity,
) (list []portaluser.Member, info page.Info, err error) {
	err = database.View(ctx, s.DB, func(tx *database.Tx) error {
		var count int
		list, count, err = portaluser.Members(ctx, tx, in.ID, r, only)
		info = r.Of(count)
		return err
	})
	return list, info, err
}

// All lists everybody, owners first, then by name.
func (s *Service) All(ctx context.Context, in scope.Account) ([]portaluser.Member, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]portaluser.Member, error) {
		return portaluser.EveryMember(ctx, tx, in.ID)
	})
}

// Counts tells how many people there are, and how many of them are active.
func (s *Service) Counts(ctx context.Context, in scope.Account) (total, active int, err error) {
	err = database.View(ctx, s.DB, func(tx *database.Tx) error {
		total, active, err = portaluser.CountMembers(ctx, tx, in.ID)
		return err
	})
	return total, active, err
}

// Get reads one person. Fault: users.not_found.
func (s *Service) Get(ctx context.Context, in scope.Account, userID portaluser.ID) (portaluser.Member, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (portaluser.Member, error) {
		return portaluser.FindMember(ctx, tx, in.ID, userID)
	})
}

// change is a change of one person that is under way.
type change struct {
	tx     *database.Tx
	by     principal.Actor
	in     scope.AccountID
	role   permission.AccountRole // of who makes the change
	member portaluser.Member
	who    portaluser.Locked
}

// change runs fn on a person, holding the Account's row: changes of people in
// one Account follow one another, so that of two owners who demote each other
// one is told no: account.last_owner. takes says whether fn takes an owner's place.
func (s *Service) change(
	ctx context.Context, by principal.User, in scope.Account, userID portaluser.ID, takes bool, fn func(c change) error,
) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		if err := account.Lock(ctx, tx, in.ID); err != nil {
			return err
		}
		me, is, err := portaluser.MembershipOf(ctx, tx, in.ID, by.UserID)
		if err != nil {
			return err
		}
		acts := is && me.Active
		owns := acts && me.Role.Holds(permission.UserManageOwners)
		overtaken := by.Role == permission.Owner && !owns // since the call began
		if !acts && !overtaken {
			return fault.PermissionDenied
		}
		who, err := portaluser.Lock(ctx, tx, userID)
		if err != nil {
			return err
		}
		m, err := portaluser.FindMember(ctx, tx, in.ID, userID)
		if err != nil {
			return err
		}
		c := change{tx: tx, by: by.Actor, in: in.ID, role: me.Role, member: m, who: who}
		if overtaken && takes {
			if err := c.keepsOwner(ctx); err != nil {
				return err
			}
		}
		if !acts || m.Role == permission.Owner && !owns {
			return fault.PermissionDenied
		}
		return fn(c)
	})
}

// keepsOwner refuses to take the last active owner away.
func (c change) keepsOwner(ctx context.Context) error {
	if c.member.Role != permission.Owner || !c.member.Active {
		return nil
	}
	others, err := portaluser.OtherOwners(ctx, c.tx, c.in, c.member.UserID)
	if err == nil && others == 0 {
		return ErrLastOwner
	}
	return err
}

func record[P any](ctx context.Context, c change, t event.Type[P], payload P) error {
	entry := event.Entry{Actor: c.by, Account: c.in, Resource: c.member.UserID.Any(), Label: c.member.Email}
	return event.Record(ctx, c.tx, t, entry, payload)
}

// Remove takes a person out of the Account; sessions bound to it end. Faults:
// users.not_found, auth.permission_denied, account.last_owner. Events:
// account_member.removed, session.all_revoked.
func (s *Service) Remove(ctx context.Context, by principal.User, in scope.Account, userID portaluser.ID) error {
	return s.change(ctx, by, in, userID, true, func(c change) error {
		if err := c.keepsOwner(ctx); err != nil {
			return err
		}
		if err := portaluser.RemoveMember(ctx, c.tx, in.ID, userID); err != nil {
			return err
		}
		if err := application.ForgetResume(ctx, c.tx, in.ID, userID); err != nil {
			return err
		}
		if err := record(ctx, c, Removed, event.None{}); err != nil {
			return err
		}
		return session.EndInAccount(ctx, c.tx, by.Actor, in.ID, c.who, session.MemberRemoved)
	})
}

// SetActive switches a person on or off; nothing is written when nothing had to
// change. Faults as for Remove. Events: account_member.activated, or
// account_member.deactivated and session.all_revoked.
func (s *Service) SetActive(
	ctx context.Context, by principal.User, in scope.Account, userID portaluser.ID, active bool,
) error {
	return s.change(ctx, by, in, userID, !active, func(c change) error {
		if c.member.Active == active {
			return nil
		}
		if !active {
			if err := c.keepsOwner(ctx); err != nil {
				return err
			}
		}
		if err := portaluser.SetMemberActive(ctx, c.tx, in.ID, userID, active); err != nil {
			return err
		}
		if active {
			return record(ctx, c, Activated, event.None{})
		}
		if err := record(ctx, c, Deactivated, event.None{}); err != nil {
			return err
		}
		return session.EndInAccount(ctx, c.tx, by.Actor, in.ID, c.who, session.MemberDeactivated)
	})
}

// SetRole changes what a person is; owners only. Faults: users.not_found,
// auth.permission_denied, account.last_owner, validation. Event:
// account_member.role_changed.
func (s *Service) SetRole(
	ctx context.Context, by principal.User, in scope.Account, userID portaluser.ID, role permission.AccountRole,
) (after portaluser.Member, err error) {
	err = s.change(ctx, by, in, userID, role != permission.Owner, func(c change) error {
		if !c.role.Holds(permission.UserManageOwners) {
			return fault.PermissionDenied
		}
		after = c.member
		if c.member.Role == role {
			return nil
		}
		if role == permission.Owner && !c.member.Active {
			return ErrDeactivatedOwner
		}
		if err := c.keepsOwner(ctx); err != nil {
			return err
		}
		after.Role = role
		if err := portaluser.SetMemberRole(ctx, c.tx, in.ID, userID, role); err != nil {
			return err
		}
		return record(ctx, c, RoleChanged, RoleChangedPayload{c.member.Role, role})
	})
	return after, err
}

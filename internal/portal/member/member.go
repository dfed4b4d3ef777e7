// Package member holds the use cases on the people of an Account: listing,
// switching on and off, removing, changing roles. It owns no table; it works on
// those of account and portaluser, and ends sessions through session, in one
// transaction. Reach ends at the Account: memberships elsewhere, the password
// and the user row stay.
package member

import (
	"context"
	"errors"
	"strconv"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/tenant/account"
)

// Member is a portal user as one Account sees it.
type Member struct {
	UserID    id.ID
	Email     string
	FirstName string
	LastName  string
	Role      account.Role
	Active    bool
	CreatedAt time.Time // of the user
	JoinedAt  time.Time // of the membership
}

// Name is first and last name.
func (m Member) Name() string { return m.FirstName + " " + m.LastName }

// The faults of people in an Account.
var (
	ErrPermissionDenied = fault.New(fault.Forbidden, "auth.permission_denied", "You are not allowed to do this")
	ErrLastOwner        = fault.New(fault.Conflict, "account.last_owner", "The account must keep an active owner")
	ErrDeactivatedOwner = fault.Validation.WithDetails("account_role can't be owner for a deactivated person")
)

// Service holds the use cases, one transaction each. It is safe for concurrent use.
type Service struct{ DB *database.DB }

const from = ` FROM account_member m JOIN portal_user u ON u.id = m.user_id WHERE m.account_id = $1`

const columns = `u.id, u.email, u.first_name, u.last_name, m.account_role, m.is_active, u.created_at, m.joined_at`

func scan(row database.Scanner) (Member, error) {
	var m Member
	err := row.Scan(&m.UserID, &m.Email, &m.FirstName, &m.LastName, &m.Role, &m.Active, &m.CreatedAt, &m.JoinedAt)
	return m, err
}

// List gives one page of the caller's Account's people; active nil is any. The
// columns to sort by are joined_at, email and name.
func (s *Service) List(ctx context.Context, r page.Request, active *bool) ([]Member, page.Info, error) {
	type result struct {
		items []Member
		info  page.Info
	}
	got, err := database.Read(ctx, s.DB, func(tx *database.Tx) (result, error) {
		where, args := from, []any{principal.From(ctx).Principal.AccountID}
		if active != nil {
			args = append(args, *active)
			where += ` AND m.is_active = $` + strconv.Itoa(len(args))
		}
		if r.Q != "" {
			args = append(args, text.LikePattern(r.Q))
			n := strconv.Itoa(len(args))
			where += ` AND (u.email LIKE $` + n + ` ESCAPE '\' OR u.name_fold LIKE $` + n + ` ESCAPE '\')`
		}
		var count int
		if err := tx.QueryRow(ctx, `SELECT count(*)`+where, args...).Scan(&count); err != nil {
			return result{}, err
		}
		by := map[string]string{"joined_at": "m.joined_at", "email": "u.email", "name": "u.name_fold"}[r.SortBy]
		direction := " ASC"
		if r.Desc {
			direction = " DESC"
		}
		items, err := database.All(ctx, tx, scan, `SELECT `+columns+where+` ORDER BY `+by+direction+`, u.id`+direction+
			` LIMIT `+strconv.Itoa(r.Take)+` OFFSET `+strconv.Itoa(r.Offset()), args...)
		return result{items, r.Of(count)}, err
	})
	return got.items, got.info, err
}

// All lists everybody, owners first, then by name.
func (s *Service) All(ctx context.Context) ([]Member, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]Member, error) {
		return database.All(ctx, tx, scan, `SELECT `+columns+from+
			` ORDER BY CASE m.account_role WHEN 'owner' THEN 0 ELSE 1 END, u.name_fold, u.id`, principal.From(ctx).Principal.AccountID)
	})
}

// Counts tells how many people there are, and how many of them are active.
func (s *Service) Counts(ctx context.Context) (total, active int, err error) {
	_, err = database.Read(ctx, s.DB, func(tx *database.Tx) (struct{}, error) {
		return struct{}{}, tx.QueryRow(ctx, `SELECT count(*), COALESCE(sum(is_active), 0) FROM account_member WHERE account_id = $1`,
			principal.From(ctx).Principal.AccountID).Scan(&total, &active)
	})
	return total, active, err
}

// Get reads one person. Fault: users.not_found.
func (s *Service) Get(ctx context.Context, userID id.ID) (Member, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (Member, error) { return get(ctx, tx, userID) })
}

func get(ctx context.Context, tx *database.Tx, userID id.ID) (Member, error) {
	m, err := scan(tx.QueryRow(ctx, `SELECT `+columns+from+` AND m.user_id = $2`, principal.From(ctx).Principal.AccountID, userID))
	if errors.Is(err, database.ErrNoRows) {
		return m, portaluser.ErrNotFound
	}
	return m, err
}

// change runs fn on a person, holding the Account's row: changes of people in
// one Account follow one another, so that of two owners who demote each other
// one is told no.
func (s *Service) change(ctx context.Context, userID id.ID, fn func(tx *database.Tx, m Member) error) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		caller := principal.From(ctx).Principal
		if _, err := tx.Exec(ctx, `UPDATE account SET version = version WHERE id = $1`, caller.AccountID); err != nil {
			return err
		}
		me, is, err := account.MembershipOf(ctx, tx, caller.AccountID, caller.ID)
		if err != nil {
			return err
		}
		if !is || !me.Active {
			return ErrPermissionDenied
		}
		m, err := get(ctx, tx, userID)
		if err != nil {
			return err
		}
		if m.Role == account.Owner && me.Role != account.Owner {
			return ErrPermissionDenied
		}
		return fn(tx, m)
	})
}

// keepsOwner refuses to take the last active owner away.
func keepsOwner(ctx context.Context, tx *database.Tx, m Member) error {
	if m.Role != account.Owner || !m.Active {
		return nil
	}
	var others int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM account_member WHERE account_id = $1 AND account_role = 'owner' AND is_active = 1 AND user_id <> $2`,
		principal.From(ctx).Principal.AccountID, m.UserID).Scan(&others)
	if err == nil && others == 0 {
		return ErrLastOwner
	}
	return err
}

func write(ctx context.Context, tx *database.Tx, m Member, action string, severity audit.Severity, meta audit.Meta) error {
	return audit.Write(ctx, tx, audit.Entry{AccountID: principal.From(ctx).Principal.AccountID, Action: action, Category: "admin_user",
		ResourceType: "account_member", ResourceID: m.UserID, ResourceLabel: m.Email, Severity: severity, Metadata: meta})
}

// Remove takes a person out of the Account; sessions bound to it end. Faults:
// users.not_found, auth.permission_denied, account.last_owner.
func (s *Service) Remove(ctx context.Context, userID id.ID) error {
	return s.change(ctx, userID, func(tx *database.Tx, m Member) error {
		if err := keepsOwner(ctx, tx, m); err != nil {
			return err
		}
		accountID := principal.From(ctx).Principal.AccountID
		if _, err := tx.Exec(ctx, `DELETE FROM account_member WHERE account_id = $1 AND user_id = $2`, accountID, userID); err != nil {
			return err
		}
		if err := write(ctx, tx, m, "account_member.removed", "", nil); err != nil {
			return err
		}
		return session.EndInAccount(ctx, tx, accountID, userID, "member_removed")
	})
}

// SetActive switches a person on or off; nothing is written when nothing had to
// change. Faults as for Remove.
func (s *Service) SetActive(ctx context.Context, userID id.ID, active bool) error {
	return s.change(ctx, userID, func(tx *database.Tx, m Member) error {
		if m.Active == active {
			return nil
		}
		accountID := principal.From(ctx).Principal.AccountID
		if !active {
			if err := keepsOwner(ctx, tx, m); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE account_member SET is_active = $1 WHERE account_id = $2 AND user_id = $3`, active, accountID, userID); err != nil {
			return err
		}
		if active {
			return write(ctx, tx, m, "account_member.activated", "", nil)
		}
		if err := write(ctx, tx, m, "account_member.deactivated", "", nil); err != nil {
			return err
		}
		return session.EndInAccount(ctx, tx, accountID, userID, "member_deactivated")
	})
}

// SetRole changes what a person is; owners only. Faults: users.not_found,
// auth.permission_denied, account.last_owner, validation.
func (s *Service) SetRole(ctx context.Context, userID id.ID, role account.Role) (Member, error) {
	var after Member
	err := s.change(ctx, userID, func(tx *database.Tx, m Member) error {
		caller := principal.From(ctx).Principal
		me, _, err := account.MembershipOf(ctx, tx, caller.AccountID, caller.ID)
		if err != nil {
			return err
		}
		if me.Role != account.Owner {
			return ErrPermissionDenied
		}
		after = m
		if m.Role == role {
			return nil
		}
		if role == account.Owner && !m.Active {
			return ErrDeactivatedOwner
		}
		if err := keepsOwner(ctx, tx, m); err != nil {
			return err
		}
		after.Role = role
		if _, err := tx.Exec(ctx, `UPDATE account_member SET account_role = $1 WHERE account_id = $2 AND user_id = $3`, string(role), caller.AccountID, userID); err != nil {
			return err
		}
		return write(ctx, tx, m, "account_member.role_changed", audit.Notice, audit.Meta{"from": string(m.Role), "to": string(role)})
	})
	return after, err
}

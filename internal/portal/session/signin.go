package session

import (
	"context"
	"errors"
	"slices"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// The faults of signing in.
var (
	ErrEmailNotVerified = fault.New(fault.Forbidden, "auth.email_not_verified", "Confirm your e-mail address first; the link is in your mail")
	ErrNoActiveAccount  = fault.New(fault.Forbidden, "auth.no_active_account", "You have no active account")
)

// SignIn is the outcome of a right password: Bound, or a pre-auth token and
// the choices it can be spent on.
type SignIn struct {
	User         *portaluser.User
	Bound        *Bound
	PreAuthToken string
	Choices      []Choice
}

// Login checks a password and opens a session, or a choice. Every failing call
// costs two hashes, whatever the address is. Faults: auth.too_many_attempts,
// auth.invalid_credentials, auth.email_not_verified, auth.account_locked,
// auth.no_active_account, server.busy.
func (s *Service) Login(ctx context.Context, email, password string, permissions bool) (*SignIn, error) {
	in, err := s.login(ctx, email, password, permissions)
	if s.Observe == nil {
		return in, err
	}
	switch f := fault.As(err); {
	case err == nil:
		s.Observe("ok")
	case f != nil:
		s.Observe(f.Code)
	default:
		s.Observe("error")
	}
	return in, err
}

func (s *Service) login(ctx context.Context, email, password string, permissions bool) (*SignIn, error) {
	if err := s.Guard.Throttled(ctx, email); err != nil {
		return nil, err
	}
	known, err := database.Read(ctx, s.DB, func(tx *database.Tx) (k struct {
		user    *portaluser.User
		pending string
	}, err error,
	) {
		if k.user, err = portaluser.ByEmail(ctx, tx, email); err == nil {
			k.pending, err = signup.PendingHash(ctx, tx, email)
		}
		return k, err
	})
	if err != nil {
		return nil, err
	}
	u := known.user
	ok, outdated, err := s.Guard.Matches(ctx, u, password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, s.refuse(ctx, u, known.pending, email, password)
	}
	renewed := ""
	if outdated {
		if renewed, err = s.Guard.Hasher.Hash(ctx, password); err != nil {
			return nil, err
		}
	}
	in, err := database.Write(ctx, s.DB, func(tx *database.Tx) (*SignIn, error) { return s.admit(ctx, tx, u, renewed, permissions) })
	switch {
	case errors.Is(err, portaluser.ErrLocked):
		err = errors.Join(s.note(ctx, u, "locked"), err)
	case errors.Is(err, ErrNoActiveAccount):
		err = errors.Join(s.note(ctx, u, "no_active_account"), err)
	}
	return in, err
}

// refuse works through a password that is not the user's: it may be that of a
// sign-up which waits for its link.
func (s *Service) refuse(ctx context.Context, u *portaluser.User, pending, email, password string) error {
	if pending == "" {
		pending = s.Guard.Hasher.Dummy()
	}
	waiting, _, err := s.Guard.Hasher.Verify(ctx, pending, password)
	if err != nil {
		return err
	}
	if waiting {
		return errors.Join(s.note(ctx, u, "not_verified"), ErrEmailNotVerified)
	}
	reason := "unknown_address"
	if u != nil {
		reason = "wrong_password"
	}
	if err := s.Guard.Failed(ctx, u, email, failed(ctx, reason)); err != nil {
		return err
	}
	return portaluser.ErrInvalidCredentials
}

func failed(ctx context.Context, reason string) audit.Entry {
	return audit.Entry{Action: "user.login.failed", Outcome: audit.Failure, Severity: audit.Notice,
		Metadata: audit.Meta{"reason": reason, "ip_address": principal.From(ctx).IP}}
}

func (s *Service) note(ctx context.Context, u *portaluser.User, reason string) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		return portaluser.AuditPerson(ctx, tx, u, failed(ctx, reason))
	})
}

// admit reads the person again inside the transaction: a lock, a new password
// or a removal that came meanwhile counts.
func (s *Service) admit(ctx context.Context, tx *database.Tx, seen *portaluser.User, renewed string, permissions bool) (*SignIn, error) {
	u, err := portaluser.ByID(ctx, tx, seen.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case u == nil || u.PasswordHash != seen.PasswordHash:
		return nil, portaluser.ErrInvalidCredentials
	case u.Locked(tx.Now):
		return nil, portaluser.ErrLocked
	}
	choices, err := Choices(ctx, tx, u.ID)
	if err != nil {
		return nil, err
	}
	if len(choices) == 0 {
		return nil, ErrNoActiveAccount
	}
	if err := s.Guard.Passed(ctx, tx, u); err != nil {
		return nil, err
	}
	if renewed != "" {
		if err := portaluser.Rehash(ctx, tx, u, renewed); err != nil {
			return nil, err
		}
	}
	in := &SignIn{User: u, Choices: choices}
	if len(choices) == 1 && len(choices[0].Applications) == 1 {
		in.Bound, err = s.open(ctx, tx, u, choices[0].Membership, choices[0].Applications[0], permissions)
		return in, err
	}
	in.PreAuthToken, err = s.preAuth(ctx, tx, u, permissions)
	return in, err
}

// Choices lists the Accounts a person can enter, by name, with their
// Applications, by age.
func Choices(ctx context.Context, tx *database.Tx, userID id.ID) ([]Choice, error) {
	memberships, err := account.ActiveMemberships(ctx, tx, userID)
	if err != nil {
		return nil, err
	}
	list := []Choice{}
	for _, m := range memberships {
		apps, err := application.Of(ctx, tx, m.AccountID)
		if err != nil {
			return nil, err
		}
		list = append(list, Choice{m, apps})
	}
	return list, nil
}

func (s *Service) preAuth(ctx context.Context, tx *database.Tx, u *portaluser.User, permissions bool) (string, error) {
	c := signingkey.Claims{Subject: u.ID, Type: string(principal.User), TokenType: signingkey.PreAuth, ID: id.New[id.ID](tx.Now),
		IssuedAt: tx.Now.Unix(), ExpiresAt: tx.Now.Add(preAuthLife).Unix()}
	_, err := tx.Exec(ctx, `INSERT INTO pre_auth (id, user_id, include_permissions, expires_at) VALUES ($1, $2, $3, $4)`,
		c.ID, u.ID, permissions, tx.Now.Add(preAuthLife))
	if err != nil {
		return "", err
	}
	return s.Keys.Sign(c)
}

// Select spends the pre-auth token of the context's principal on an Application.
// Faults: auth.invalid_token (expired, spent, ended by a password change),
// applications.not_found; the latter leaves the token usable.
func (s *Service) Select(ctx context.Context, accountID, applicationID id.ID) (*Bound, error) {
	caller := principal.From(ctx).Principal
	return database.Write(ctx, s.DB, func(tx *database.Tx) (*Bound, error) {
		var permissions bool
		err := tx.QueryRow(ctx, `UPDATE pre_auth SET spent_at = $1 WHERE id = $2 AND user_id = $3 AND spent_at IS NULL AND expires_at > $1
			RETURNING include_permissions`, tx.Now, caller.SessionID, caller.ID).Scan(&permissions)
		if errors.Is(err, database.ErrNoRows) {
			return nil, signingkey.ErrInvalidToken
		}
		if err != nil {
			return nil, err
		}
		u, m, app, err := s.enter(ctx, tx, caller.ID, applicationID)
		if err != nil {
			return nil, err
		}
		if app.AccountID != accountID {
			return nil, application.ErrNotFound
		}
		return s.open(ctx, tx, u, m, app, permissions)
	})
}

// enter finds an Application in an Account where the person is active.
func (s *Service) enter(ctx context.Context, tx *database.Tx, userID, applicationID id.ID) (*portaluser.User, account.Membership, application.Application, error) {
	app, err := application.Find(ctx, tx, applicationID)
	if err != nil {
		return nil, account.Membership{}, app, err
	}
	m, is, err := account.MembershipOf(ctx, tx, app.AccountID, userID)
	if err == nil && (!is || !m.Active) {
		err = application.ErrNotFound
	}
	if err != nil {
		return nil, m, app, err
	}
	u, err := portaluser.ByID(ctx, tx, userID)
	if err == nil && u == nil {
		err = signingkey.ErrInvalidToken
	}
	return u, m, app, err
}

// Rights are the keys an admin holds in the portal: every system permission and
// the rights on the Account itself, sorted.
func Rights(role account.Role) []string {
	keys := append([]string{"account.view", "account.manage", "application.manage", "environment.manage", "user.view", "user.invite", "user.manage"},
		SystemPermissions...)
	if role == account.Owner {
		keys = append(keys, "user.manage_owners")
	}
	slices.Sort(keys)
	return keys
}

// SystemPermissions are the keys that exist in every Environment from its start.
var SystemPermissions = []string{"identity.view", "identity.manage", "hierarchy.view", "hierarchy.manage", "rbac.view_roles", "rbac.manage_roles",
	"rbac.view_assignments", "rbac.manage_assignments", "permissions.evaluate", "webhook.view", "webhook.manage", "api_key.view", "api_key.manage",
	"audit.view", "audit.export", "canopy:organization.manage"}

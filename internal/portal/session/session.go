// Package session owns portal sessions: signing in, choosing and switching the
// Application, renewing, ending. Its tables are portal_session,
// portal_session_used and pre_auth.
//
//	login ─┬─ one Application ────────────────► session
//	       └─ a choice ──► pre-auth ──select──► session
//	session ──refresh──► session (new refresh token, the old one is remembered)
//	        ──logout, revocation, password, removal, reuse, age──► ended
//
// A session is bound to one Account and Application. Its access tokens are
// looked up here on every call to this server, so an ended session is refused
// at once.
package session

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

const (
	preAuthLife = 300 * time.Second
	// A refresh token that was used this short a time ago is the mark of two
	// tabs that race, not of a thief; it yields no token all the same.
	conflictWithin = 10 * time.Second
)

// Service holds the use cases of sessions. It is safe for concurrent use.
type Service struct {
	DB         *database.DB
	Guard      *portaluser.Guard
	Keys       *signingkey.Service
	AccessTTL  time.Duration // of access tokens
	RefreshTTL time.Duration // each use renews a session for this long
	RefreshMax time.Duration // never past this long after sign-in
	// Observe is told how each sign-in ended, "ok" or a code; may be nil.
	Observe func(result string)
}

// Bound is a session that has just been opened, renewed or rebound: all that a
// token answer is made of.
type Bound struct {
	AccessToken  string
	ExpiresIn    time.Duration
	Refresh      secret.Token // for the cookie
	RefreshUntil time.Time
	User         *portaluser.User
	Membership   account.Membership
	Application  application.Application
}

// Choice is an Account one can enter, with its Applications.
type Choice struct {
	Membership   account.Membership
	Applications []application.Application
}

// state is a row of portal_session.
type state struct {
	id, userID, accountID, applicationID id.ID
	permissions                          bool
	createdAt, endsAt                    time.Time
}

// open starts a session in a transaction that has checked the person.
func (s *Service) open(ctx context.Context, tx *database.Tx, u *portaluser.User, m account.Membership, app application.Application, permissions bool) (*Bound, error) {
	call := principal.From(ctx)
	st := state{id: id.New[id.ID](tx.Now), userID: u.ID, accountID: m.AccountID, applicationID: app.ID,
		permissions: permissions, createdAt: tx.Now, endsAt: tx.Now.Add(s.RefreshMax)}
	b := s.bound(tx, st, u, m, app)
	agent := []rune(call.UserAgent)
	_, err := tx.Exec(ctx, `INSERT INTO portal_session (id, user_id, account_id, application_id, include_permissions, refresh_hash,
		ip_address, user_agent, created_at, last_used_at, expires_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)`,
		st.id, u.ID, m.AccountID, app.ID, permissions, b.Refresh.Hash(), call.IP, string(agent[:min(len(agent), 256)]), tx.Now, b.RefreshUntil, st.endsAt)
	if err != nil {
		return nil, err
	}
	err = audit.Write(ctx, tx, audit.Entry{AccountID: m.AccountID, ApplicationID: app.ID, Action: "user.login.succeeded", Category: "auth",
		ResourceType: "user", ResourceID: u.ID, ResourceLabel: u.Email, Actor: u.Principal(),
		Metadata: audit.Meta{"session_id": st.id.String(), "ip_address": call.IP, "user_agent": string(agent[:min(len(agent), 256)])}})
	if err != nil {
		return nil, err
	}
	return b, s.sign(tx, st, b)
}

// bound prepares the answer; sign puts the access token in.
func (s *Service) bound(tx *database.Tx, st state, u *portaluser.User, m account.Membership, app application.Application) *Bound {
	until := tx.Now.Add(s.RefreshTTL)
	if st.endsAt.Before(until) {
		until = st.endsAt
	}
	return &Bound{ExpiresIn: s.AccessTTL, Refresh: secret.NewToken(), RefreshUntil: until, User: u, Membership: m, Application: app}
}

func (s *Service) sign(tx *database.Tx, st state, b *Bound) error {
	c := signingkey.Claims{Subject: b.User.ID, Type: string(principal.User), SessionID: st.id, ID: id.New[id.ID](tx.Now),
		IssuedAt: tx.Now.Unix(), ExpiresAt: tx.Now.Add(s.AccessTTL).Unix(), AccountID: b.Membership.AccountID, AccountSlug: b.Membership.AccountSlug,
		ApplicationID: b.Application.ID, ApplicationSlug: b.Application.Slug}
	if st.permissions {
		c.Permissions = Rights(b.Membership.Role)
	}
	var err error
	b.AccessToken, err = s.Keys.Sign(c)
	return err
}

// Authenticate makes the principal of an access or pre-auth token. Any failure
// is signingkey.ErrInvalidToken: signature, age, an ended session, a membership
// that is not active, an Application that is gone.
func (s *Service) Authenticate(ctx context.Context, token string) (principal.Principal, error) {
	c, err := s.Keys.Verify(ctx, token, s.DB.Now())
	if err != nil {
		return principal.Principal{}, err
	}
	if c.TokenType == signingkey.PreAuth {
		return principal.Principal{Kind: principal.PreAuth, ID: c.Subject, SessionID: c.ID}, nil
	}
	p := principal.Principal{Kind: principal.Kind(c.Type), ID: c.Subject, SessionID: c.SessionID, AccountID: c.AccountID,
		AccountSlug: c.AccountSlug, ApplicationID: c.ApplicationID, ApplicationSlug: c.ApplicationSlug}
	if p.Kind != principal.User {
		return p, nil
	}
	_, err = database.Read(ctx, s.DB, func(tx *database.Tx) (struct{}, error) {
		// The membership is that of the token's Account: a session that was
		// switched elsewhere does not take the older token along.
		return struct{}{}, tx.QueryRow(ctx, `SELECT m.account_role, u.email, a.slug FROM portal_session s
			JOIN account_member m ON m.user_id = s.user_id AND m.account_id = $3 AND m.is_active = 1
			JOIN account_slug a ON a.account_id = m.account_id
			JOIN portal_user u ON u.id = s.user_id
			JOIN application p ON p.id = $4 AND p.account_id = m.account_id
			WHERE s.id = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND s.ends_at > $5`,
			c.SessionID, c.Subject, c.AccountID, c.ApplicationID, tx.Now).Scan(&p.AccountRole, &p.Label, &p.AccountSlug)
	})
	if errors.Is(err, database.ErrNoRows) {
		return principal.Principal{}, signingkey.ErrInvalidToken
	}
	return p, err
}

// View is a live session as its owner sees it.
type View struct {
	ID              id.ID
	AccountSlug     string
	ApplicationSlug string
	IPAddress       string
	UserAgent       string
	CreatedAt       time.Time
	LastUsedAt      time.Time
	ExpiresAt       time.Time
}

// List gives a person's live sessions in all Accounts, newest first.
func (s *Service) List(ctx context.Context, userID id.ID) ([]View, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]View, error) {
		return database.All(ctx, tx, func(row database.Scanner) (v View, err error) {
			err = row.Scan(&v.ID, &v.AccountSlug, &v.ApplicationSlug, &v.IPAddress, &v.UserAgent, &v.CreatedAt, &v.LastUsedAt, &v.ExpiresAt)
			return v, err
		}, `SELECT s.id, a.slug, COALESCE(p.slug, ''), s.ip_address, s.user_agent, s.created_at, s.last_used_at, s.expires_at
			FROM portal_session s JOIN account_slug a ON a.account_id = s.account_id LEFT JOIN application p ON p.id = s.application_id
			WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2 ORDER BY s.created_at DESC, s.id DESC`, userID, tx.Now)
	})
}

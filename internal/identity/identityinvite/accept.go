package identityinvite

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Acceptance is what the invitee brings. Which of it is wanted hangs on the invite, as
// invite-info tells; the rest is ignored.
type Acceptance struct {
	Token     string  `json:"token"                doc:"From the link."`
	FirstName *string `json:"first_name,omitempty" doc:"Wanted for an address that nobody has: the person's first name." nullable:"false"`
	LastName  *string `json:"last_name,omitempty"  doc:"Likewise, the last name." nullable:"false"`
	Password  *string `json:"password,omitempty"   doc:"A new one, or with add_to_app the present one, if there is one." nullable:"false"`
}

// anyName shows in schemas what a name is like; judged is only one that is wanted.
var anyName = text.Rule{Normalize: func(s string) (string, string) { return s, "" }, MaxLength: 100, Example: "Dana"}

// Rules implements text.Ruled.
func (a *Acceptance) Rules(f *text.Fields) {
	f.Field("token", &a.Token, text.TokenRule)
	f.Optional("first_name", a.FirstName, anyName)
	f.Optional("last_name", a.LastName, anyName)
	f.Optional("password", a.Password, text.CurrentPasswordRule)
}

// method is how an accepted invite proves an address, in the log; source is how what it makes
// came about.
const method, source = "invite", "invite"

// errChanged says that the address got, lost or changed its identity while a password was being
// hashed; the work begins again.
var errChanged = errors.New("identityinvite: the address has changed hands meanwhile")

// Accept does what the invite of a token is for; a is normalised. It is judged by whether the
// address has an identity at the moment of the commit, whatever the preview said. Faults, all of
// which leave the invite as it is: those of Preview; validation, identities.password_breached and
// identities.password_reused for a new password; auth.invalid_credentials and
// auth.too_many_attempts for the present one; identities.inactive,
// invites.assignment_unavailable, server.busy. Events: invite.accepted, identity.created,
// identity.env_membership.added, assignment.created, identity.email.verified,
// identity.password.reset, session.all_revoked, identity.login.failed, identity.locked.
func (s *Service) Accept(ctx context.Context, by principal.Actor, a Acceptance) error {
	for {
		err := s.accept(ctx, by, a)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
}

// acceptance is one under way.
type acceptance struct {
	view
	Acceptance
	by      principal.Actor
	hash    string              // of a new password; "" for none
	attempt *credential.Attempt // of the present one; nil for none
}

func (s *Service) accept(ctx context.Context, by principal.Actor, a Acceptance) error {
	seen, err := database.Read(ctx, s.DB, func(tx *database.Tx) (view, error) { return look(ctx, tx, a.Token) })
	if err != nil {
		return err
	}
	if seen.known && !seen.who.Active {
		return credential.ErrInactive
	}
	c := &acceptance{view: seen, Acceptance: a, by: by}
	if err := c.complete(); err != nil {
		return err
	}
	switch {
	case c.intent == Activate:
		c.hash, err = s.Passwords.New(ctx, by, c.invite.Email, *c.Password)
	case c.intent == PasswordReset:
		c.hash, err = s.Credentials.Renew(ctx, by, c.who, *c.Password)
	case c.wantsPassword():
		if c.attempt, err = s.Guard.Begin(ctx, by, c.who.Account, c.who.Email); err != nil {
			return err
		}
		defer c.attempt.Close(ctx)
		err = c.prove(ctx)
	}
	if err != nil {
		return err
	}
	return s.enter(ctx, c)
}

// complete holds that what is wanted is there.
func (c *acceptance) complete() error {
	var wrong fault.Problems
	if c.intent == Activate {
		for i, name := range []*string{c.FirstName, c.LastName} {
			field := []string{"first_name", "last_name"}[i]
			if name == nil {
				wrong.Add(field, "is required")
				continue
			}
			kept, broken := text.Name(*name)
			wrong.Add(field, broken)
			*name = kept
		}
	}
	if c.wantsPassword() && c.Password == nil {
		wrong.Add("password", "is required")
	}
	return wrong.Err()
}

// prove judges the present password.
func (c *acceptance) prove(ctx context.Context) error {
	right, err := c.attempt.Judge(ctx, *c.Password, c.who.PasswordHash)
	if err != nil || right {
		return err
	}
	var in scope.Environment
	if into := c.invite.into(); into != nil {
		in = into[0]
	}
	if err := c.attempt.Wrong(ctx, c.who, in); err != nil {
		return err
	}
	return credential.ErrInvalidCredentials
}

// enter spends the invite and does what it is for.
func (s *Service) enter(ctx context.Context, c *acceptance) error {
	var who enduser.Identity
	_, err := environment.WriteAll(ctx, s.DB, c.invite.into(), func(tx *database.Tx) (err error) {
		who, err = c.hold(ctx, tx)
		return err
	}, func(tx *database.Tx) (none struct{}, err error) {
		i, err := c.spend(ctx, tx)
		if err != nil {
			return none, err
		}
		by := c.by.AsIdentity(who.ID, who.Email)
		if err := s.settle(ctx, tx, by, c, who); err != nil {
			return none, err
		}
		for _, in := range i.into() {
			if c.intent == PasswordReset {
				break
			}
			if err := join(ctx, tx, by, in, i, who); err != nil {
				return none, err
			}
		}
		if err := drop(ctx, tx, i); err != nil {
			return none, err
		}
		return none, event.Record(ctx, tx, WasAccepted, i.entry(by), i.told())
	})
	if errors.Is(err, environment.ErrNotFound) {
		return ErrNotFound // the invite has gone with the Environment
	}
	return err
}

// hold holds whose address it is, and who has proved to be that; or makes somebody.
func (c *acceptance) hold(ctx context.Context, tx *database.Tx) (who enduser.Identity, err error) {
	if c.intent == Activate {
		d := enduser.Draft{Email: c.invite.Email, FirstName: *c.FirstName, LastName: *c.LastName}
		who, err = enduser.Create(ctx, tx, c.invite.Account, d, c.hash)
		if errors.Is(err, enduser.ErrEmailTaken) {
			if _, err = live(ctx, tx, c.Token); err == nil {
				err = errChanged
			}
		}
		return who, err
	}
	who, err = enduser.Lock(ctx, tx, c.invite.Account, c.who.ID)
	was := c.who
	if errors.Is(err, enduser.ErrNotFound) ||
		err == nil && (who.Email != was.Email || who.PasswordHash != was.PasswordHash || who.Active != was.Active) {
		err = errChanged
	}
	return who, err
}

// spend has the token open nothing more, and gives the invite as it is now.
func (c *acceptance) spend(ctx context.Context, tx *database.Tx) (Invite, error) {
	n, err := tx.Exec(ctx, updateAccept, c.invite.Account, c.invite.ID, secret.Hash(c.Token), tx.Now)
	if err != nil {
		return Invite{}, err
	}
	if n == 0 {
		_, err := live(ctx, tx, c.Token)
		if err == nil {
			err = ErrAlreadyAccepted
		}
		return Invite{}, err
	}
	return scan(tx.QueryRow(ctx, selectOwn, c.invite.Account, c.invite.ID))
}

// settle keeps what the invite makes of the person.
func (s *Service) settle(
	ctx context.Context, tx *database.Tx, by principal.Actor, c *acceptance, who enduser.Identity,
) error {
	about := event.Entry{Actor: by, Account: who.Account, Resource: who.ID.Any(), Label: who.Email}
	created := enduser.CreatedPayload{Email: who.Email, PasswordSet: who.PasswordSet(), Source: source}
	for _, in := range c.invite.into() {
		about = membership.Entry(by, in, who)
		created.Environment = &in.ID
	}
	switch c.intent {
	case Activate:
		if err := enduser.SetVerified(ctx, tx, who); err != nil {
			return err
		}
		return event.Record(ctx, tx, enduser.Created, about, created)
	case PasswordReset:
		return s.Credentials.Reset(ctx, tx, by, who, c.hash, method, about)
	case AddToApp:
	}
	if err := s.Credentials.Verified(ctx, tx, who, method, about); err != nil || c.attempt == nil {
		return err
	}
	return c.attempt.Right(ctx, tx, who)
}

// join makes the person a member, who may be one by now, and gives the role of the invite.
func join(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, i Invite, who enduser.Identity,
) error {
	_, was, err := membership.AppOf(ctx, tx, in.Application, who.ID)
	if err != nil {
		return err
	}
	m, again, err := membership.Activate(ctx, tx, in, who)
	if err != nil && !errors.Is(err, membership.ErrAlreadyMember) {
		return err
	}
	if err == nil {
		told := membership.AddedPayload{Reactivated: again, ID: m.ID, Source: membership.ByInvite, Invite: i.ID.Any()}
		if err := event.Record(ctx, tx, membership.Added, membership.Entry(by, in, who), told); err != nil {
			return err
		}
	}
	if !was {
		if err := membership.SetInvited(ctx, tx, in.Application, who.ID, i.CreatedAt); err != nil {
			return err
		}
	}
	return give(ctx, tx, by, in, i, who)
}

// give gives the role of the invite, if it has one. An assignment of the same that is there
// stays as it is.
func give(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, i Invite, who enduser.Identity,
) error {
	if i.Role.IsZero() {
		return nil
	}
	_, err := assignment.Give(ctx, tx, by, in, assignment.New{
		Identity: who.ID, Node: i.Node, Role: i.Role, Window: assignment.Always, Source: source,
	})
	switch {
	case errors.Is(err, assignment.ErrConflict):
		return nil
	case fault.As(err) != nil:
		return ErrUnavailable.WithCause(err)
	}
	return err
}

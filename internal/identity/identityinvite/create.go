package identityinvite

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Create invites an address into the Environment; d is normalised. Faults, in this order:
// invites.client_unknown; validation, without the names of somebody unknown;
// identities.not_found, for a new password of who is no member; those of a role that can't be
// given; identities.inactive, invites.already_member, invites.already_pending (data: id and
// expires_at of the live invite), rate_limit.exceeded. Event: invite.created.
func (s *Service) Create(
	ctx context.Context, by principal.Actor, in scope.Environment, d Draft,
) (Linked, error) {
	if d.ClientID != nil {
		return Linked{}, ErrClientUnknown
	}
	return s.create(ctx, by, d.fresh(in))
}

// CreateInDirectory invites an address into the directory of the Account, or into the default
// Environment of the Application that d names; d is normalised. Faults:
// applications.not_found, and those of Create. Event: invite.created.
func (s *Service) CreateInDirectory(
	ctx context.Context, by principal.Actor, in scope.Account, d DirectoryDraft,
) (Invite, error) {
	f := fresh{
		account: in, email: d.Email, first: given(d.FirstName), last: given(d.LastName), named: true, mailed: true,
	}
	if d.ApplicationID != nil {
		home, err := database.Read(ctx, s.DB, func(tx *database.Tx) (scope.Environment, error) {
			a, err := application.Find(ctx, tx, in.ID, named[application.ID](d.ApplicationID))
			app := scope.Application{Account: in, ID: a.ID, Slug: a.Slug}
			return scope.Environment{Application: app, ID: a.DefaultEnvironmentID, Slug: a.DefaultEnvironmentSlug}, err
		})
		if err != nil {
			return Invite{}, err
		}
		f.in = []scope.Environment{home}
	}
	made, err := s.create(ctx, by, f)
	if errors.Is(err, environment.ErrNotFound) {
		err = application.ErrNotFound // it went meanwhile
	}
	return made.Invite, err
}

// Row makes what does the rows of a call, one after the other: Create, or of a call that only
// tries, what tells what Create would answer, which stores, mails and counts nothing. It looks
// at the Environment also where no row gets as far, so that the answer has its revision.
func (s *Service) Row(
	ctx context.Context, by principal.Actor, in scope.Environment, try bool,
) (func(d Draft) (Linked, error), error) {
	_, err := environment.Read(ctx, s.DB, in, func(*database.Tx, revision.At) (none struct{}, err error) {
		return none, nil
	})
	if !try {
		return func(d Draft) (Linked, error) { return s.Create(ctx, by, in, d) }, err
	}
	seen := map[string]bool{}
	return func(d Draft) (Linked, error) {
		if d.ClientID != nil {
			return Linked{}, ErrClientUnknown
		}
		f := d.fresh(in)
		f.tried = true
		would, err := s.create(ctx, by, f)
		switch {
		case err == nil && seen[d.Email]:
			return Linked{}, ErrAlreadyPending
		case err == nil:
			seen[d.Email] = true
		}
		return would, err
	}, err
}

// errUndone has a transaction leave nothing behind.
var errUndone = errors.New("identityinvite: only tried")

// person is whose address is invited, as the transaction holds it.
type person struct {
	enduser.Identity
	known  bool // else nobody has the address
	member bool // of the Environment
}

func (s *Service) create(ctx context.Context, by principal.Actor, f fresh) (Linked, error) {
	var who person
	var would Linked
	made, err := environment.WriteAll(ctx, s.DB, f.in, func(tx *database.Tx) (err error) {
		who, err = hold(ctx, tx, f.account.ID, f.email)
		return err
	}, func(tx *database.Tx) (Linked, error) {
		for _, in := range f.in {
			if who.known {
				var err error
				if who.member, err = membership.IsActive(ctx, tx, in, who.ID); err != nil {
					return Linked{}, err
				}
			}
		}
		made, err := s.insert(ctx, tx, by, f, who)
		if err == nil && f.tried {
			would, err = made, errUndone
		}
		return made, err
	})
	if errors.Is(err, errUndone) {
		return would, nil
	}
	return made, err
}

// hold finds and holds whoever has an address.
func hold(ctx context.Context, tx *database.Tx, in scope.AccountID, email string) (p person, err error) {
	if p.Identity, p.known, err = enduser.ByEmail(ctx, tx, in, email); err != nil || !p.known {
		return p, err
	}
	p.Identity, err = enduser.Lock(ctx, tx, in, p.ID)
	if errors.Is(err, enduser.ErrNotFound) {
		return person{}, nil // was erased just now
	}
	return p, err
}

// insert stores an invite, with its mail and its row in the log.
func (s *Service) insert(
	ctx context.Context, tx *database.Tx, by principal.Actor, f fresh, who person,
) (made Linked, err error) {
	intent, err := f.judge(ctx, tx, who)
	if err != nil {
		return made, err
	}
	token := secret.NewToken()
	i := Invite{
		ID: id.New[ID](tx.Now), Account: f.account.ID, Email: f.email, Intent: intent, FirstName: f.first, LastName: f.last,
		Node: f.node, Status: Pending, ExpiresAt: tx.Now.Add(s.Life), CreatedAt: tx.Now, Delivery: Unmailed, askedAt: tx.Now,
		InvitedBy: by.ID, byUser: by.Kind == principal.KindUser,
	}
	if who.known {
		i.FirstName, i.LastName = who.FirstName, who.LastName
	}
	if f.role != nil {
		i.Role = *f.role
	}
	if f.mailed {
		i.Delivery, i.SendCount = Queued, 1
	}
	for _, in := range f.in {
		e, err := environment.Find(ctx, tx, in)
		if err != nil {
			return made, err
		}
		i.Application, i.Environment, i.EnvironmentName, i.environmentSlug = in.Application.ID, in.ID, e.Name, e.Slug
	}
	if err := s.store(ctx, tx, i, token, by.Kind); err != nil {
		return made, err
	}
	if !f.tried {
		if err := s.mail(ctx, tx, by, i, token); err != nil {
			return made, err
		}
	}
	told := i.told()
	told.Mailed = &f.mailed
	return Linked{i, s.link(token)}, event.Record(ctx, tx, Created, i.entry(by), told)
}

// judge says what accepting the invite is going to be about, or why there can be none.
func (f *fresh) judge(ctx context.Context, tx *database.Tx, who person) (Intent, error) {
	if !who.known && !f.resets {
		if err := f.namesOfUnknown(); err != nil {
			return "", err
		}
	}
	if f.resets && !who.member {
		return "", enduser.ErrNotFound
	}
	if f.role != nil {
		if err := assignment.Fits(ctx, tx, f.in[0], f.node, *f.role); err != nil {
			return "", err
		}
	}
	switch {
	case who.known && !who.Active:
		return "", credential.ErrInactive
	case f.resets:
		return PasswordReset, nil
	case who.member, who.known && len(f.in) == 0:
		return "", ErrAlreadyMember
	case who.known:
		return AddToApp, nil
	}
	return Activate, nil
}

// namesOfUnknown holds that somebody whom the Account does not know is called by name.
func (f *fresh) namesOfUnknown() error {
	if f.named {
		return nil
	}
	var missing fault.Problems
	for i, name := range []string{f.first, f.last} {
		if name == "" {
			missing.Add([]string{"first_name", "last_name"}[i], "is required for an e-mail that the Account does not know")
		}
	}
	return missing.Err()
}

// store writes the row, if there is no live one in its place.
func (s *Service) store(
	ctx context.Context, tx *database.Tx, i Invite, token secret.Token, kind principal.Kind,
) error {
	// An expired invite steps aside, so that the index sees live ones only.
	if _, err := tx.Exec(ctx, closeExpired, i.Account, i.Email, orNone(i.Environment), tx.Now); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, insertInvite, i.ID, i.Account, i.Application, i.Environment, i.Email, string(i.Intent),
		i.FirstName, i.LastName, folded(i.FirstName, i.LastName), searched(i.Email, i.FirstName, i.LastName), i.Role, i.Node,
		token.Hash(), i.InvitedBy, string(kind), i.CreatedAt, i.ExpiresAt, string(i.Delivery), i.SendCount)
	if err != nil {
		return err
	}
	if n == 0 {
		return alreadyPending(ctx, tx, i)
	}
	if !i.Environment.IsZero() {
		return nil
	}
	// No lock of an Environment stands before the directory: only after the insert, which waits
	// for whoever accepts a live invite just now, it is seen whether that made somebody.
	_, known, err := enduser.ByEmail(ctx, tx, i.Account, i.Email)
	if err == nil && known {
		err = ErrAlreadyMember
	}
	return err
}

// orNone is an Environment as the index of live invites has it.
func orNone(in scope.EnvironmentID) string {
	if in.IsZero() {
		return ""
	}
	return in.String()
}

// pendingData says which invite is in the way.
type pendingData struct {
	ID        ID        `json:"id"`
	ExpiresAt time.Time `json:"expires_at"`
}

func alreadyPending(ctx context.Context, tx *database.Tx, i Invite) error {
	live, err := scan(tx.QueryRow(ctx, selectLive, i.Account, i.Email, orNone(i.Environment)))
	if errors.Is(err, database.ErrNoRows) {
		// It ended between the two statements. The answer is true of the moment of the insert; a
		// repeat will find the way free.
		return ErrAlreadyPending
	}
	if err != nil {
		return err
	}
	return ErrAlreadyPending.WithData(pendingData{live.ID, live.ExpiresAt})
}

// mail counts a mail against both limits and queues it with the link; an invite that is not
// mailed has none.
func (s *Service) mail(
	ctx context.Context, tx *database.Tx, by principal.Actor, i Invite, token secret.Token,
) error {
	if !i.mailed() {
		return nil
	}
	if err := s.Limits.Count(ctx, tx, ratelimit.InviteMail, i.Account.String()); err != nil {
		return err
	}
	if err := s.Mail.Count(ctx, tx, i.Account, i.Email); err != nil {
		return err
	}
	app, err := nameOfPlace(ctx, tx, i)
	if err != nil {
		return err
	}
	d := mail.Data{
		Kind: i.mail(), To: i.Email, FirstName: i.FirstName, AccountName: app, Token: token.Reveal(), ExpiresAt: i.ExpiresAt,
	}
	if by.Kind == principal.KindUser {
		d.InviterEmail = by.Label
	}
	return s.Mail.Add(ctx, tx, d, i.ID.Any(), token.Hash())
}

// nameOfPlace is what the person is invited to: an Application, or else the Account.
func nameOfPlace(ctx context.Context, tx *database.Tx, i Invite) (string, error) {
	if i.Application.IsZero() {
		acc, err := account.Find(ctx, tx, i.Account)
		return acc.Name, err
	}
	app, err := application.Find(ctx, tx, i.Account, i.Application)
	return app.Name, err
}

package enrolment

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Service holds the use cases, one transaction each. It is safe for concurrent use.
type Service struct {
	DB        *database.DB
	Passwords *credential.Passwords
}

// Result is how one row of several ended: with an identity, or with a fault.
type Result struct {
	Identity enduser.Identity
	Err      error
}

// takenData says whose address it is, to those who have met the person.
type takenData struct {
	IdentityID enduser.ID `json:"identity_id"`
}

// row is a draft on its way to becoming an identity.
type row struct {
	Draft
	hash string
	Result
}

func (r *row) failed() bool { return r.Err != nil }

// Create makes an identity that is a member of the Environment. d is normalised. Faults:
// identities.password_breached, server.busy, identities.email_taken (data: the identity's
// id, if it is or was a member here), identities.external_id_taken. Events:
// identity.created, identity.env_membership.added.
func (s *Service) Create(
	ctx context.Context, by principal.Actor, in scope.Environment, d Draft,
) (enduser.Identity, error) {
	rows, err := s.hashed(ctx, by, []Draft{d})
	if err == nil {
		err = rows[0].Err
	}
	if err != nil {
		return enduser.Identity{}, err
	}
	_, err = s.store(ctx, by, in, rows, func() error { return rows[0].Err })
	return rows[0].Identity, err
}

// BulkCreate is Create for several, each by itself; all that are good are stored in one
// transaction. The error is of the call as a whole, which then has stored nothing.
func (s *Service) BulkCreate(
	ctx context.Context, by principal.Actor, in scope.Environment, list []Draft,
) ([]Result, error) {
	rows, err := s.hashed(ctx, by, list)
	if err != nil {
		return nil, err
	}
	return s.store(ctx, by, in, rows, func() error { return nil })
}

// hashed are the drafts with the hashes of their passwords. Those with a password that is
// refused have failed.
func (s *Service) hashed(ctx context.Context, by principal.Actor, list []Draft) ([]*row, error) {
	rows := make([]*row, len(list))
	for i, d := range list {
		rows[i] = &row{Draft: d}
		if d.Password == nil {
			continue
		}
		hash, err := s.Passwords.Hash(ctx, by, *d.Password)
		if f := fault.As(err); f != nil && errors.Is(f, credential.ErrBreached) {
			rows[i].Err = f
			continue
		}
		if err != nil {
			return nil, err
		}
		rows[i].hash = hash
	}
	return rows, nil
}

// store makes what can be made of the rows; an error of stop undoes all of it.
func (s *Service) store(
	ctx context.Context, by principal.Actor, in scope.Environment, rows []*row, stop func() error,
) ([]Result, error) {
	good := slices.DeleteFunc(slices.Clone(rows), (*row).failed)
	if len(good) == 0 {
		return results(rows), nil
	}
	account := in.Application.Account.ID
	return environment.WriteAfter(ctx, s.DB, in, func(tx *database.Tx) error {
		return insert(ctx, tx, account, good)
	}, func(tx *database.Tx, _ environment.Environment) ([]Result, error) {
		for _, r := range good {
			if r.failed() {
				continue
			}
			if err := join(ctx, tx, by, in, r); err != nil {
				return nil, err
			}
		}
		for _, r := range good {
			if errors.Is(r.Err, enduser.ErrEmailTaken) {
				if err := r.taken(ctx, tx, in); err != nil {
					return nil, err
				}
			}
		}
		return results(rows), stop()
	})
}

func results(rows []*row) []Result {
	list := make([]Result, len(rows))
	for i, r := range rows {
		list[i] = r.Result
	}
	return list
}

// insert makes the identities, in the order of their addresses: nobody else can hold them
// yet, but others may be making the same ones.
func insert(ctx context.Context, tx *database.Tx, in scope.AccountID, rows []*row) error {
	byEmail := slices.Clone(rows)
	slices.SortStableFunc(byEmail, func(a, b *row) int { return cmp.Compare(a.Email, b.Email) })
	for _, r := range byEmail {
		r.Identity, r.Err = enduser.Create(ctx, tx, in, r.Draft.Draft, r.hash)
		if r.Err != nil && fault.As(r.Err) == nil {
			return r.Err
		}
	}
	return nil
}

// join makes a new identity a member.
func join(ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, r *row) error {
	who := r.Identity
	m, _, err := membership.Activate(ctx, tx, in, who)
	if err != nil {
		return err
	}
	about := membership.Entry(by, in, who)
	created := enduser.CreatedPayload{Email: who.Email, PasswordSet: who.PasswordSet(), Environment: &in.ID}
	if err := event.Record(ctx, tx, enduser.Created, about, created); err != nil {
		return err
	}
	return event.Record(ctx, tx, membership.Added, about, membership.AddedPayload{ID: m.ID, Source: membership.ByCreation})
}

// taken tells whose the address is, where the person is or was a member here.
func (r *row) taken(ctx context.Context, tx *database.Tx, in scope.Environment) error {
	who, is, err := enduser.ByEmail(ctx, tx, in.Application.Account.ID, r.Email)
	if err != nil || !is {
		return err
	}
	_, was, err := membership.Of(ctx, tx, in, who.ID)
	if was {
		r.Err = enduser.ErrEmailTaken.WithData(takenData{who.ID})
	}
	return err
}

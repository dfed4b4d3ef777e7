package enrolment

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Create makes an identity, with the memberships that the place asks for, and a role if the
// draft does; n is normalised. Faults: identities.password_breached, server.busy,
// applications.not_found, nodes.node_not_found, rbac.role_not_found, identities.email_taken
// (data: the identity's id, if it is or was a member here), identities.external_id_taken,
// and those of a role that can't be given. Events: identity.created,
// identity.env_membership.added, assignment.created.
func (s *Service) Create(
	ctx context.Context, by principal.Actor, at membership.Place, n New,
) (enduser.Identity, error) {
	r := &row{New: n}
	err := s.store(ctx, by, at, []*row{r}, s.hash, func() error { return r.Err })
	return r.Identity, cmp.Or(r.Err, err)
}

// BulkCreate is Create for several, each by itself; all that are good are stored in one
// transaction. The error is of the call as a whole, which then has stored nothing.
func (s *Service) BulkCreate(
	ctx context.Context, by principal.Actor, at membership.Place, list []New,
) ([]Result, error) {
	rows := rowsOf(list)
	err := s.store(ctx, by, at, rows, s.hash, func() error { return nil })
	return results(rows), err
}

// errUndone has a transaction leave nothing behind.
var errUndone = errors.New("enrolment: only tried")

// TryCreate tells what BulkCreate would answer now. It hashes nothing and stores nothing.
func (s *Service) TryCreate(
	ctx context.Context, by principal.Actor, at membership.Place, list []New,
) ([]Result, error) {
	rows := rowsOf(list)
	refuse := func(_ context.Context, _ principal.Actor, r *row) error { return s.Passwords.Refuse(*r.Password) }
	var tried []Result
	err := s.store(ctx, by, at, rows, refuse, func() error {
		tried = results(rows)
		return errUndone
	})
	if errors.Is(err, errUndone) {
		return tried, nil
	}
	return results(rows), err
}

// row is an identity on its way.
type row struct {
	New
	hash string
	in   *scope.Environment // where it is to be a member; nil: nowhere
	Result
}

func (r *row) failed() bool { return r.Err != nil }

func rowsOf(list []New) []*row {
	rows := make([]*row, len(list))
	for i, n := range list {
		rows[i] = &row{New: n}
	}
	return rows
}

// hash makes the hash of a row's password.
func (s *Service) hash(ctx context.Context, by principal.Actor, r *row) (err error) {
	r.hash, err = s.Passwords.Hash(ctx, by, *r.Password)
	return err
}

// store makes what can be made of the rows, whose passwords hash has judged before anything
// is stored; an error of stop undoes all of it.
func (s *Service) store(
	ctx context.Context, by principal.Actor, at membership.Place, rows []*row,
	hash func(context.Context, principal.Actor, *row) error, stop func() error,
) error {
	if err := s.aim(ctx, at, rows); err != nil {
		return err
	}
	for _, r := range rows {
		if r.failed() || r.Password == nil {
			continue
		}
		err := hash(ctx, by, r)
		if err != nil && !errors.Is(err, credential.ErrBreached) {
			return err
		}
		r.Err = err
	}
	good := slices.DeleteFunc(slices.Clone(rows), (*row).failed)
	if len(good) == 0 {
		return stop()
	}
	var in []scope.Environment
	for _, r := range good {
		if r.in != nil {
			in = append(in, *r.in)
		}
	}
	_, err := environment.WriteAll(ctx, s.DB, in, func(tx *database.Tx) error {
		return insert(ctx, tx, at.Account().ID, good)
	}, func(tx *database.Tx) (none struct{}, err error) {
		for _, r := range good {
			if err := r.settle(ctx, tx, by); err != nil {
				return none, err
			}
		}
		for _, r := range good {
			if errors.Is(r.Err, enduser.ErrEmailTaken) {
				if err := r.taken(ctx, tx, at); err != nil {
					return none, err
				}
			}
		}
		return none, stop()
	})
	if _, inside := at.Application(); !inside && errors.Is(err, environment.ErrNotFound) {
		err = application.ErrNotFound // it went meanwhile
	}
	return err
}

// aim finds the Environments in which the rows are to be members. It looks at the place also
// where no row is left, so that the answer has its revision.
func (s *Service) aim(ctx context.Context, at membership.Place, rows []*row) error {
	_, err := membership.Read(ctx, s.DB, at, func(tx *database.Tx) (none struct{}, err error) {
		for _, r := range rows {
			in, inside := at.Environment()
			switch {
			case r.failed():
				continue
			case inside:
				r.in = &in
				if app, above := at.AboveEnvironments(); above && r.node != nil {
					err = r.aimAtNode(ctx, tx, app)
				}
			case r.application != nil:
				err = r.aimAtApplication(ctx, tx, at.Account())
			}
			if err != nil {
				return none, err
			}
		}
		return none, nil
	})
	return err
}

// aimAtNode finds the Environment of an Application that has the node; where none has it, that
// stays to be found out.
func (r *row) aimAtNode(ctx context.Context, tx *database.Tx, in scope.Application) error {
	all, err := environment.List(ctx, tx, in)
	if err != nil {
		return err
	}
	for _, e := range all {
		_, err := hierarchy.Find(ctx, tx, e.In(in), named[hierarchy.ID](r.node))
		if err == nil {
			place := e.In(in)
			r.in = &place
			return nil
		}
		if !errors.Is(err, hierarchy.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (r *row) aimAtApplication(ctx context.Context, tx *database.Tx, in scope.Account) error {
	_, place, err := standard(ctx, tx, in, named[application.ID](r.application))
	if errors.Is(err, application.ErrNotFound) {
		r.Err = err
		return nil
	}
	r.in = &place
	return err
}

// standard is an Application and its default Environment; applications.not_found.
func standard(
	ctx context.Context, tx *database.Tx, in scope.Account, of application.ID,
) (app scope.Application, e scope.Environment, err error) {
	a, err := application.Find(ctx, tx, in.ID, of)
	app = scope.Application{Account: in, ID: a.ID, Slug: a.Slug}
	return app, scope.Environment{Application: app, ID: a.DefaultEnvironmentID, Slug: a.DefaultEnvironmentSlug}, err
}

// named is the id that a body names; zero, which names nothing, for what is none.
func named[I ~[16]byte](text *string) (of I) {
	if text != nil {
		if v, err := id.Parse[I](*text); err == nil {
			of = v
		}
	}
	return of
}

// insert makes the identities, in the order of their addresses: nobody else can hold them
// yet, but others may be making the same ones.
func insert(ctx context.Context, tx *database.Tx, in scope.AccountID, rows []*row) error {
	byEmail := slices.Clone(rows)
	slices.SortStableFunc(byEmail, func(a, b *row) int { return cmp.Compare(a.Email, b.Email) })
	for _, r := range byEmail {
		r.Identity, r.Err = enduser.Create(ctx, tx, in, r.Draft, r.hash)
		if r.Err != nil && fault.As(r.Err) == nil {
			return r.Err
		}
	}
	return nil
}

// settle makes a new identity a member, with its role; or takes it back, where that can't be.
func (r *row) settle(ctx context.Context, tx *database.Tx, by principal.Actor) error {
	if r.role != nil {
		unfit := assignment.Fits(ctx, tx, *r.in, named[hierarchy.ID](r.node), named[rbac.RoleID](r.role))
		f := fault.As(unfit)
		if unfit != nil && f == nil {
			return unfit
		}
		// What is named and not there comes before what is in the way.
		if f != nil && (f.Kind == fault.NotFound || !r.failed()) {
			r.Err = f
		}
	}
	if !r.failed() {
		return r.join(ctx, tx, by)
	}
	if r.Identity.ID.IsZero() {
		return nil
	}
	return enduser.Remove(ctx, tx, r.Identity.Account, r.Identity.ID)
}

// join makes a new identity a member.
func (r *row) join(ctx context.Context, tx *database.Tx, by principal.Actor) error {
	who := r.Identity
	created := enduser.CreatedPayload{Email: who.Email, PasswordSet: who.PasswordSet()}
	if r.in == nil {
		about := event.Entry{Actor: by, Account: who.Account, Resource: who.ID.Any(), Label: who.Email}
		return event.Record(ctx, tx, enduser.Created, about, created)
	}
	created.Environment = &r.in.ID
	m, _, err := membership.Activate(ctx, tx, *r.in, who)
	if err != nil {
		return err
	}
	about := membership.Entry(by, *r.in, who)
	if err := event.Record(ctx, tx, enduser.Created, about, created); err != nil {
		return err
	}
	added := membership.AddedPayload{ID: m.ID, Source: membership.ByCreation}
	if err := event.Record(ctx, tx, membership.Added, about, added); err != nil || r.role == nil {
		return err
	}
	_, err = assignment.Give(ctx, tx, by, *r.in, assignment.New{
		Identity: who.ID, Node: named[hierarchy.ID](r.node), Role: named[rbac.RoleID](r.role), Window: assignment.Always,
	})
	return err
}

// takenData says whose address it is, to those who have met the person.
type takenData struct {
	IdentityID enduser.ID `json:"identity_id"`
}

// taken tells whose the address is, where the person is or was a member here.
func (r *row) taken(ctx context.Context, tx *database.Tx, at membership.Place) error {
	who, is, err := enduser.ByEmail(ctx, tx, at.Account().ID, r.Email)
	if err != nil || !is {
		return err
	}
	known, err := at.Knows(ctx, tx, who.ID)
	if known {
		r.Err = enduser.ErrEmailTaken.WithData(takenData{who.ID})
	}
	return err
}

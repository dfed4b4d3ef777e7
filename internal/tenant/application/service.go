package application

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Service holds the use cases of Applications, one transaction each. It is safe for
// concurrent use.
type Service struct {
	DB    *database.DB
	Parts environment.Parts // of every Environment
}

// List gives an Account's Applications, oldest first.
func List(ctx context.Context, tx *database.Tx, accountID scope.AccountID) ([]Application, error) {
	return database.All(ctx, tx, scan, selectApplication+` ORDER BY p.created_at, p.id`, accountID)
}

// Find reads an Application of an Account; ErrNotFound.
func Find(ctx context.Context, tx *database.Tx, accountID scope.AccountID, applicationID ID) (Application, error) {
	return found(scan(tx.QueryRow(ctx, selectApplication+` AND p.id = $2`, accountID, applicationID)))
}

func found(a Application, err error) (Application, error) {
	if errors.Is(err, database.ErrNoRows) {
		return a, ErrNotFound
	}
	return a, err
}

// lock holds the Application until the transaction ends, and reads it; ErrNotFound.
func lock(ctx context.Context, tx *database.Tx, in scope.Application) (Application, error) {
	var version int
	err := tx.Lock(ctx, lockApplication, in.Account.ID, in.ID).Scan(&version)
	if err != nil {
		return found(Application{}, err)
	}
	return Find(ctx, tx, in.Account.ID, in.ID)
}

// BySlug finds the Application of a slug in an Account; ErrNotFound.
func BySlug(ctx context.Context, tx *database.Tx, accountID scope.AccountID, slug string) (Application, error) {
	return found(scan(tx.QueryRow(ctx, selectApplication+` AND p.slug = $2`, accountID, slug)))
}

// Get reads the Application; ErrNotFound.
func (s *Service) Get(ctx context.Context, in scope.Application) (Application, error) {
	return database.Ask(ctx, s.DB, func(tx *database.Tx) (Application, error) {
		return Find(ctx, tx, in.Account.ID, in.ID)
	})
}

// List gives the Account's Applications, oldest first.
func (s *Service) List(ctx context.Context, in scope.Account) ([]Application, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]Application, error) { return List(ctx, tx, in.ID) })
}

// NewParams is what Create wants; ids and slugs may have been promised before.
type NewParams struct {
	ID      ID
	Account scope.AccountID
	Name    string
	Slug    string
}

// Create makes an Application with its Environments Development, the default
// one, and Production. Events: application.created, environment.created twice.
func (s *Service) Create(ctx context.Context, tx *database.Tx, by principal.Actor, p NewParams) error {
	// Ids sort by age: the default one comes first.
	development, production := id.New[environment.ID](tx.Now), id.New[environment.ID](tx.Now.Add(time.Millisecond))
	if _, err := tx.Exec(ctx, insertApplication, p.ID, p.Account, p.Name, p.Slug, development, tx.Now); err != nil {
		return err
	}
	entry := event.Entry{Actor: by, Account: p.Account, Application: p.ID, Resource: p.ID.Any(), Label: p.Name}
	if err := event.Record(ctx, tx, Created, entry, event.None{}); err != nil {
		return err
	}
	in := scope.Application{Account: scope.Account{ID: p.Account}, ID: p.ID, Slug: p.Slug}
	for _, e := range []environment.New{
		{At: scope.Environment{Application: in, ID: development, Slug: "development"}, Name: "Development"},
		{At: scope.Environment{Application: in, ID: production, Slug: "production"}, Name: "Production"},
	} {
		e.ApplicationName = p.Name
		if err := s.Parts.Create(ctx, tx, by, e); err != nil {
			return err
		}
	}
	return nil
}

// Add makes an Application. A chosen slug that is taken is applications.slug_taken; one
// that is made of the name gets a number. Events as of Create.
func (s *Service) Add(ctx context.Context, by principal.Actor, in scope.Account, d Draft) (Application, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (Application, error) {
		if err := account.Lock(ctx, tx, in.ID); err != nil {
			return Application{}, err
		}
		slug, err := chosen(d, "app", ErrSlugTaken, func(slug string) (is bool, err error) {
			var n int
			err = tx.QueryRow(ctx, countSlug, in.ID, slug).Scan(&n)
			return n > 0, err
		})
		if err != nil {
			return Application{}, err
		}
		p := NewParams{ID: id.New[ID](tx.Now), Account: in.ID, Name: d.Name, Slug: slug}
		if err := s.Create(ctx, tx, by, p); err != nil {
			return Application{}, err
		}
		return Find(ctx, tx, in.ID, p.ID)
	})
}

// chosen is the slug of a draft: the caller's if it is free, else clash; or a free one
// made of the name.
func chosen(d Draft, fallback string, clash *fault.Error, taken func(string) (bool, error)) (string, error) {
	if d.Slug == nil {
		return text.FreeSlug(text.Slug(d.Name, fallback), taken)
	}
	is, err := taken(*d.Slug)
	if err == nil && is {
		err = clash
	}
	return *d.Slug, err
}

// Update changes the Application; ifVersion 0 takes any version. A stale one is
// fault.VersionConflict, with the Application as view shows it. A change that changes
// nothing writes nothing. Event: application.updated.
func (s *Service) Update(
	ctx context.Context, by principal.Actor, in scope.Application, c Change, ifVersion int, view func(Application) any,
) (Application, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (Application, error) {
		before, err := lock(ctx, tx, in)
		if err != nil {
			return before, err
		}
		if ifVersion != 0 && ifVersion != before.Version {
			return before, fault.VersionConflict.WithData(view(before))
		}
		after, fields, err := before.applied(c)
		if err != nil || len(fields) == 0 {
			return before, err
		}
		if after, err = after.save(ctx, tx); err != nil {
			return before, err
		}
		return after, event.Record(ctx, tx, Updated, after.entry(by), UpdatedPayload{fields})
	})
}

// save keeps what was changed under the lock; the version rises by 1.
func (a Application) save(ctx context.Context, tx *database.Tx) (Application, error) {
	a.Version, a.UpdatedAt = a.Version+1, tx.Now
	_, err := tx.Exec(ctx, updateApplication, a.Name, string(a.Settings), a.DefaultEnvironmentID, a.Version, a.UpdatedAt,
		a.AccountID, a.ID)
	return a, err
}

func (a Application) entry(by principal.Actor) event.Entry {
	return event.Entry{Actor: by, Account: a.AccountID, Application: a.ID, Resource: a.ID.Any(), Label: a.Name}
}

// SetDefault makes an Environment of the Application the one for who names none. The
// current one again changes nothing. Fault: environments.not_in_application. Event:
// application.default_environment_set.
func (s *Service) SetDefault(
	ctx context.Context, by principal.Actor, in scope.Application, slug string,
) (Application, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (Application, error) {
		a, err := lock(ctx, tx, in)
		if err != nil {
			return a, err
		}
		e, err := inApplication(ctx, tx, in, slug)
		if err != nil || e.ID == a.DefaultEnvironmentID {
			return a, err
		}
		revision.AppendAccount(tx, in.Account.ID)
		from := a.DefaultEnvironmentSlug
		a.DefaultEnvironmentID, a.DefaultEnvironmentSlug = e.ID, e.Slug
		if a, err = a.save(ctx, tx); err != nil {
			return a, err
		}
		return a, event.Record(ctx, tx, DefaultSet, a.entry(by), DefaultSetPayload{from, slug})
	})
}

// inApplication finds an Environment that a body names; environments.not_in_application.
func inApplication(
	ctx context.Context, tx *database.Tx, in scope.Application, slug string,
) (environment.Environment, error) {
	e, err := environment.BySlug(ctx, tx, in, slug)
	if errors.Is(err, environment.ErrNotFound) {
		err = ErrNotInApplication
	}
	return e, err
}

// Resume is the slug of the Environment that the user's dashboard opens: the one
// remembered, if it is still there, else the default one.
func (s *Service) Resume(ctx context.Context, by principal.User, in scope.Application) (slug string, err error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (string, error) {
		err := tx.QueryRow(ctx, selectResume, in.Account.ID, in.ID, by.UserID).Scan(&slug)
		if !errors.Is(err, database.ErrNoRows) {
			return slug, err
		}
		a, err := Find(ctx, tx, in.Account.ID, in.ID)
		return a.DefaultEnvironmentSlug, err
	})
}

// SetResume remembers the Environment that the user's dashboard opens. Fault:
// environments.not_in_application. Event: user.resume_state_set.
func (s *Service) SetResume(ctx context.Context, by principal.User, in scope.Application, slug string) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		e, err := inApplication(ctx, tx, in, slug)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, upsertResume, by.UserID, in.ID, in.Account.ID, e.ID); err != nil {
			return err
		}
		entry := event.Entry{
			Actor: by.Actor, Account: in.Account.ID, Application: in.ID, Resource: by.UserID.Any(), Label: by.Email,
		}
		return event.Record(ctx, tx, ResumeStateSet, entry, ResumeStateSetPayload{slug})
	})
}

// ForgetResume forgets what a person's dashboard opens in an Account.
func ForgetResume(ctx context.Context, tx *database.Tx, in scope.AccountID, user principal.UserID) error {
	_, err := tx.Exec(ctx, forgetResume, in, user)
	return err
}

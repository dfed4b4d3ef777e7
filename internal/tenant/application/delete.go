package application

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/environment"
)

// AddEnvironment makes an Environment, or a copy of one. A chosen slug that is taken is
// environments.slug_taken; one that is made of the name gets a number. Event:
// environment.created.
func (s *Service) AddEnvironment(
	ctx context.Context, by principal.Actor, in scope.Application, d Draft, copied *environment.Copy,
) (environment.Environment, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (environment.Environment, error) {
		var none environment.Environment
		a, err := lock(ctx, tx, in)
		if err != nil {
			return none, err
		}
		all, err := environment.List(ctx, tx, in)
		if err != nil {
			return none, err
		}
		slug, err := chosen(d, "env", environment.ErrSlugTaken, func(slug string) (bool, error) {
			return slices.ContainsFunc(all, func(e environment.Environment) bool { return e.Slug == slug }), nil
		})
		if err != nil {
			return none, err
		}
		at := scope.Environment{Application: in, ID: id.New[environment.ID](tx.Now), Slug: slug}
		made := environment.New{At: at, Name: d.Name, ApplicationName: a.Name, Copy: copied}
		if err := s.Parts.Create(ctx, tx, by, made); err != nil {
			return none, err
		}
		return environment.Find(ctx, tx, at)
	})
}

// DeleteEnvironment cuts an Environment off; what is left of it is swept later. Faults:
// environments.last_environment, environments.is_default. Event: environment.deleted.
func (s *Service) DeleteEnvironment(ctx context.Context, by principal.Actor, in scope.Environment) error {
	_, err := environment.Write(ctx, s.DB, in, func(tx *database.Tx, e environment.Environment) (struct{}, error) {
		var none struct{}
		a, err := lock(ctx, tx, in.Application)
		if err != nil {
			return none, err
		}
		all, err := environment.List(ctx, tx, in.Application)
		switch {
		case err != nil:
			return none, err
		case len(all) == 1:
			return none, ErrLastEnvironment
		case e.ID == a.DefaultEnvironmentID:
			return none, ErrIsDefault
		}
		revision.AppendAccount(tx, in.Application.Account.ID)
		removed, err := s.Parts.Cut(ctx, tx, in)
		if err != nil {
			return none, err
		}
		entry := event.Entry{
			Actor: by, Account: e.Account, Application: e.Application, Environment: e.ID, Resource: e.ID.Any(), Label: e.Name,
		}
		return none, event.Record(ctx, tx, EnvironmentDeleted, entry, EnvironmentDeletedPayload{
			e.Name, e.Slug, removed.Nodes, removed.Assignments,
		})
	})
	return err
}

// Delete cuts an Application off, with all of its Environments; what is left is swept
// later, its audit rows too. Fault: applications.last_application. Event:
// application.deleted, of the Account.
func (s *Service) Delete(ctx context.Context, by principal.Actor, in scope.Application) error {
	free := func() {}
	defer func() { free() }()
	// Writers of its Environments wait in the process, as behind any other of theirs.
	all, err := database.Read(ctx, s.DB, func(tx *database.Tx) ([]environment.Environment, error) {
		return environment.List(ctx, tx, in)
	})
	if err != nil {
		return err
	}
	sortByID(all)
	for _, e := range all {
		leave, err := s.DB.Turn(ctx, e.ID.String())
		if err != nil {
			return err
		}
		before := free
		free = func() { leave(); before() }
	}
	var locked bool
	return database.Patiently(ctx, &locked, func() error {
		return database.Do(ctx, s.DB, func(tx *database.Tx) error { return s.delete(ctx, tx, by, in, &locked) })
	})
}

func (s *Service) delete(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Application, locked *bool,
) error {
	if err := account.Lock(ctx, tx, in.Account.ID); err != nil {
		return err
	}
	all, err := environment.List(ctx, tx, in)
	if err != nil {
		return err
	}
	sortByID(all)
	for _, e := range all {
		if _, err := environment.Lock(ctx, tx, e.In(in)); err != nil {
			return err
		}
	}
	*locked = true
	a, err := lock(ctx, tx, in)
	if err != nil {
		return err
	}
	var applications int
	err = tx.QueryRow(ctx, countApplications, in.Account.ID).Scan(&applications)
	if err == nil && applications == 1 {
		err = ErrLast
	}
	if err != nil {
		return err
	}
	// One that was made since it was listed is nobody's yet: nothing is written to it that
	// its own lock would have to hold off.
	if all, err = environment.List(ctx, tx, in); err != nil {
		return err
	}
	assignments := 0
	for _, e := range all {
		removed, err := s.Parts.Cut(ctx, tx, e.In(in))
		if err != nil {
			return err
		}
		assignments += removed.Assignments
	}
	revision.AppendAccount(tx, in.Account.ID)
	if _, err := tx.Exec(ctx, deleteApplication, in.Account.ID, in.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, insertDeleted, in.ID, in.Account.ID, tx.Now); err != nil {
		return err
	}
	entry := a.entry(by)
	entry.Application = scope.ApplicationID{} // of the Account: it outlives the Application's own rows
	return event.Record(ctx, tx, Deleted, entry, DeletedPayload{a.Name, a.Slug, len(all), assignments})
}

func sortByID(all []environment.Environment) {
	slices.SortFunc(all, func(a, b environment.Environment) int { return slices.Compare(a.ID[:], b.ID[:]) })
}

// Sweep removes the audit rows of deleted Applications, in small pieces.
func (s *Service) Sweep(ctx context.Context) error {
	type gone struct {
		id      ID
		account scope.AccountID
	}
	all, err := database.Read(ctx, s.DB, func(tx *database.Tx) ([]gone, error) {
		return database.All(ctx, tx, func(row database.Scanner) (g gone, err error) {
			return g, row.Scan(&g.id, &g.account)
		}, selectDeleted)
	})
	if err != nil {
		return err
	}
	for _, g := range all {
		for done := false; !done; {
			done, err = database.Write(ctx, s.DB, func(tx *database.Tx) (bool, error) {
				n, err := event.ForgetApplication(ctx, tx, g.account, g.id)
				if err != nil || n > 0 {
					return false, err
				}
				_, err = tx.Exec(ctx, dropDeleted, g.account, g.id)
				return true, err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

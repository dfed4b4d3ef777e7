package membership

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// DirectoryQuery says which identities of an Account are looked for; what is zero filters
// nothing.
type DirectoryQuery struct {
	Query
	Assigned         *bool // with any assignment in any Environment, or without
	NotInApplication string
	NotInEnvironment scope.EnvironmentID
}

// DirectoryEntry is an identity of the directory with what it has in the whole Account.
type DirectoryEntry struct {
	enduser.Identity
	Applications int // in which it has an active place
	Assignments  int // in all Environments
}

// ApplicationOf is somebody's place in an Application that is there.
type ApplicationOf struct {
	App
	Slug, Name  string
	Assignments int // in all of its Environments
}

// EnvironmentOf is somebody's membership in an Environment that is there.
type EnvironmentOf struct {
	Membership
	Name            string
	ApplicationSlug string
}

// Directory gives one page of the Account's identities. Fault: validation, for an Application
// that there is not.
func (s *Service) Directory(
	ctx context.Context, in scope.Account, q DirectoryQuery,
) (list []DirectoryEntry, info page.Info, err error) {
	list, err = database.Read(ctx, s.DB, func(tx *database.Tx) ([]DirectoryEntry, error) {
		l, some, err := q.looking(ctx, tx, in)
		if err != nil || !some {
			info = q.Of(0)
			return []DirectoryEntry{}, err
		}
		found, pages, err := l.page(ctx, tx, q.Query)
		if err != nil {
			return nil, err
		}
		info = pages
		return entries(ctx, tx, in.ID, found)
	})
	return list, info, err
}

// looking is where the list looks; some is false where nothing can be found.
func (q DirectoryQuery) looking(
	ctx context.Context, tx *database.Tx, in scope.Account,
) (l *looking, some bool, err error) {
	l = &looking{in: in.ID, from: enduser.FromAccount, id: "m.id", args: []any{database.PlanAnew, in.ID}}
	if q.NotInApplication != "" {
		app, err := application.BySlug(ctx, tx, in.ID, q.NotInApplication)
		if errors.Is(err, application.ErrNotFound) {
			return l, false, fault.Validation.WithDetails("not_in_app names no Application")
		}
		if err != nil {
			return l, false, err
		}
		l.from += ` AND NOT EXISTS (SELECT 1 FROM app_membership there WHERE there.application_id = ` + l.one(app.ID) + `
			AND there.identity_id = m.id AND there.status = 'active')`
	}
	if !q.NotInEnvironment.IsZero() {
		place := scope.Environment{Application: scope.Application{Account: in}, ID: q.NotInEnvironment}
		if _, err := environment.Find(ctx, tx, place); errors.Is(err, environment.ErrNotFound) {
			return l, false, nil
		} else if err != nil {
			return l, false, err
		}
		l.from += ` AND NOT EXISTS (SELECT 1 FROM membership there WHERE there.environment_id = ` + l.one(place.ID) + `
			AND there.identity_id = m.id AND there.status = 'active')`
	}
	if q.Assigned != nil {
		have := ` AND EXISTS `
		if !*q.Assigned {
			have = ` AND NOT EXISTS `
		}
		l.from += have + anyAssignment
	}
	return l, true, nil
}

// entries adds to identities what they have in the whole Account.
func entries(
	ctx context.Context, tx *database.Tx, in scope.AccountID, of []enduser.Identity,
) ([]DirectoryEntry, error) {
	list := make([]DirectoryEntry, len(of))
	if len(of) == 0 {
		return list, nil
	}
	args, at := []any{in}, map[enduser.ID]*DirectoryEntry{}
	for i, one := range of {
		list[i].Identity = one
		at[one.ID] = &list[i]
		args = append(args, one.ID)
	}
	marks := `(` + database.Marks(2, len(of)) + `)`
	read := func(query string, into func(*DirectoryEntry) *int) error {
		return tx.Query(ctx, func(row database.Scanner) error {
			var who enduser.ID
			var n int
			err := row.Scan(&who, &n)
			if err == nil {
				*into(at[who]) = n
			}
			return err
		}, query, args...)
	}
	err := read(countApps+marks+` GROUP BY am.identity_id`, func(e *DirectoryEntry) *int { return &e.Applications })
	if err != nil {
		return nil, err
	}
	return list, read(countEverywhere+marks+` GROUP BY m.identity_id`,
		func(e *DirectoryEntry) *int { return &e.Assignments })
}

// DirectoryCounts are numbers of an Account's identities.
type DirectoryCounts struct{ Total, Active, Unverified, NowhereMember int }

// CountDirectory counts the Account's identities at one moment.
func (s *Service) CountDirectory(ctx context.Context, in scope.Account) (DirectoryCounts, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (n DirectoryCounts, err error) {
		return n, tx.QueryRow(ctx, selectDirectoryCounts, in.ID).Scan(&n.Total, &n.Active, &n.Unverified, &n.NowhereMember)
	})
}

// Known is an identity of the directory with its places in Applications.
type Known struct {
	DirectoryEntry
	Places []ApplicationOf
}

// Know reads an identity of the Account with its places in Applications, the oldest first.
// Fault: identities.not_found.
func (s *Service) Know(ctx context.Context, in scope.Account, who enduser.ID) (Known, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (Known, error) {
		i, err := enduser.Find(ctx, tx, in.ID, who)
		if err != nil {
			return Known{}, err
		}
		list, err := known(ctx, tx, in, []enduser.Identity{i})
		if err != nil {
			return Known{}, err
		}
		return list[0], nil
	})
}

// KnowEach is Know for identities that were read before, in their order.
func (s *Service) KnowEach(ctx context.Context, in scope.Account, of []enduser.Identity) ([]Known, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]Known, error) { return known(ctx, tx, in, of) })
}

func known(ctx context.Context, tx *database.Tx, in scope.Account, of []enduser.Identity) ([]Known, error) {
	list := make([]Known, len(of))
	all, err := entries(ctx, tx, in.ID, of)
	for i, e := range all {
		list[i].DirectoryEntry = e
		if list[i].Places, err = database.All(ctx, tx, scanApplicationOf, selectApplicationsOf, in.ID, e.ID); err != nil {
			return nil, err
		}
	}
	return list, err
}

// Memberships are those of an identity in all Environments of the Account, deactivated ones
// too, by Application and age. Fault: identities.not_found.
func (s *Service) Memberships(ctx context.Context, in scope.Account, who enduser.ID) ([]EnvironmentOf, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]EnvironmentOf, error) {
		if _, err := enduser.Find(ctx, tx, in.ID, who); err != nil {
			return nil, err
		}
		return database.All(ctx, tx, scanEnvironmentOf, selectEnvironmentsOf, in.ID, who)
	})
}

// BeganAt is when the place came into being.
func (a App) BeganAt() time.Time { return a.ID.Time() }

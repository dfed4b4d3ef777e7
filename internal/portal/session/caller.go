package session

import (
	"context"
	"slices"
	"time"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// claimed is whom and what an access token names.
type claimed struct {
	session     ID
	user        portaluser.ID
	account     scope.AccountID
	application scope.ApplicationID
}

// caller is what the store says of that.
type caller struct {
	role   permission.AccountRole
	email  string
	slug   string // of the Account
	endsAt time.Time
}

// readOf are the tables of selectCaller, save that of revisions.
var readOf = slices.Concat([]string{"portal_session"}, portaluser.Tables(), account.Tables(), application.Tables())

// caller finds whom a token stands for now; database.ErrNoRows when it is of no more use. It is
// kept while its Account is what it was: whatever ends it raises the Account's revision (raise).
func (s *Service) caller(ctx context.Context, of claimed) (caller, error) {
	from := revision.Source{DB: s.DB, Prover: s.Prover, Tables: readOf}
	good := func(c caller) bool { return s.DB.Now().Before(c.endsAt) }
	return s.callers.Get(ctx, from, of, good, func(ctx context.Context) (revision.Kept[caller], error) {
		return database.Ask(ctx, s.DB, func(tx *database.Tx) (revision.Kept[caller], error) {
			found := revision.Kept[caller]{Of: of.account.Any(), Account: of.account}
			c, at := &found.Value, &found.At
			err := tx.QueryRow(ctx, selectCaller, of.session, of.user, of.account, of.application, tx.Now).
				Scan(&c.role, &c.email, &c.slug, &c.endsAt, &at.Revision, &at.Stamp, &at.Tree, &at.TreeStamp)
			return found, err
		})
	})
}

// raise has those who keep the callers of a person look again: in every Account that the person
// may be in, since a token stays bound to its own, wherever its session goes.
func raise(ctx context.Context, tx *database.Tx, who portaluser.ID) error {
	accounts, err := portaluser.AccountsOf(ctx, tx, who)
	for _, in := range accounts {
		revision.AppendAccount(tx, in)
	}
	return err
}

package session

import (
	"context"
	"slices"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// mostCallers bounds how many callers are kept in memory.
const mostCallers = 10_000

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

// callers keeps what the store said for as long as nothing is written that it was read
// of. Only SQLite's writes are all seen here; on PostgreSQL each call asks.
type callers struct {
	once  sync.Once
	watch *database.Watch

	mu    sync.Mutex
	asOf  uint64
	known map[claimed]caller
}

// readOf are the tables of selectCaller.
var readOf = slices.Concat([]string{"portal_session"}, portaluser.Tables(), account.Tables(), application.Tables())

// caller finds whom a token stands for now; database.ErrNoRows when it is of no more use.
func (s *Service) caller(ctx context.Context, of claimed) (caller, error) {
	s.callers.once.Do(func() { s.callers.watch = s.DB.Watch(readOf...) })
	if s.callers.watch == nil {
		return s.lookUp(ctx, of)
	}
	asOf := s.callers.watch.Version()
	if found, is := s.callers.get(asOf, of); is && s.DB.Now().Before(found.endsAt) {
		return found, nil
	}
	found, err := s.lookUp(ctx, of)
	if err == nil {
		s.callers.put(asOf, of, found)
	}
	return found, err
}

func (s *Service) lookUp(ctx context.Context, of claimed) (caller, error) {
	return database.Ask(ctx, s.DB, func(tx *database.Tx) (c caller, err error) {
		err = tx.QueryRow(ctx, selectCaller, of.session, of.user, of.account, of.application, tx.Now).
			Scan(&c.role, &c.email, &c.slug, &c.endsAt)
		return c, err
	})
}

func (k *callers) get(asOf uint64, of claimed) (found caller, is bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asOf != asOf {
		return found, false
	}
	found, is = k.known[of]
	return found, is
}

// put keeps what was read since a version, unless that is over already.
func (k *callers) put(asOf uint64, of claimed, found caller) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if asOf < k.asOf {
		return
	}
	if asOf > k.asOf || k.known == nil || len(k.known) >= mostCallers {
		k.asOf, k.known = asOf, map[claimed]caller{}
	}
	k.known[of] = found
}

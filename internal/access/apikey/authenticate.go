package apikey

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
	"canopy.dev/canopy/internal/tenant/revision"
)

// Authenticate makes the principal of a key's value. Whatever is wrong with it, the fault
// is auth.invalid_token: nothing tells which.
func (s *Service) Authenticate(ctx context.Context, value string) (principal.Principal, error) {
	hash := secret.Hash(value)
	e, err := s.known(ctx, hash)
	now := s.DB.Now()
	switch {
	case errors.Is(err, database.ErrNoRows):
		return nil, signingkey.ErrInvalidToken
	case err != nil:
		return nil, err
	case !e.active, !e.key.ExpiresAt.IsZero() && !now.Before(e.key.ExpiresAt):
		return nil, signingkey.ErrInvalidToken
	}
	s.uses.note(e.key, now)
	return e.key, nil
}

// known is what the store says of a value.
type known struct {
	key    principal.Key
	active bool
	at     revision.At // of its Environment, on PostgreSQL
}

const (
	mostKnown   = 10_000 // keys kept in memory
	mostUnknown = 10_000 // values that are no key's; a stranger can send any number
)

// cache keeps what the store said for as long as that is so.
type cache struct {
	once  sync.Once
	watch *database.Watch

	mu      sync.RWMutex
	asOf    uint64 // of the watch
	known   map[string]known
	unknown map[string]struct{}
}

// readOf are the tables of selectByValue.
var readOf = slices.Concat([]string{"api_key"}, environment.Tables(), application.Tables(), account.Tables())

// known finds a value by its hash, in memory if that is proven to be as the store is now;
// database.ErrNoRows when it is no key's.
func (s *Service) known(ctx context.Context, hash string) (known, error) {
	c := &s.cache
	c.once.Do(func() { c.watch = s.DB.Watch(readOf...) })
	var asOf uint64
	if c.watch != nil {
		asOf = c.watch.Version()
	}
	found, is, none := c.get(asOf, hash)
	switch {
	case none:
		return found, database.ErrNoRows
	case is && c.watch != nil:
		return found, nil
	case is:
		if at, err := s.now(ctx, found); err != nil || at == found.at {
			return found, err
		}
	}
	found, err := s.lookUp(ctx, hash)
	if err == nil || errors.Is(err, database.ErrNoRows) {
		c.put(asOf, hash, found, err == nil)
	}
	return found, err
}

// now is where the key's Environment stands; zero when it is gone.
func (s *Service) now(ctx context.Context, of known) (revision.At, error) {
	at, err := database.Read(ctx, s.DB, func(tx *database.Tx) (revision.At, error) {
		return revision.Now(ctx, tx, of.key.Environment)
	})
	if errors.Is(err, database.ErrNoRows) {
		err = nil
	}
	return at, err
}

func (s *Service) lookUp(ctx context.Context, hash string) (known, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (known, error) {
		e, err := scanKnown(tx.QueryRow(ctx, selectByValue, hash))
		if err != nil {
			return e, err
		}
		e.key.Kind, e.key.ID = principal.KindAPIKey, e.key.KeyID.Any()
		e.at, err = revision.Now(ctx, tx, e.key.Environment)
		return e, err
	})
}

func (c *cache) get(asOf uint64, hash string) (found known, is, none bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	// A value that is no key's never becomes one: values are made at random.
	if _, none = c.unknown[hash]; none {
		return found, false, true
	}
	if c.asOf != asOf {
		return found, false, false
	}
	found, is = c.known[hash]
	return found, is, false
}

// put keeps what was read since a version, unless that is over already.
func (c *cache) put(asOf uint64, hash string, found known, is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !is {
		if c.unknown == nil || len(c.unknown) >= mostUnknown {
			c.unknown = map[string]struct{}{}
		}
		c.unknown[hash] = struct{}{}
		return
	}
	if asOf < c.asOf {
		return
	}
	if asOf > c.asOf || c.known == nil || len(c.known) >= mostKnown {
		c.asOf, c.known = asOf, map[string]known{}
	}
	c.known[hash] = found
}

// uses are the keys that were used since the last flush.
type uses struct {
	mu   sync.Mutex
	last map[ID]use
}

type use struct {
	in environment.ID
	at time.Time
}

func (u *uses) note(k principal.Key, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[ID]use{}
	}
	if _, is := u.last[k.KeyID]; is || len(u.last) < mostKnown {
		u.last[k.KeyID] = use{k.Environment.ID, now}
	}
}

func (u *uses) take() map[ID]use {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.last
	u.last = nil
	return taken
}

// Flush writes when keys were used last, to be called every half a minute and at the end.
func (s *Service) Flush(ctx context.Context) error {
	taken := s.uses.take()
	ids := make([]ID, 0, len(taken))
	for of := range taken {
		ids = append(ids, of)
	}
	slices.SortFunc(ids, func(a, b ID) int { return slices.Compare(a[:], b[:]) })
	for piece := range slices.Chunk(ids, 100) {
		err := database.Do(ctx, s.DB, func(tx *database.Tx) error {
			for _, of := range piece {
				if _, err := tx.Exec(ctx, upsertUse, taken[of].at, taken[of].in, of); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// denial is a permission that a key lacked.
type denial struct {
	key        ID
	permission permission.Key
}

// mostDenials bounds the denials of one minute that are kept in memory; the store decides
// where there are more.
const mostDenials = 10_000

// Denied records that a key lacked a permission, once for each minute, whichever process
// it asks. Event: authorization.denied.
func (s *Service) Denied(
	ctx context.Context, k principal.Key, by principal.Actor, p permission.Key, method, path string,
) error {
	now := s.DB.Now()
	if !s.first(denial{k.KeyID, p}, now) {
		return nil
	}
	in := k.Environment
	return database.Do(database.Unguarded(ctx), s.DB, func(tx *database.Tx) error {
		n, err := tx.Exec(ctx, insertDenial, k.KeyID, string(p), now.Unix()/60, in.ID)
		if err != nil || n == 0 {
			return err
		}
		e := event.Entry{
			Actor: by, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
		}
		return event.Record(ctx, tx, Refused, e, RefusedPayload{p, method, path[:min(len(path), 1000)]})
	})
}

// first reports whether this process has not told of the denial in this minute.
func (s *Service) first(d denial, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := now.Unix() / 60; m != s.minute || len(s.denied) >= mostDenials {
		s.minute, s.denied = m, map[denial]bool{}
	}
	if s.denied[d] {
		return false
	}
	s.denied[d] = true
	return true
}

// Sweep removes what is of no more use of denials.
func (s *Service) Sweep(ctx context.Context) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, sweepDenials, tx.Now.Unix()/60-1)
		return err
	})
}

// flushEvery is how often it is written when keys were used.
const flushEvery = 30 * time.Second

// Run writes when keys were used last, until ctx ends, and then once more.
func (s *Service) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := s.Flush(context.WithoutCancel(ctx)); err != nil {
				failed(err)
			}
			return
		case <-tick.C:
			if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}

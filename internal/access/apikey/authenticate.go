package apikey

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

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
	k, err := s.live(ctx, secret.Hash(value))
	switch {
	case errors.Is(err, database.ErrNoRows):
		return nil, signingkey.ErrInvalidToken
	case err != nil:
		return nil, err
	}
	s.uses.note(k, s.DB.Now())
	return k, nil
}

// known is a live key as the store has it.
type known struct {
	key principal.Key
	at  revision.At // of its Environment at that moment
}

// Held is a key that is in memory, and not proven to be live.
type Held struct {
	Key principal.Key

	hash string
	at   revision.At
	asOf uint64 // of the watch
	now  time.Time
}

// Held gives the key of a value where it is in memory, for who proves at once that it is still
// live: by Live, from where its Environment stands.
func (s *Service) Held(value string) (Held, bool) {
	c, now, hash := &s.cache, s.DB.Now(), secret.Hash(value)
	asOf := c.version(s.DB)
	found, is := c.get(asOf, hash)
	return Held{found.key, hash, found.at, asOf, now}, is && !found.expired(now)
}

// Live reports whether the key is live at a moment of its Environment, and counts as a use of
// it. same reports whether no key was changed between another moment and that one.
func (s *Service) Live(k Held, at revision.At, same func(since revision.At) bool) bool {
	switch {
	case s.cache.watch != nil:
		if s.cache.watch.Version() != k.asOf {
			return false
		}
	case k.at != at:
		if !same(k.at) {
			return false
		}
		s.cache.advance(k.hash, k.at, at)
	}
	s.uses.note(k.Key, k.now)
	return true
}

// mostKnown bounds how many keys are kept in memory.
const mostKnown = 10_000

// cache keeps live keys for as long as the store has them so. Values that are no live
// key's are not kept: a stranger can send any number of them, and each then costs the same
// one look into the store, whatever is wrong with it.
//
// On PostgreSQL a key is good while the revision of its Environment is what it was. That
// covers all that decides about the key, and the slug of its Environment; the slugs above
// may be older.
type cache struct {
	once  sync.Once
	watch *database.Watch // of SQLite

	mu    sync.RWMutex
	asOf  uint64 // of the watch
	known map[string]known
}

// readOf are the tables of selectByValue, save that of revisions.
var readOf = slices.Concat([]string{"api_key"}, environment.Tables(), application.Tables(), account.Tables())

// live finds the live key of a value by its hash, in memory if that is proven to be as the
// store is now; database.ErrNoRows when there is none.
func (s *Service) live(ctx context.Context, hash string) (principal.Key, error) {
	c := &s.cache
	asOf := c.version(s.DB)
	if found, is := c.get(asOf, hash); is && !found.expired(s.DB.Now()) {
		current, err := s.current(ctx, found)
		if err != nil || current {
			return found.key, err
		}
	}
	found, err := s.lookUp(ctx, hash)
	switch {
	case err == nil:
		c.put(asOf, hash, found)
	case errors.Is(err, database.ErrNoRows):
		c.drop(hash)
	}
	return found.key, err
}

func (k known) expired(now time.Time) bool {
	return !k.key.ExpiresAt.IsZero() && !now.Before(k.key.ExpiresAt)
}

// current reports whether what is known of a key is as the store is now.
func (s *Service) current(ctx context.Context, k known) (bool, error) {
	if s.cache.watch != nil {
		return true, nil
	}
	at, err := s.Prover.At(ctx, k.key.Environment)
	if errors.Is(err, database.ErrNoRows) {
		return false, nil
	}
	return at == k.at, err
}

func (s *Service) lookUp(ctx context.Context, hash string) (known, error) {
	return database.Ask(ctx, s.DB, func(tx *database.Tx) (known, error) {
		return scanKnown(tx.QueryRow(ctx, selectByValue, hash, tx.Now))
	})
}

// version is that of the watch; 0 where there is none.
func (c *cache) version(db *database.DB) uint64 {
	c.once.Do(func() { c.watch = db.Watch(readOf...) })
	if c.watch == nil {
		return 0
	}
	return c.watch.Version()
}

// advance notes that a key is live at a later moment, too.
func (c *cache) advance(hash string, from, to revision.At) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, is := c.known[hash]; is && found.at == from {
		found.at = to
		c.known[hash] = found
	}
}

func (c *cache) get(asOf uint64, hash string) (found known, is bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.asOf != asOf {
		return found, false
	}
	found, is = c.known[hash]
	return found, is
}

// put keeps what was read since a version, unless that is over already.
func (c *cache) put(asOf uint64, hash string, found known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if asOf < c.asOf {
		return
	}
	if asOf > c.asOf || c.known == nil {
		c.asOf, c.known = asOf, map[string]known{}
	}
	if len(c.known) >= mostKnown {
		for other := range c.known { // any one
			delete(c.known, other)
			break
		}
	}
	c.known[hash] = found
}

// drop forgets a key that is live no more.
func (c *cache) drop(hash string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, hash)
}

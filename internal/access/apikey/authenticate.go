package apikey

import (
	"context"
	"errors"
	"slices"
	"time"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
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
	now, hash := s.DB.Now(), secret.Hash(value)
	found, asOf, is := s.known.Peek(s.source(), hash)
	return Held{found.Value, hash, found.At, asOf, now}, is && !expired(found.Value, now)
}

// Live reports whether the key is live at a moment of its Environment, and counts as a use of
// it. same reports whether no key was changed between another moment and that one.
func (s *Service) Live(k Held, at revision.At, same func(since revision.At) bool) bool {
	asOf, watched := s.known.Version(s.source())
	switch {
	case watched && asOf != k.asOf, !watched && k.at != at && !same(k.at):
		return false
	case !watched && k.at != at:
		s.known.Advance(k.hash, k.at, at)
	}
	s.uses.note(k.Key, k.now)
	return true
}

// readOf are the tables of selectByValue, save that of revisions.
var readOf = slices.Concat([]string{"api_key"}, environment.Tables(), application.Tables(), account.Tables())

func (s *Service) source() revision.Source {
	return revision.Source{DB: s.DB, Prover: s.Prover, Tables: readOf}
}

// live finds the live key of a value by its hash, in memory if that is proven to be as the
// store is now; database.ErrNoRows when there is none. On PostgreSQL a key is good while the
// revision of its Environment is what it was. That covers all that decides about the key, and
// the slug of its Environment; the slugs above may be older.
func (s *Service) live(ctx context.Context, hash string) (principal.Key, error) {
	good := func(k principal.Key) bool { return !expired(k, s.DB.Now()) }
	return s.known.Get(ctx, s.source(), hash, good, func(ctx context.Context) (revision.Kept[principal.Key], error) {
		return database.Ask(ctx, s.DB, func(tx *database.Tx) (revision.Kept[principal.Key], error) {
			return scanKnown(tx.QueryRow(ctx, selectByValue, hash, tx.Now))
		})
	})
}

func expired(k principal.Key, now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

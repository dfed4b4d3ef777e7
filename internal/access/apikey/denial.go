package apikey

import (
	"context"
	"strings"
	"sync"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
)

// denial is a permission that a key lacked.
type denial struct {
	key        ID
	permission permission.Key
}

// mostDenials bounds the denials of one minute that are kept in memory; the store decides
// where there are more.
const mostDenials = 10_000

// denials are those of the current minute that this process has told of.
type denials struct {
	mu     sync.Mutex
	minute int64
	told   map[denial]bool
}

// longestPath is how much of a path an event tells.
const longestPath = 1000

// Denied records that a key lacked a permission, once for each minute, whichever process
// it asks. path is escaped, as answers tell it. Event: authorization.denied.
func (s *Service) Denied(
	ctx context.Context, k principal.Key, by principal.Actor, p permission.Key, method, path string,
) error {
	d, minute := denial{k.KeyID, p}, minuteOf(s.DB.Now())
	if !s.denials.first(d, minute) {
		return nil
	}
	in := k.Environment
	path = strings.ToValidUTF8(path[:min(len(path), longestPath)], "")
	err := database.Do(database.Unguarded(ctx), s.DB, func(tx *database.Tx) error {
		n, err := tx.Exec(ctx, insertDenial, k.KeyID, string(p), minute, in.ID)
		if err != nil || n == 0 {
			return err
		}
		e := event.Entry{
			Actor: by, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
		}
		return event.Record(ctx, tx, Refused, e, RefusedPayload{p, method, path})
	})
	if err != nil {
		s.denials.forget(d)
	}
	return err
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// first reports whether this process has not told of the denial in this minute.
func (ds *denials) first(d denial, minute int64) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if minute != ds.minute || len(ds.told) >= mostDenials {
		ds.minute, ds.told = minute, map[denial]bool{}
	}
	if ds.told[d] {
		return false
	}
	ds.told[d] = true
	return true
}

// forget has the denial told again: it could not be.
func (ds *denials) forget(d denial) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	delete(ds.told, d)
}

// Sweep removes what is of no more use of denials, in small pieces.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		n, err := database.Write(ctx, s.DB, func(tx *database.Tx) (int64, error) {
			return tx.Exec(ctx, sweepDenials, minuteOf(tx.Now)-1)
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

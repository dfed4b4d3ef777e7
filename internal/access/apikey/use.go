package apikey

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

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
	if _, is := u.last[k.KeyID]; is || len(u.last) < revision.MostKept {
		u.last[k.KeyID] = use{k.Environment.ID, now}
	}
}

// take gives what was noted since the last time.
func (u *uses) take() map[ID]use {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.last
	u.last = nil
	return taken
}

// back notes again what could not be written, save what has been noted since.
func (u *uses) back(left map[ID]use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	maps.Copy(left, u.last)
	u.last = left
}

// flushPiece is how many keys one transaction of Flush writes.
const flushPiece = 100

// Flush writes when keys were used last, to be called every half a minute and at the end.
// What it can't write the next call writes.
func (s *Service) Flush(ctx context.Context) error {
	left := s.uses.take()
	ids := slices.SortedFunc(maps.Keys(left), func(a, b ID) int { return slices.Compare(a[:], b[:]) })
	for piece := range slices.Chunk(ids, flushPiece) {
		err := database.Do(ctx, s.DB, func(tx *database.Tx) error {
			for _, of := range piece {
				if _, err := tx.Exec(ctx, upsertUse, left[of].at, left[of].in, of); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			s.uses.back(left)
			return err
		}
		for _, of := range piece {
			delete(left, of)
		}
	}
	return nil
}

// flushEvery is how often it is written when keys were used.
const flushEvery = 30 * time.Second

// Run writes when keys were used last, until ctx ends. Who ends it calls Flush once no
// call is left.
func (s *Service) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

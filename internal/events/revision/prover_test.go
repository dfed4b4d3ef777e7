package revision_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// open makes Environments as far as revisions know them.
func open(t *testing.T, db *database.DB, n int) []scope.Environment {
	t.Helper()
	list := make([]scope.Environment, n)
	dbtest.Do(t, db, func(tx *database.Tx) error {
		for i := range list {
			e := &list[i]
			e.ID = id.New[scope.EnvironmentID](tx.Now)
			e.Application.Account.ID = id.New[scope.AccountID](tx.Now)
			if err := revision.Open(t.Context(), tx, e.Application.Account.ID, e.ID.Any()); err != nil {
				return err
			}
		}
		return nil
	})
	return list
}

// TestProofIsOfAfterTheQuestion: a write that was answered is in every proof that is asked
// for afterwards, however many share one read.
func TestProofIsOfAfterTheQuestion(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		p := &revision.Prover{DB: db}
		var all sync.WaitGroup
		for _, in := range open(t, db, 12) {
			all.Go(func() {
				for i := range uint64(40) {
					err := database.Do(t.Context(), db, func(tx *database.Tx) error {
						revision.Append(tx, in)
						return nil
					})
					if err != nil {
						t.Error(err)
						return
					}
					if at, err := p.At(t.Context(), in); err != nil || at.Revision != i+2 || at.Stamp == "" {
						t.Errorf("%+v, %v after revision %d", at, err, i+2)
					}
				}
			})
		}
		all.Wait()
	})
}

// TestProofOfMany: each gets its own, whatever the number; what is not there is no row, nor
// is an Environment under another Account's name.
func TestProofOfMany(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		p := &revision.Prover{DB: db}
		list := open(t, db, 150)
		for i, in := range list[:100] {
			dbtest.Do(t, db, func(tx *database.Tx) error {
				if i%2 == 0 {
					revision.Append(tx, in)
				}
				return nil
			})
		}
		var all sync.WaitGroup
		for i, in := range list {
			all.Go(func() {
				want := uint64(1)
				if i < 100 && i%2 == 0 {
					want = 2
				}
				if at, err := p.At(t.Context(), in); err != nil || at.Revision != want {
					t.Errorf("%+v, %v, want revision %d", at, err, want)
				}
			})
		}
		all.Go(func() {
			stranger := list[0]
			stranger.Application = list[1].Application
			stranger.ID = scope.EnvironmentID{1}
			if _, err := p.At(t.Context(), stranger); !errors.Is(err, database.ErrNoRows) {
				t.Errorf("of nothing: %v", err)
			}
		})
		all.Wait()
		mixed := list[0]
		mixed.Application = list[1].Application
		if _, err := p.At(t.Context(), mixed); !errors.Is(err, database.ErrNoRows) {
			t.Errorf("under another Account: %v", err)
		}
	})
}

// TestWhoLeavesHoldsUpNobody: callers that hang up while they wait leave no round behind
// that nobody reads.
func TestWhoLeavesHoldsUpNobody(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		p := &revision.Prover{DB: db}
		in := open(t, db, 1)[0]
		for range 60 {
			var all sync.WaitGroup
			for i := range 12 {
				all.Go(func() {
					ctx, leave := context.WithCancel(t.Context())
					if i%3 > 0 {
						go leave()
					}
					defer leave()
					if _, err := p.At(ctx, in); err != nil && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if _, err := p.At(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
	})
}

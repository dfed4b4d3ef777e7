package database_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestGuard: what the guard writes is part of each transaction of its context, and its
// error leaves nothing of one.
func TestGuard(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		refused := errors.New("refused")
		var guard error
		asked := 0
		ctx := database.Guarded(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			asked++
			_, err := tx.Exec(ctx, `UPDATE portal_user SET email = 'guarded' WHERE id = 'a'`)
			return errors.Join(err, guard)
		})
		add := func(ctx context.Context, id string, err error) error {
			return database.Do(ctx, db, func(tx *database.Tx) error {
				_, failed := tx.Exec(ctx, putUser, id, id+"@x.test", tx.Now, nil)
				return errors.Join(failed, err)
			})
		}
		if err := add(ctx, "a", nil); err != nil || count(t, db, `portal_user WHERE email = 'guarded'`) != 1 {
			t.Errorf("%v, and what the guard wrote is not there", err)
		}
		if err := add(ctx, "b", refused); !errors.Is(err, refused) || asked != 1 {
			t.Errorf("%v, and the guard was asked %d times", err, asked)
		}
		if err := database.View(ctx, db, func(*database.Tx) error { return nil }); err != nil || asked != 1 {
			t.Errorf("%v, and the guard was asked %d times", err, asked)
		}
		guard = refused
		if err := add(ctx, "c", nil); !errors.Is(err, refused) || count(t, db, "portal_user") != 1 {
			t.Errorf("%v, with %d users", err, count(t, db, "portal_user"))
		}
		if err := add(context.WithoutCancel(ctx), "d", nil); !errors.Is(err, refused) {
			t.Errorf("a context that outlives the call has no guard: %v", err)
		}
		if err := add(database.Unguarded(ctx), "e", nil); err != nil || asked != 3 || count(t, db, "portal_user") != 2 {
			t.Errorf("%v, and the guard was asked %d times", err, asked)
		}
	})
}

// TestGuardOfAMemberHarmsNoOther: of SQLite's writers that share a commit, the guard of
// one fails that one.
func TestGuardOfAMemberHarmsNoOther(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.SQLite, time.Now)
	refused := errors.New("refused")
	var n int
	fails := func(tx *database.Tx) error {
		ctx := database.Guarded(t.Context(), func(context.Context, *database.Tx) error { return refused })
		return database.Guards(ctx, put(t, "guarded", &n))(tx)
	}
	for i, err := range gathered(t, db, put(t, "a", &n), fails, put(t, "b", &n)) {
		if (err != nil) != (i == 1) {
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if got := count(t, db, `portal_user WHERE id IN ('a', 'b')`); got != 2 || count(t, db, "portal_user") != 2 {
		t.Errorf("%d of 2, and %d in all", got, count(t, db, "portal_user"))
	}
}

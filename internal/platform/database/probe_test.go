package database_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

func TestTryWriteOnAStoreThatWorks(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		for range 3 {
			if err := db.TryWrite(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestTryWriteFailsWhereWritesDo: a small write may find room where a large one
// doesn't, so it remembers that until one has succeeded, or for ten seconds.
func TestTryWriteFailsWhereWritesDo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var ahead atomic.Int64
	db := dbtest.Open(t, database.SQLite, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	var pages int
	if err := db.Pool().QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int) {
		t.Helper()
		if _, err := db.Pool().ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	large := func() error { return user(ctx, db, "large", strings.Repeat("x", 1<<20)) }
	limit(pages + 4)
	if err := large(); !database.Unreachable(err) {
		t.Fatal(err)
	}
	if err := db.TryWrite(ctx); err == nil {
		t.Error("it is well on a full store")
	}
	limit(pages + 10000)
	if err := large(); err != nil {
		t.Fatal(err)
	}
	if err := db.TryWrite(ctx); err != nil {
		t.Errorf("after a write that succeeded: %v", err)
	}
	ahead.Store(int64(time.Hour))
	limit(pages)
	_ = user(ctx, db, "larger", strings.Repeat("y", 1<<20))
	if err := db.TryWrite(ctx); err == nil {
		t.Error("it is well on a full store")
	}
	for _, later := range []time.Duration{2 * time.Hour, 0} { // the clock may be set back
		ahead.Store(int64(later))
		if err := db.TryWrite(ctx); err != nil {
			t.Errorf("when that is long ago: %v", err)
		}
	}
}

// TestTryWriteTakesALongOneForAnAnswer: who imports has not broken the store.
func TestTryWriteTakesALongOneForAnAnswer(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.SQLite, time.Now)
	err := database.Do(database.Long(t.Context()), db, func(*database.Tx) error { return db.TryWrite(t.Context()) })
	if err != nil {
		t.Error(err)
	}
	err = database.Do(t.Context(), db, func(*database.Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := db.TryWrite(ctx); err == nil {
				t.Error("it writes beside another")
			}
		})
		for db.Waiting() == 0 {
			runtime.Gosched()
		}
		cancel()
		wg.Wait()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

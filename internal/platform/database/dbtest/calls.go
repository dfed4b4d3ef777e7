package dbtest

import (
	"sync"
	"testing"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/platform/database"
)

// Write runs fn in a transaction, which may take its time, and ends the test with its
// error.
func Write[T any](t testing.TB, db *database.DB, fn func(tx *database.Tx) (T, error)) T {
	t.Helper()
	v, err := database.Write(database.Long(t.Context()), db, fn)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Do is Write for work that has no result but its error.
func Do(t testing.TB, db *database.DB, fn func(tx *database.Tx) error) {
	t.Helper()
	if err := database.Do(database.Long(t.Context()), db, fn); err != nil {
		t.Fatal(err)
	}
}

// Exec runs one statement and ends the test with its error.
func Exec(t testing.TB, db *database.DB, statement string, args ...any) {
	t.Helper()
	Do(t, db, func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), statement, args...)
		return err
	})
}

// Number is what a query gives that asks for one number, mostly a count.
func Number(t testing.TB, db *database.DB, query string, args ...any) int {
	t.Helper()
	return Write(t, db, func(tx *database.Tx) (n int, err error) {
		return n, tx.QueryRow(t.Context(), query, args...).Scan(&n)
	})
}

// AtOnce calls fn n times at the same time and counts what it gives.
func AtOnce(n int, fn func() string) map[string]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := map[string]int{}
	for range n {
		wg.Go(func() {
			got := fn()
			mu.Lock()
			defer mu.Unlock()
			counts[got]++
		})
	}
	wg.Wait()
	return counts
}

// Outcome is how a call ended, in one word where there is one: ok, the code of a
// fault, or the text of any other error.
func Outcome(err error) string {
	f := fault.As(err)
	switch {
	case err == nil:
		return "ok"
	case f != nil:
		return f.Code
	}
	return err.Error()
}

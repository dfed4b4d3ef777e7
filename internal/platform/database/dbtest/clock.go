package dbtest

import (
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// Clock is the time of one test. It begins at the same instant in every test and
// moves only when it is turned, and by a microsecond at each reading, so
// that no two transactions share an instant. The zero value is ready; it is safe
// for concurrent use.
type Clock struct{ gone atomic.Int64 } // microseconds

var begin = time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)

// Now is the time of the test.
func (c *Clock) Now() time.Time {
	return begin.Add(time.Duration(c.gone.Add(1)) * time.Microsecond)
}

// Advance turns the clock ahead, or back.
func (c *Clock) Advance(d time.Duration) { c.gone.Add(d.Microseconds()) }

// EachTimed is Each with a clock for each subtest.
func EachTimed(t *testing.T, fn func(t *testing.T, db *database.DB, clock *Clock)) {
	t.Helper()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			clock := &Clock{}
			fn(t, Open(t, engine, clock.Now), clock)
		})
	}
}

package ratelimit_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

var rules = ratelimit.Rules{
	ratelimit.Link:   {Count: 3, Period: time.Minute},
	ratelimit.SignIn: {Count: 2, Period: time.Minute},
	ratelimit.SignUp: {},
}

// age makes every window end d earlier.
func age(t *testing.T, db *database.DB, d time.Duration) {
	t.Helper()
	err := database.Do(t.Context(), db, func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE rate_count SET ends_at = ends_at - $1`, d.Microseconds())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// table gives the number of rows, the sum of their counts, and all their text.
func table(t *testing.T, db *database.DB) (rows, sum int, text string) {
	t.Helper()
	_, err := database.Read(t.Context(), db, func(tx *database.Tx) (struct{}, error) {
		return struct{}{}, tx.Query(t.Context(), func(s database.Scanner) error {
			var name, subject string
			var n int
			err := s.Scan(&name, &subject, &n)
			rows, sum, text = rows+1, sum+n, text+name+" "+subject+"\n"
			return err
		}, `SELECT name, subject, count FROM rate_count`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows, sum, text
}

func TestTakeRefusesBeyondTheLimit(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		l, ctx := ratelimit.New(db, rules), t.Context()
		for range 3 {
			if err := l.Take(ctx, ratelimit.Link, "192.0.2.1"); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			err := l.Take(ctx, ratelimit.Link, "192.0.2.1")
			f := fault.As(err)
			if !errors.Is(err, fault.RateLimited) || f.Quota == nil {
				t.Fatalf("the fourth is %v", err)
			}
			if q := *f.Quota; q.Limit != 3 || q.Remaining != 0 || q.Reset <= 0 || q.Reset > time.Minute ||
				f.RetryAfter != q.Reset {
				t.Errorf("quota %+v, retry after %s", q, f.RetryAfter)
			}
		}
		if err := l.Take(ctx, ratelimit.Link, "192.0.2.2"); err != nil {
			t.Errorf("another subject: %v", err)
		}
		rows, sum, text := table(t, db)
		if rows != 2 || sum != 4 {
			t.Errorf("%d rows, %d counted; refusals were counted", rows, sum)
		}
		if strings.Contains(text, "192.0.2") {
			t.Errorf("a subject lies in clear: %s", text)
		}
	})
}

func TestWindowEndsAPeriodAfterItsFirstCount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		l, ctx := ratelimit.New(db, rules), t.Context()
		take := func() error { return l.Take(ctx, ratelimit.Link, "a") }
		_ = take()
		age(t, db, 40*time.Second)
		if err := errors.Join(take(), take()); err != nil {
			t.Fatal(err)
		}
		if f := fault.As(take()); f == nil || f.RetryAfter > 20*time.Second {
			t.Fatalf("the window moved with later counts: %v", f)
		}
		age(t, db, 20*time.Second)
		for i := range 3 {
			if err := take(); err != nil {
				t.Fatalf("count %d of the next window: %v", i+1, err)
			}
		}
		if err := take(); !errors.Is(err, fault.RateLimited) {
			t.Errorf("the next window has no limit: %v", err)
		}
	})
}

func TestOfFiftyParallelTakesTheLimitPasses(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		// Two limiters, as two processes would have.
		a, b := ratelimit.New(db, rules), ratelimit.New(db, rules)
		var passed, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				l := a
				if i%2 == 0 {
					l = b
				}
				switch err := l.Take(t.Context(), ratelimit.Link, "x"); {
				case err == nil:
					passed.Add(1)
				case errors.Is(err, fault.RateLimited):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if passed.Load() != 3 || refused.Load() != 47 {
			t.Errorf("%d passed, %d were refused", passed.Load(), refused.Load())
		}
	})
}

func TestCountIsUndoneWithItsTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		l, ctx, failed := ratelimit.New(db, rules), t.Context(), errors.New("no")
		err := database.Do(ctx, db, func(tx *database.Tx) error {
			return errors.Join(l.Count(ctx, tx, ratelimit.Link, "x"), failed)
		})
		if rows, _, _ := table(t, db); !errors.Is(err, failed) || rows != 0 {
			t.Errorf("%v left %d rows", err, rows)
		}
	})
}

func TestOffNeitherRefusesNorWrites(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		l, ctx := ratelimit.New(db, rules), t.Context()
		for _, name := range []ratelimit.Name{ratelimit.SignUp, ratelimit.SCIM} {
			for range 5 {
				places, err := l.Reserve(ctx, ratelimit.Counter{Name: name, Subject: "x"})
				if err != nil {
					t.Fatal(err)
				}
				err = database.Do(ctx, db, func(tx *database.Tx) error {
					k, err := places.Keep(ctx, tx, name)
					if k.Filled {
						t.Error("a failure fills a limit that is off")
					}
					return err
				})
				if err := errors.Join(err, l.Take(ctx, name, "x")); err != nil {
					t.Fatal(err)
				}
			}
		}
		if rows, _, _ := table(t, db); rows != 0 {
			t.Errorf("%d rows", rows)
		}
	})
}

func TestSweepDeletesEndedWindows(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		l, ctx := ratelimit.New(db, rules), context.WithoutCancel(t.Context())
		_ = l.Take(ctx, ratelimit.Link, "old")
		age(t, db, time.Minute)
		_ = l.Take(ctx, ratelimit.Link, "new")
		if _, err := l.Reserve(ctx, ratelimit.Counter{Name: ratelimit.SignIn, Subject: "died"}); err != nil {
			t.Fatal(err)
		}
		dbtest.Exec(t, db, `UPDATE rate_place SET expires_at = 0`)
		if err := l.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if rows, _, _ := table(t, db); rows != 2 {
			t.Errorf("%d rows are left, want the open windows", rows)
		}
		if n := dbtest.Number(t, db, `SELECT count(*) FROM rate_place`); n != 0 {
			t.Errorf("%d places are left", n)
		}
	})
}

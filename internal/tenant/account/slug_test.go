package account_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
)

const hour = time.Hour

// reserve takes a slug of the name for a new Account, for an hour.
func reserve(t *testing.T, db *database.DB, name string) (accountID account.ID, slug string) {
	t.Helper()
	dbtest.Do(t, db, func(tx *database.Tx) (err error) {
		accountID = id.New[account.ID](tx.Now)
		slug, err = account.ReserveSlug(t.Context(), tx, accountID, name, tx.Now.Add(hour))
		return err
	})
	return accountID, slug
}

// create makes the Account whose slug was reserved.
func create(t *testing.T, db *database.DB, accountID account.ID, name string) {
	t.Helper()
	dbtest.Do(t, db, func(tx *database.Tx) error {
		return account.Create(t.Context(), tx, principal.System(), accountID, name)
	})
}

func prolong(t *testing.T, db *database.DB, accountID account.ID, name string, by time.Duration) {
	t.Helper()
	dbtest.Do(t, db, func(tx *database.Tx) error {
		return account.ProlongSlug(t.Context(), tx, accountID, name, tx.Now.Add(by))
	})
}

func release(t *testing.T, db *database.DB, accountID account.ID) {
	t.Helper()
	dbtest.Do(t, db, func(tx *database.Tx) error { return account.ReleaseSlug(t.Context(), tx, accountID) })
}

// slugOf is the slug that an Account has or will have, "" without one.
func slugOf(t *testing.T, db *database.DB, accountID account.ID) string {
	t.Helper()
	list := dbtest.Write(t, db, func(tx *database.Tx) ([]string, error) {
		return database.All(t.Context(), tx, func(row database.Scanner) (slug string, err error) {
			return slug, row.Scan(&slug)
		}, `SELECT slug FROM account_slug WHERE account_id = $1`, accountID)
	})
	return strings.Join(list, " ")
}

func TestReservationTakesTheFirstFreeSpelling(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		for _, c := range []struct{ name, want string }{
			{"Acme", "acme"},
			{"ACME", "acme-2"},
			{"acme!", "acme-3"},
			{"Acme 2", "acme-2-2"},
			{"株式会社", "account"},
			{"…", "account-2"},
		} {
			if _, slug := reserve(t, db, c.name); slug != c.want {
				t.Errorf("%q gets %s, want %s", c.name, slug, c.want)
			}
		}
	})
}

func TestReservationsRunOutAndAreTakenOver(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		late, _ := reserve(t, db, "Acme")
		kept, _ := reserve(t, db, "Globex")
		create(t, db, kept, "Globex")
		clock.Advance(hour - time.Second)
		if _, slug := reserve(t, db, "Acme"); slug != "acme-2" {
			t.Errorf("a live reservation was passed over: %s", slug)
		}
		clock.Advance(time.Second)
		next, slug := reserve(t, db, "Acme")
		if slug != "acme" || slugOf(t, db, next) != "acme" || slugOf(t, db, late) != "" {
			t.Errorf("a reservation that has run out is still there: %s for the next", slug)
		}
		clock.Advance(10 * 365 * 24 * hour)
		if _, slug := reserve(t, db, "Globex"); slug != "globex-2" {
			t.Errorf("the slug of an Account was given away: %s", slug)
		}
	})
}

func TestTwentyReservationsOfOneName(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		_, _ = reserve(t, db, "Acme")
		clock.Advance(hour) // the first twenty race for one that has run out
		got := dbtest.AtOnce(20, func() string {
			slug, err := database.Write(t.Context(), db, func(tx *database.Tx) (string, error) {
				return account.ReserveSlug(t.Context(), tx, id.New[account.ID](tx.Now), "Acme", tx.Now.Add(hour))
			})
			if err != nil {
				return err.Error()
			}
			return slug
		})
		want := map[string]int{"acme": 1}
		for n := 2; n <= 20; n++ {
			want["acme-"+strconv.Itoa(n)] = 1
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Ten thousand Accounts of one name leave room for more; what they left free is found.
func TestReservationsBeyondTenThousand(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		dbtest.Exec(t, db, `INSERT INTO account_slug (slug, account_id, reserved_until)
			WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000)
			SELECT CASE WHEN n = 1 THEN 'acme' ELSE 'acme-' || n END, 'account-' || n, $1 FROM numbers`,
			db.Now().Add(hour))
		got := dbtest.AtOnce(10, func() string {
			slug, err := database.Write(t.Context(), db, func(tx *database.Tx) (string, error) {
				return account.ReserveSlug(t.Context(), tx, id.New[account.ID](tx.Now), "Acme", tx.Now.Add(2*hour))
			})
			if err != nil {
				return err.Error()
			}
			return slug
		})
		want := map[string]int{}
		for n := 10001; n <= 10010; n++ {
			want["acme-"+strconv.Itoa(n)] = 1
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		clock.Advance(hour)
		if _, slug := reserve(t, db, "Acme"); slug != "acme" {
			t.Errorf("after they have run out: %s", slug)
		}
	})
}

func TestProlongedReservation(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		own, _ := reserve(t, db, "Acme")
		clock.Advance(2 * hour) // has run out, and nobody wanted it
		prolong(t, db, own, "Acme", hour)
		if _, slug := reserve(t, db, "Acme"); slug != "acme-2" {
			t.Errorf("a prolonged reservation does not hold: the next gets %s", slug)
		}
		clock.Advance(2 * hour)
		_, _ = reserve(t, db, "Acme") // takes acme over
		prolong(t, db, own, "Acme", hour)
		if slug := slugOf(t, db, own); slug != "acme-2" {
			t.Errorf("after a take-over the slug is %q", slug)
		}
	})
}

func TestReleaseLeavesAnAccountsOwnSlug(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		own, _ := reserve(t, db, "Acme")
		create(t, db, own, "Acme")
		waiting, _ := reserve(t, db, "Acme")
		release(t, db, own)
		release(t, db, waiting)
		if slugOf(t, db, own) != "acme" || slugOf(t, db, waiting) != "" {
			t.Errorf("the Account has %q, what waited %q", slugOf(t, db, own), slugOf(t, db, waiting))
		}
	})
}

// An Account without a slug would be nobody's: every sign-in looks for it.
func TestAccountHasASlugThoughItsReservationWasLost(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		late, _ := reserve(t, db, "Acme")
		clock.Advance(hour)
		_, _ = reserve(t, db, "Acme") // takes acme over
		create(t, db, late, "Acme")
		clock.Advance(hour)
		if next, slug := reserve(t, db, "Acme"); slug != "acme" || slugOf(t, db, late) != "acme-2" {
			t.Errorf("the Account has %q, the next reservation %q", slugOf(t, db, late), slugOf(t, db, next))
		}
	})
}

package event_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// A walk gives the rows that pages of Find give, whatever is asked, however large a page, and
// whether they are crowded into one instant or far apart.
func TestWalkGivesAllThatIsMeant(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		rnd := rand.New(rand.NewPCG(3, 4))
		scattered(t, db, clock, rnd)
		clock.Advance(200 * 24 * time.Hour)
		all := scattered(t, db, clock, rnd)
		found := 0
		for name, f := range asks() {
			f.Account, f.On = scope.AccountID{1}, event.Both
			f.From, f.To = all[7].CreatedAt, all[len(all)-7].CreatedAt
			var got []string
			w := event.NewWalk(f, 1+rnd.IntN(40))
			for more := true; more; {
				dbtest.Do(t, db, func(tx *database.Tx) error {
					rows, left, err := w.Next(t.Context(), tx)
					for i := range rows {
						got = append(got, rows[i].ID.String())
					}
					more = left
					return err
				})
			}
			found += len(got)
			if diff := cmp.Diff(walk(t, db, f, 100, event.OldestFirst), got); diff != "" {
				t.Errorf("%s (-find +walk):\n%s", name, diff)
			}
		}
		if found < 500 {
			t.Errorf("only %d rows were meant", found)
		}
	})
}

package signingkey

import (
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestClockSetBackDelaysNoKey: the next key signs a quarter of an hour from then on, and
// the one after it comes in its time.
func TestClockSetBackDelaysNoKey(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		s := ready(t, db)
		next, err := s.Rotate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		signing := func() (kid string, keys int) {
			t.Helper()
			list, err := s.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range list {
				if k.State == Signing {
					kid = k.ID
				}
			}
			return kid, len(list)
		}
		clock.Advance(-time.Hour)
		if err := s.Rewind(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kid, _ := signing(); kid == next.ID {
			t.Error("the next key signs before others know it")
		}
		clock.Advance(15 * time.Minute)
		if kid, _ := signing(); kid != next.ID {
			t.Error("the next key does not sign after a quarter of an hour")
		}
		clock.Advance(s.RotateAfter - 15*time.Minute)
		if err := s.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, n := signing(); n != 3 {
			t.Errorf("%d keys: the one that is due was not made", n)
		}
	})
}

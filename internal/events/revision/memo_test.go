package revision_test

import (
	"context"
	"errors"
	"testing"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestMemo keeps a value while its scope stands where it stood, and asks anew afterwards, by
// whichever process it was raised. What is not there is not kept, and there is a most.
func TestMemo(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		in := open(t, db, 1)[0]
		var m revision.Memo[int, int]
		reads, there := 0, true
		from := revision.Source{DB: db, Prover: &revision.Prover{DB: db}, Tables: []string{"revision"}}
		get := func(key int) (int, error) {
			always := func(int) bool { return true }
			return m.Get(t.Context(), from, key, always, func(ctx context.Context) (k revision.Kept[int], err error) {
				reads++
				if !there {
					return k, database.ErrNoRows
				}
				k.Value, k.Of, k.Account = reads, in.ID.Any(), in.Application.Account.ID
				return k, database.View(ctx, db, func(tx *database.Tx) error {
					k.At, err = revision.Now(ctx, tx, in)
					return err
				})
			})
		}
		raise := func() {
			dbtest.Do(t, db, func(tx *database.Tx) error {
				revision.Append(tx, in)
				return nil
			})
		}
		for range 3 {
			if v, err := get(1); err != nil || v != 1 {
				t.Fatal(v, err)
			}
		}
		raise()
		if v, err := get(1); err != nil || v != 2 || reads != 2 {
			t.Errorf("after a write: %d, %v, %d reads", v, err, reads)
		}
		raise()
		there = false
		for range 2 {
			if v, err := get(1); !errors.Is(err, database.ErrNoRows) {
				t.Errorf("what is gone: %d, %v", v, err)
			}
		}
		if reads != 4 || m.Len() != 0 {
			t.Errorf("%d reads, %d kept", reads, m.Len())
		}
		there = true
		for key := range revision.MostKept + 10 {
			if _, err := get(key); err != nil {
				t.Fatal(err)
			}
		}
		if m.Len() != revision.MostKept {
			t.Errorf("%d are kept", m.Len())
		}
	})
}

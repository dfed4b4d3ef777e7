package revision_test

import (
	"errors"
	"fmt"
	"testing"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// writeRows writes three times, three rows each, and gives where the Environment stood
// before, between and after.
func writeRows(t *testing.T, db *database.DB, in scope.Environment) (at [4]revision.At) {
	t.Helper()
	for write := range at {
		dbtest.Do(t, db, func(tx *database.Tx) error {
			for row := range 3 * min(write, 1) {
				revision.Append(tx, in, revision.Change{Kind: "row", Body: fmt.Sprint(write, row)})
			}
			return nil
		})
		at[write] = dbtest.Write(t, db, func(tx *database.Tx) (revision.At, error) {
			return revision.Now(t.Context(), tx, in)
		})
	}
	return at
}

// since gives what was changed since, in a world without the rows of a write up to one; of
// write 0 there are none.
func since(
	t *testing.T, db *database.DB, in scope.Environment, from revision.At, write uint64, row int,
) (bodies string, known bool) {
	t.Helper()
	errBack := errors.New("as it was")
	err := database.Do(t.Context(), db, func(tx *database.Tx) error {
		bodies = ""
		_, err := tx.Exec(t.Context(), `DELETE FROM change WHERE scope_id = $1 AND revision = $2 AND ordinal <= $3`,
			in.ID, write, row)
		if err != nil {
			return err
		}
		known, err = revision.Since(t.Context(), tx, in, from, func(_ revision.Kind, _ id.ID, body []byte) error {
			bodies += string(body)
			return nil
		})
		return errors.Join(errBack, err)
	})
	if !errors.Is(err, errBack) || err.Error() != errBack.Error() {
		t.Fatal(err)
	}
	return bodies, known
}

// TestSinceSeesEveryGap: whichever write was swept, and however far, whoever would need it is
// told that the changes don't lead on, and nobody else is.
func TestSinceSeesEveryGap(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		in := open(t, db, 1)[0]
		at := writeRows(t, db, in)
		if bodies, known := since(t, db, in, at[1], 0, 0); !known || bodies != `"2 0""2 1""2 2""3 0""3 1""3 2"` {
			t.Fatalf("%v, %s", known, bodies)
		}
		for swept := 1; swept <= 3; swept++ {
			for row := range 3 {
				for from := range 3 {
					_, known := since(t, db, in, at[from], at[swept].Revision, row)
					if want := from >= swept; known != want {
						t.Errorf("from write %d, without write %d up to row %d: %v", from, swept, row, known)
					}
				}
			}
		}
		other := at[1]
		other.Stamp = at[0].Stamp
		if _, known := since(t, db, in, other, 0, 0); known {
			t.Error("another past leads on")
		}
	})
}

package reseal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/reseal"
)

func box(t *testing.T, keys ...byte) *secret.Box {
	t.Helper()
	list := [][]byte{}
	for _, b := range keys {
		list = append(list, bytes.Repeat([]byte{b}, secret.KeySize))
	}
	b, err := secret.NewBox(list...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// column is one of a table that has what is needed; before is called for each value,
// after it was read and before it is written.
func column(before func(id string)) reseal.Column {
	return reseal.Column{
		Name: "things",
		Next: `SELECT id, private FROM signing_key WHERE substr(private, 1, 12) <> $1 AND id > $2 ORDER BY id LIMIT $3`,
		Put:  `UPDATE signing_key SET private = $1 WHERE id = $2 AND private = $3`,
		Left: `SELECT count(*) FROM signing_key WHERE substr(private, 1, 12) <> $1`,
		Context: func(id string) string {
			if before != nil {
				before(id)
			}
			return "thing:" + id
		},
	}
}

// fill keeps n values, and gives their ids.
func fill(t *testing.T, db *database.DB, n int, seal func(plain []byte, context string) []byte) []string {
	t.Helper()
	ids := make([]string, n)
	dbtest.Do(t, db, func(tx *database.Tx) error {
		for i := range ids {
			ids[i] = fmt.Sprintf("%04d", i)
			sealed := seal([]byte("of "+ids[i]), "thing:"+ids[i])
			_, err := tx.Exec(t.Context(), `INSERT INTO signing_key (id, private, created_at, signs_from)
				VALUES ($1, $2, 0, 0)`, ids[i], sealed)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return ids
}

// hold wants every value to open with the box.
func hold(t *testing.T, db *database.DB, b *secret.Box, ids []string) {
	t.Helper()
	for _, id := range ids {
		var sealed []byte
		err := database.View(t.Context(), db, func(tx *database.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT private FROM signing_key WHERE id = $1`, id).Scan(&sealed)
		})
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := b.Open(sealed, "thing:"+id); err != nil || string(plain) != "of "+id {
			t.Errorf("%s: %q, %v", id, plain, err)
		}
	}
}

func want(t *testing.T, got reseal.Report, err error, done, left int, lost ...string) {
	t.Helper()
	whole := reseal.Report{Name: "things", Done: done, Left: left, Lost: lost}
	if diff := cmp.Diff(whole, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestAllComesUnderTheFirstKey(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		old, turned := box(t, 1), box(t, 2, 1)
		n := 0
		ids := fill(t, db, 250, func(plain []byte, context string) []byte {
			switch n++; n % 3 {
			case 0: // as earlier versions did
				return old.Seal(plain, context)[len(old.Head()):]
			case 1:
				return old.Seal(plain, context)
			}
			return turned.Seal(plain, context)
		})
		got, err := column(nil).Run(t.Context(), db, turned)
		want(t, got, err, 167, 0)
		hold(t, db, box(t, 2), ids)
		got, err = column(nil).Run(t.Context(), db, turned)
		want(t, got, err, 0, 0)
	})
}

func TestAStoppedRunIsRepeated(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ids := fill(t, db, 120, box(t, 1).Seal)
		ctx, stop := context.WithCancel(t.Context())
		got, err := column(func(id string) {
			if id == ids[100] {
				stop()
			}
		}).Run(ctx, db, box(t, 2, 1))
		if !errors.Is(err, context.Canceled) || got.Done != 100 {
			t.Fatalf("%+v, %v", got, err)
		}
		hold(t, db, box(t, 1, 2), ids)
		got, err = column(nil).Run(t.Context(), db, box(t, 2, 1))
		want(t, got, err, 20, 0)
		hold(t, db, box(t, 2), ids)
	})
}

// What a server writes between reading and writing is not overwritten.
func TestARowThatChangesMeanwhileIsLeftAlone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		old := box(t, 1)
		ids := fill(t, db, 4, old.Seal)
		put := func(id string, sealed []byte) {
			dbtest.Exec(t, db, `UPDATE signing_key SET private = $1 WHERE id = $2`, sealed, id)
		}
		later := old.Seal([]byte("of 0001"), "thing:0001")
		changed := map[string]bool{}
		got, err := column(func(id string) {
			if changed[id] {
				return
			}
			changed[id] = true
			switch id {
			case ids[1]:
				put(id, later)
			case ids[2]:
				put(id, box(t, 2).Seal([]byte("of 0002"), "thing:0002"))
			case ids[3]:
				dbtest.Exec(t, db, `DELETE FROM signing_key WHERE id = $1`, id)
			}
		}).Run(t.Context(), db, box(t, 2, 1))
		want(t, got, err, 1, 1)
		if n := dbtest.Number(t, db, `SELECT count(*) FROM signing_key WHERE id = $1`, ids[3]); n != 0 {
			t.Error("a row that was deleted is back")
		}
		if n := dbtest.Number(t, db, `SELECT count(*) FROM signing_key WHERE private = $1`, later); n != 1 {
			t.Error("a later value was overwritten")
		}
		got, err = column(nil).Run(t.Context(), db, box(t, 2, 1))
		want(t, got, err, 1, 0)
		hold(t, db, box(t, 2), ids[:3])
	})
}

// What no key opens is told, stays as it is, and keeps nothing else from its turn.
func TestWhatCanNotBeOpenedIsTold(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ids := fill(t, db, 3, box(t, 1).Seal)
		for id, sealed := range map[string][]byte{
			ids[0]: box(t, 3).Seal([]byte("x"), "thing:0000"), ids[1]: box(t, 1).Seal([]byte("x"), "thing:0002"),
		} {
			dbtest.Exec(t, db, `UPDATE signing_key SET private = $1 WHERE id = $2`, sealed, id)
		}
		for _, done := range []int{1, 0} {
			got, err := column(nil).Run(t.Context(), db, box(t, 2, 1))
			want(t, got, err, done, 0, ids[:2]...)
		}
		hold(t, db, box(t, 2), ids[2:])
	})
}

// Two that run at once do each row once.
func TestTwoRunsAtOnceShareTheWork(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ids := fill(t, db, 150, box(t, 1).Seal)
		counts := make(chan int, 2)
		got := dbtest.AtOnce(2, func() string {
			r, err := column(nil).Run(t.Context(), db, box(t, 2, 1))
			counts <- r.Done
			return fmt.Sprint(r.Left, r.Lost, err)
		})
		if done := <-counts + <-counts; done != 150 || got["0 [] <nil>"] != 2 {
			t.Errorf("%d, %v", done, got)
		}
		hold(t, db, box(t, 2), ids)
	})
}

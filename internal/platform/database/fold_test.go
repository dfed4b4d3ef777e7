package database_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// names are some that lower case and folding treat differently, in twos that folding
// makes alike, and plain ones.
var names = []string{
	"Straße", "STRASSE", "Νίκος", "ΝΊΚΟΣ", "ſam", "SAM", "\u212aelvin", "KELVIN", "Ꭰꭱ", "ꭰᎡ", "İrem", "i\u0307rem",
	"ﬁnn", "FINN", "Dana", "Omar", "Ärzte", "Zoë", "Irem", "ırem",
}

// oldRows writes people and invites as earlier versions did: in lower case.
func oldRows(ctx context.Context, db *database.DB, n int) error {
	const person = `INSERT INTO portal_user (id, email, first_name, last_name, name_fold, password_hash,
			password_changed_at, created_at) VALUES ($1, $2, $3, $4, $5, '-', 0, 0)`
	const invite = `INSERT INTO user_invite (id, account_id, email, first_name, last_name, name_fold, search, status,
			token_hash, invited_by, created_at, expires_at, asked_at, delivery, send_count)
		VALUES ($1, 'a', $2, $3, $4, $5, $6, 'pending', $1, 'u', 0, 0, 0, 'sent', 1)`
	return database.Do(ctx, db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO account (id, name, settings, plan, version, created_at, updated_at)
			VALUES ('a', 'Acme', '{}', 'free', 1, 0, 0)`)
		for i := range n {
			if err != nil {
				return err
			}
			id, email, first := fmt.Sprintf("%06d", i), fmt.Sprintf("p%d@x.test", i), names[i%len(names)]
			old := strings.ToLower(first + " Cole")
			if _, err = tx.Exec(ctx, person, id, email, first, "Cole", old); err == nil {
				_, err = tx.Exec(ctx, invite, id, email, first, "Cole", old, email+"\n"+old)
			}
		}
		return err
	})
}

type named struct{ id, first, fold, search string }

func folded(t *testing.T, db *database.DB) (people, invites []named) {
	t.Helper()
	read := func(query string) []named {
		list, err := database.Read(t.Context(), db, func(tx *database.Tx) ([]named, error) {
			return database.All(t.Context(), tx, func(s database.Scanner) (n named, err error) {
				return n, s.Scan(&n.id, &n.first, &n.fold, &n.search)
			}, query)
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	return read(`SELECT id, first_name, name_fold, email || '` + "\n" + `' || name_fold FROM portal_user ORDER BY id`),
		read(`SELECT id, first_name, name_fold, search FROM user_invite ORDER BY id`)
}

// A store of an earlier version, whose names are in lower case, is folded again, in
// several batches, and no row is lost where two come to be alike.
func TestOldNamesAreFolded(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		const rows = 2*database.FoldBatch + 3
		if err := db.MigrateTo(t.Context(), database.FoldStep-1); err != nil {
			t.Fatal(err)
		}
		if err := oldRows(t.Context(), db, rows); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		var want []named
		for i := range rows {
			first := names[i%len(names)]
			fold := text.Fold(first + " Cole")
			want = append(want, named{fmt.Sprintf("%06d", i), first, fold, fmt.Sprintf("p%d@x.test\n%s", i, fold)})
		}
		people, invites := folded(t, db)
		for what, got := range map[string][]named{"people": people, "invites": invites} {
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(named{})); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		// What is folded stays, and so does the store when the step comes again.
		if err := db.MigrateTo(t.Context(), database.FoldStep-1); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again, _ := folded(t, db); !slices.Equal(again, people) {
			t.Error("the second time folds otherwise")
		}
	})
}

// A fold that was broken off is begun again.
func TestFoldBrokenOffIsRepeated(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		if err := db.MigrateTo(t.Context(), database.FoldStep-1); err != nil {
			t.Fatal(err)
		}
		if err := oldRows(t.Context(), db, len(names)); err != nil {
			t.Fatal(err)
		}
		refuse := `CREATE TRIGGER refuse BEFORE UPDATE ON user_invite WHEN new.name_fold LIKE 'strasse%'
			BEGIN SELECT RAISE(ABORT, 'broken off'); END`
		allow := `DROP TRIGGER refuse`
		if db.Engine == database.Postgres {
			refuse = `ALTER TABLE user_invite ADD CONSTRAINT refuse CHECK (name_fold NOT LIKE 'strasse cole') NOT VALID`
			allow = `ALTER TABLE user_invite DROP CONSTRAINT refuse`
		}
		if _, err := db.Pool().ExecContext(t.Context(), refuse); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "fold the names of user_invite") {
			t.Fatalf("%v", err)
		}
		steps, err := db.Migrations(t.Context())
		if err != nil || steps[database.FoldStep-1].Applied {
			t.Fatalf("%+v, %v", steps, err)
		}
		if _, err := db.Pool().ExecContext(t.Context(), allow); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		people, invites := folded(t, db)
		for _, n := range append(people, invites...) {
			if n.fold != text.Fold(n.first+" Cole") {
				t.Errorf("%+v", n)
			}
		}
	})
}

// Order and search are the same whatever the locale of a PostgreSQL database.
func TestFoldedTextIsComparedByBytes(t *testing.T) {
	t.Parallel()
	for _, locale := range []string{"LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'", "LOCALE_PROVIDER icu ICU_LOCALE 'und'"} {
		t.Run(locale, func(t *testing.T) {
			t.Parallel()
			db := openIn(t, locale)
			if err := db.MigrateTo(t.Context(), database.FoldStep-1); err != nil {
				t.Fatal(err)
			}
			if err := oldRows(t.Context(), db, len(names)); err != nil {
				t.Fatal(err)
			}
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := slices.Clone(names)
			slices.SortFunc(want, text.Compare)
			for _, table := range []string{"portal_user", "user_invite"} {
				got, err := database.Read(t.Context(), db, func(tx *database.Tx) ([]string, error) {
					return database.All(t.Context(), tx, func(s database.Scanner) (name string, err error) {
						return name, s.Scan(&name)
					}, fmt.Sprintf(`SELECT first_name FROM %s ORDER BY name_fold, id`, table))
				})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.EqualFunc(got, want, func(a, b string) bool { return text.Fold(a) == text.Fold(b) }) {
					t.Errorf("%s: %q, want %q", table, got, want)
				}
			}
		})
	}
}

// openIn makes an empty database with a locale of its own.
func openIn(t *testing.T, locale string) *database.DB {
	t.Helper()
	u, err := url.Parse(dbtest.URL(t, database.Postgres))
	if err != nil {
		t.Fatal(err)
	}
	beside, err := database.Open(t.Context(), u.String(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%s_%x", strings.TrimPrefix(u.Path, "/"), time.Now().UnixNano())
	run := func(ctx context.Context, statement string) {
		if _, err := beside.Pool().ExecContext(ctx, statement); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		run(context.WithoutCancel(t.Context()), "DROP DATABASE IF EXISTS "+name)
		if err := beside.Close(); err != nil {
			t.Error(err)
		}
	})
	run(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' "+locale)
	u.Path = "/" + name
	db, err := database.Open(t.Context(), u.String(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

package account_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
)

var alex = principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}

// acme is an Account, its service and its place.
func acme(t *testing.T, db *database.DB) (*account.Service, scope.Account) {
	t.Helper()
	accountID, slug := reserve(t, db, "Acme")
	create(t, db, accountID, "Acme")
	_ = eventtest.Take(t, db)
	return &account.Service{DB: db}, scope.Account{ID: accountID, Slug: slug}
}

func named(name string) account.Change { return account.Change{Name: &name} }

// shown is how a test's door shows an Account.
func shown(a account.Account) any { return a }

func TestNewAccount(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		accountID, _ := reserve(t, db, "Acme")
		create(t, db, accountID, "Acme Ltd")
		s := &account.Service{DB: db}
		a, err := s.Get(t.Context(), scope.Account{ID: accountID})
		if err != nil {
			t.Fatal(err)
		}
		want := account.Account{
			ID: accountID, Name: "Acme Ltd", Slug: "acme", Settings: []byte("{}"), Plan: "self_hosted", Version: 1,
			CreatedAt: a.CreatedAt, UpdatedAt: a.CreatedAt,
		}
		if diff := cmp.Diff(want, a); diff != "" || a.CreatedAt.IsZero() {
			t.Errorf("%s\n%s", a.CreatedAt, diff)
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "account.created" || rows[0].Account != accountID.Any() ||
			rows[0].ResourceID != accountID.Any() || rows[0].ResourceLabel != "Acme Ltd" || rows[0].At != a.CreatedAt {
			t.Errorf("%+v", rows)
		}
		_, err = s.Get(t.Context(), scope.Account{ID: id.New[account.ID](db.Now())})
		if !errors.Is(err, account.ErrNotFound) {
			t.Errorf("another Account is %v", err)
		}
	})
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		s, in := acme(t, db)
		before, err := s.Get(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		c := named("Acme Realty")
		c.Settings = []byte(`{ "z": 9007199254740993, "a": ["x", 1.50, 1e400] }`)
		after, err := s.Update(t.Context(), alex, in, c, 1, shown)
		if err != nil {
			t.Fatal(err)
		}
		want := before
		want.Name, want.Settings, want.Version = "Acme Realty", []byte(`{"a":["x",1.50,1e400],"z":9007199254740993}`), 2
		want.UpdatedAt = after.UpdatedAt
		if diff := cmp.Diff(want, after); diff != "" || !after.UpdatedAt.After(before.UpdatedAt) {
			t.Errorf("%s\n%s", after.UpdatedAt, diff)
		}
		if kept, err := s.Get(t.Context(), in); err != nil || !cmp.Equal(kept, after) {
			t.Errorf("kept is not what was told: %v, %s", err, cmp.Diff(after, kept))
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "account.updated" || rows[0].ActorID != alex.ID ||
			rows[0].Metadata != `{"changes":["name","settings"]}` || rows[0].ResourceLabel != "Acme Realty" {
			t.Errorf("%+v", rows)
		}
	})
}

func TestUpdateThatChangesNothingWritesNothing(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		s, in := acme(t, db)
		before, err := s.Get(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		same := named("Acme")
		same.Settings = []byte(`{}`)
		for _, c := range []account.Change{{}, named("Acme"), same} {
			for _, ifVersion := range []int{0, 1} {
				after, err := s.Update(t.Context(), alex, in, c, ifVersion, shown)
				if err != nil || !cmp.Equal(before, after) {
					t.Errorf("%v, %s", err, cmp.Diff(before, after))
				}
			}
		}
		if after, err := s.Get(t.Context(), in); err != nil || !cmp.Equal(before, after) {
			t.Errorf("%v, %s", err, cmp.Diff(before, after))
		}
		if rows := eventtest.Take(t, db); len(rows) != 0 {
			t.Errorf("%+v", rows)
		}
		// One of two fields: the event names that one.
		c := named("Acme Realty")
		c.Settings = []byte(`{}`)
		if _, err := s.Update(t.Context(), alex, in, c, 0, shown); err != nil {
			t.Fatal(err)
		}
		if rows := eventtest.Take(t, db); len(rows) != 1 || rows[0].Metadata != `{"changes":["name"]}` {
			t.Errorf("%+v", rows)
		}
	})
}

func TestUpdateOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		s, in := acme(t, db)
		now, err := s.Update(t.Context(), alex, in, named("Second"), 1, shown)
		if err != nil {
			t.Fatal(err)
		}
		_ = eventtest.Take(t, db)
		for _, ifVersion := range []int{1, 3} {
			_, err := s.Update(t.Context(), alex, in, named("Third"), ifVersion, shown)
			if f := fault.As(err); !errors.Is(err, fault.VersionConflict) || !cmp.Equal(f.Data, any(now)) {
				t.Errorf("version %d: %v", ifVersion, err)
			}
		}
		if rows := eventtest.Take(t, db); len(rows) != 0 {
			t.Errorf("%+v", rows)
		}
		after, err := s.Update(t.Context(), alex, in, named("Third"), 0, shown)
		if err != nil || after.Version != 3 {
			t.Errorf("whatever the version: %+v, %v", after, err)
		}
		_, err = s.Update(t.Context(), alex, scope.Account{ID: account.ID{9}}, named("X"), 0, shown)
		if !errors.Is(err, account.ErrNotFound) {
			t.Errorf("no such Account: %v", err)
		}
	})
}

// renamed is what another writer does.
func renamed(t *testing.T, in scope.Account) func(tx *database.Tx) error {
	return func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE account SET name = 'First', version = version + 1 WHERE id = $1`, in.ID)
		return err
	}
}

// Of two who have read one version one writes, and the other is told what the
// first has written.
func TestWritersOfOneVersion(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		s, in := acme(t, db)
		err := dbtest.Overtake(t, db, renamed(t, in), func() error {
			_, err := s.Update(t.Context(), alex, in, named("Second"), 1, shown)
			return err
		})
		now, found := s.Get(t.Context(), in)
		if found != nil || now.Name != "First" {
			t.Fatalf("%+v, %v", now, found)
		}
		if f := fault.As(err); !errors.Is(err, fault.VersionConflict) || !cmp.Equal(f.Data, any(now)) {
			t.Errorf("%v", err)
		}
		if rows := eventtest.Take(t, db); len(rows) != 0 {
			t.Errorf("%+v", rows)
		}
	})
}

// Who takes any version is not refused for another writer, and takes nothing of
// what that one wrote back.
func TestWriterOfAnyVersionIsNotRefused(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		s, in := acme(t, db)
		err := dbtest.Overtake(t, db, renamed(t, in), func() error {
			_, err := s.Update(t.Context(), alex, in, account.Change{Settings: []byte(`{"a":1}`)}, 0, shown)
			return err
		})
		now, found := s.Get(t.Context(), in)
		if err != nil || found != nil || now.Name != "First" || string(now.Settings) != `{"a":1}` || now.Version != 3 {
			t.Errorf("%v, %+v, %v", err, now, found)
		}
	})
}

func TestManyWritersOfOneVersion(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		s, in := acme(t, db)
		got := dbtest.AtOnce(8, func() string {
			_, err := s.Update(t.Context(), alex, in, named("Acme Realty"), 1, shown)
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "version_conflict": 7}, got); diff != "" {
			t.Error(diff)
		}
		if now, err := s.Get(t.Context(), in); err != nil || now.Version != 2 {
			t.Errorf("%+v, %v", now, err)
		}
		if rows := eventtest.Take(t, db); len(rows) != 1 {
			t.Errorf("%d events", len(rows))
		}
	})
}

// Lock has changes of one Account follow one another: what is read under it is
// what the transaction before has written.
func TestLock(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		_, in := acme(t, db)
		got := dbtest.AtOnce(10, func() string {
			return dbtest.Outcome(database.Do(t.Context(), db, func(tx *database.Tx) error {
				if err := account.Lock(t.Context(), tx, in.ID); err != nil {
					return err
				}
				a, err := account.Find(t.Context(), tx, in.ID)
				if err != nil {
					return err
				}
				_, err = tx.Exec(t.Context(), `UPDATE account SET plan = $1 WHERE id = $2`, a.Plan+"x", in.ID)
				return err
			}))
		})
		if got["ok"] != 10 {
			t.Fatal(got)
		}
		a, err := (&account.Service{DB: db}).Get(t.Context(), in)
		if err != nil || a.Plan != "self_hostedxxxxxxxxxx" || a.Version != 1 {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

func TestRulesOfAChange(t *testing.T) {
	t.Parallel()
	nested := func(levels int) jsontext.Value {
		v := `"x"`
		for n := range levels - 1 {
			if n%2 == 0 {
				v = `[` + v + `]`
			} else {
				v = `{"a":` + v + `}`
			}
		}
		return jsontext.Value(`{"a":` + v + `}`)
	}
	sized := func(n int) jsontext.Value {
		return jsontext.Value(`{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}`)
	}
	const broken = "settings must be at most 64 KiB and 8 levels deep"
	for name, c := range map[string]struct {
		change account.Change
		want   fault.Problems
	}{
		"nothing":         {account.Change{}, nil},
		"an empty object": {account.Change{Settings: []byte(`{}`)}, nil},
		"8 levels":        {account.Change{Settings: nested(8)}, nil},
		"9 levels":        {account.Change{Settings: nested(9)}, fault.Problems{broken}},
		"64 KiB":          {account.Change{Settings: sized(64 << 10)}, nil},
		"a byte more":     {account.Change{Settings: sized(64<<10 + 1)}, fault.Problems{broken}},
		"a list":          {account.Change{Settings: []byte(`[]`)}, fault.Problems{"settings must be an object"}},
		"null":            {account.Change{Settings: []byte(`null`)}, fault.Problems{"settings must be an object"}},
		"no name":         {named(" "), fault.Problems{"name must be 1 to 100 characters"}},
	} {
		if diff := cmp.Diff(c.want, text.Normalize(&c.change)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	padded := named("  Acme ")
	if problems := text.Normalize(&padded); len(problems) != 0 || *padded.Name != "Acme" {
		t.Errorf("%q, %v", *padded.Name, problems)
	}
}

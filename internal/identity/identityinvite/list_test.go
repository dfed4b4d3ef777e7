package identityinvite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// places are the Environments of a new Account with one Application.
func places(t *testing.T, db *database.DB) []scope.Environment {
	t.Helper()
	return dbtest.Write(t, db, func(tx *database.Tx) (list []scope.Environment, err error) {
		p := application.NewParams{
			ID: id.New[application.ID](tx.Now), Account: id.New[account.ID](tx.Now), Name: "Desk", Slug: "desk",
		}
		if err := account.Create(t.Context(), tx, principal.System(), p.Account, "Acme"); err != nil {
			return nil, err
		}
		if err := (&application.Service{}).Create(t.Context(), tx, principal.System(), p); err != nil {
			return nil, err
		}
		app := scope.Application{Account: scope.Account{ID: p.Account}, ID: p.ID, Slug: p.Slug}
		all, err := environment.List(t.Context(), tx, app)
		for _, e := range all {
			list = append(list, e.In(app))
		}
		return list, err
	})
}

// planted writes n invites into an Environment, or into the directory of its Account, which have
// much in common, and gives them as a list shows them.
func planted(
	ctx context.Context, tx *database.Tx, in scope.Environment, directory bool, n int,
) (all []Invite, err error) {
	s := &Service{}
	for k := range n {
		made := tx.Now.Add(-time.Duration(k/4) * 24 * time.Hour)
		i := Invite{
			ID: id.New[ID](made), Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
			Email:  fmt.Sprintf("%c%d@%s.test", 'a'+k%5, k, []string{"acme", "globex", "a_b"}[k%3]),
			Intent: Activate, FirstName: []string{"Dana", "Omar", "Zoë"}[k%3], LastName: []string{"Cole", "Müller"}[k%2],
			CreatedAt: made, ExpiresAt: made.Add(time.Duration(24+k%3*96) * time.Hour), Delivery: Unmailed, InvitedBy: id.ID{1},
		}
		if directory {
			i.Application, i.Environment = scope.ApplicationID{}, scope.EnvironmentID{}
		}
		if err := s.store(ctx, tx, i, secret.NewToken(), principal.KindUser); err != nil {
			return nil, err
		}
		stored := []Status{Pending, Pending, Accepted, Expired, Revoked}[k%5]
		_, err = tx.Exec(ctx, `UPDATE identity_invite SET status = $1 WHERE account_id = $2 AND id = $3`, string(stored),
			i.Account, i.ID)
		if err != nil {
			return nil, err
		}
		i.Status = stored.at(tx.Now, i.ExpiresAt)
		all = append(all, i)
	}
	return all, nil
}

// Every page of every list is the slice of the sorted, filtered whole, and tells its exact size,
// also on the last page, past the end, and where sort values are equal.
func TestListIsASliceOfTheWhole(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		here := places(t, db)
		there := places(t, db)[0]
		all := dbtest.Write(t, db, func(tx *database.Tx) (all []Invite, err error) {
			for _, p := range []struct {
				in        scope.Environment
				directory bool
			}{{there, false}, {here[0], false}, {here[1], false}, {here[1], true}} {
				some, err := planted(t.Context(), tx, p.in, p.directory, 30)
				if err != nil {
					return nil, err
				}
				all = append(all, some...)
			}
			return all, nil
		})
		s := &Service{DB: db}
		for tier, at := range map[string]membership.Place{
			"Account": membership.InAccount(here[0].Application.Account), "Environment": membership.InEnvironment(here[0]),
		} {
			for _, q := range queries(here[1].ID) {
				want, count := whole(all, at, q)
				got, info, err := s.List(t.Context(), at, q)
				if err != nil {
					t.Fatal(err)
				}
				if fmt.Sprint(names(got)) != fmt.Sprint(names(want)) || info.ItemCount != count {
					t.Fatalf("%s, %+v: %v of %d, want %v of %d", tier, q, names(got), info.ItemCount, names(want), count)
				}
			}
		}
	})
}

// queries are all kinds of them, of a few pages.
func queries(into scope.EnvironmentID) (all []Query) {
	for _, status := range []Status{"", Pending, Accepted, Expired, Revoked} {
		for _, q := range []string{"", "MÜL", "a_b", "%", "nowhere"} {
			for _, by := range Sorts {
				for _, desc := range []bool{false, true} {
					for number := 1; number <= 14; number += 4 {
						r := page.Request{Page: number, Take: 7, Q: q, Sort: by, Desc: desc}
						all = append(all, Query{Request: r, Status: status})
					}
				}
			}
		}
	}
	first := page.Request{Page: 1, Take: 100, Sort: Sorts[0]}
	return append(all, Query{Request: first, Directory: true}, Query{Request: first, Environment: into},
		Query{Request: first, Environment: into, Status: Pending, Directory: true})
}

// whole is the list, the slow and obvious way.
func whole(all []Invite, at membership.Place, q Query) ([]Invite, int) {
	var found []Invite
	in, inside := at.Environment()
	for _, i := range all {
		seen := i.Account == at.Account().ID && (!inside || i.Environment == in.ID)
		asked := (q.Status == "" || i.Status == q.Status) && (q.Environment.IsZero() || i.Environment == q.Environment) &&
			(!q.Directory || i.Environment.IsZero())
		if seen && asked && strings.Contains(searched(i.Email, i.FirstName, i.LastName), text.Fold(q.Q)) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b Invite) int {
		key := map[string]int{
			"created_at": a.CreatedAt.Compare(b.CreatedAt),
			"expires_at": a.ExpiresAt.Compare(b.ExpiresAt),
			"email":      cmp.Compare(a.Email, b.Email),
			"name":       cmp.Compare(folded(a.FirstName, a.LastName), folded(b.FirstName, b.LastName)),
		}[q.Sort.Key]
		order := cmp.Or(key, cmp.Compare(a.ID.String(), b.ID.String()))
		if q.Desc {
			order = -order
		}
		return order
	})
	return found[min(len(found), q.Offset()):min(len(found), q.Offset()+q.Take)], len(found)
}

func names(list []Invite) []string {
	emails := []string{}
	for _, i := range list {
		emails = append(emails, i.ID.String())
	}
	return emails
}

// No list, count or summary looks at the invites of another tenant, and no look-up at all of
// them: every access to the table in every plan is a search of an index.
func TestEveryLookUpIsASearch(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		here := places(t, db)
		var last Invite
		for i := range 20 {
			in := here[0]
			if i > 0 {
				in = places(t, db)[0]
			}
			err := database.Do(database.Long(t.Context()), db, func(tx *database.Tx) error {
				some, err := planted(t.Context(), tx, in, false, 400)
				if err == nil && i == 0 {
					last = some[100]
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if db.Engine == database.Postgres {
			if _, err := db.Pool().ExecContext(t.Context(), "VACUUM ANALYZE identity_invite"); err != nil {
				t.Fatal(err)
			}
		}
		in, acc := here[0], here[0].Application.Account
		for _, at := range []membership.Place{membership.InAccount(acc), membership.InEnvironment(in)} {
			tier, of := tierOf(at)
			searches(t, db, selectCounts+tier, of, db.Now())
			for _, by := range Sorts {
				for _, desc := range []bool{false, true} {
					q := Query{Request: page.Request{Page: 2, Take: 20, Q: "cole", Sort: by, Desc: desc}, Status: Pending}
					l := looking(at, q, db.Now())
					searches(t, db, l.onPage(q.Request), l.args[1:]...)
					rest := l.afterPage(q.Request, last)
					searches(t, db, rest, l.args[1:]...)
				}
			}
		}
		searches(t, db, selectByToken, "x")
		searches(t, db, selectLive, acc.ID, last.Email, in.ID.String())
		searches(t, db, closeExpired, acc.ID, last.Email, in.ID.String(), db.Now())
		searches(t, db, revokeOfAddress, in.ID, db.Now(), last.Email, acc.ID)
		searches(t, db, revokeOfRole, in.ID, db.Now(), in.ID)
		searches(t, db, anyAtNode, in.ID)
		searches(t, db, deleteOfAddress, acc.ID, last.Email)
		searches(t, db, sweepInvites, in.ID)
	})
}

// searches holds the plan of a statement.
func searches(t *testing.T, db *database.DB, query string, args ...any) {
	t.Helper()
	prefix := "EXPLAIN QUERY PLAN "
	if db.Engine == database.Postgres {
		prefix = "EXPLAIN (COSTS OFF) "
	}
	lines := dbtest.Write(t, db, func(tx *database.Tx) ([]string, error) {
		return database.All(t.Context(), tx, func(row database.Scanner) (line string, err error) {
			if db.Engine == database.Postgres {
				return line, row.Scan(&line)
			}
			var a, b, c int
			return line, row.Scan(&a, &b, &c, &line)
		}, prefix+query, args...)
	})
	for _, line := range lines {
		has := func(words ...string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) })
		}
		if has("SCAN v", "SCAN identity_invite", "Seq Scan on identity_invite") {
			t.Errorf("a full scan: %s\n%s", query, strings.Join(lines, "\n"))
		}
	}
}

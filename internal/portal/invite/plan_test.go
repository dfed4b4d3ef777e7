package invite

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// No list, count or summary may look at another Account's invites: every access
// to the table in every plan is an index search bound to the Account, or by
// primary key.
func TestListStaysInsideTheAccount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		own := manyInvites(t, db)
		check := func(name, query string, args []any) {
			t.Helper()
			plan := explain(t, db, query, args)
			for _, line := range strings.Split(plan, "\n") {
				if why := leaves(db.Engine, line); why != "" {
					t.Errorf("%s: %s: %s\n%s", name, why, line, plan)
				}
			}
		}
		check("summary", selectCounts, []any{own, db.Now()})
		for _, status := range []Status{"", Pending, Accepted, Expired, Revoked} {
			for _, q := range []string{"", "cole"} {
				r := page.Request{Page: 1, Take: 20, Q: q}
				where, args := filter(own, r, status, db.Now())
				check(fmt.Sprintf("count status=%s q=%s", status, q), `SELECT count(*) FROM user_invite`+where, args)
				for _, r.SortBy = range []string{"created_at", "expires_at", "email", "name"} {
					for _, r.Desc = range []bool{false, true} {
						for _, r.Page = range []int{1, 50} {
							check(fmt.Sprintf("status=%s %+v", status, r), onPage(where, r), args)
							rest, more := afterPage(where, args, r, Invite{ID: own, CreatedAt: db.Now(), ExpiresAt: db.Now(), Email: "p5@acme.test", FirstName: "Dana"})
							check(fmt.Sprintf("after the page, status=%s %+v", status, r), rest, more)
						}
					}
				}
			}
		}
	})
}

// leaves says why a line of a plan reads more than the Account, "" when not.
func leaves(engine database.Engine, line string) string {
	switch {
	case engine == database.SQLite && strings.Contains(line, "SCAN user_invite"):
		return "a full scan"
	case engine == database.SQLite && strings.Contains(line, "SEARCH user_invite") && !strings.Contains(line, "(account_id=?") && !strings.Contains(line, "(id=?)"):
		return "an index search without the Account"
	case engine == database.Postgres && strings.Contains(line, "Seq Scan on user_invite"):
		return "a full scan"
	case engine == database.Postgres && strings.Contains(line, "Index Cond:") && !strings.Contains(line, "(account_id = ") && !strings.Contains(line, "(id = "):
		return "an index search without the Account"
	}
	return ""
}

func explain(t *testing.T, db *database.DB, query string, args []any) string {
	t.Helper()
	prefix := "EXPLAIN QUERY PLAN "
	if db.Engine == database.Postgres {
		prefix = "EXPLAIN (COSTS OFF) "
	}
	lines, err := database.Read(t.Context(), db, func(tx *database.Tx) ([]string, error) {
		return database.All(t.Context(), tx, func(row database.Scanner) (string, error) {
			var line string
			if db.Engine == database.Postgres {
				return line, row.Scan(&line)
			}
			var a, b, c int
			return line, row.Scan(&a, &b, &c, &line)
		}, prefix+query, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// manyInvites fills the table with 20 Accounts of 1,000 invites and gives one.
func manyInvites(t *testing.T, db *database.DB) id.ID {
	t.Helper()
	now := db.Now()
	var own id.ID
	err := database.Do(t.Context(), db, func(tx *database.Tx) error {
		for range 20 {
			own = id.New[id.ID](now)
			if _, err := tx.Exec(t.Context(), `INSERT INTO account (id, name, settings, plan, version, created_at, updated_at)
				VALUES ($1, 'Acme', '{}', 'free', 1, $2, $2)`, own, now); err != nil {
				return err
			}
			for k := range 1000 {
				status := []Status{Pending, Accepted, Accepted, Expired, Revoked}[k%5]
				made := now.Add(-time.Duration(k) * time.Hour)
				email := fmt.Sprintf("p%d@acme.test", k)
				if _, err := tx.Exec(t.Context(), insertInvite, id.New[id.ID](made), own, email, "Dana", "Cole", "dana cole",
					email+"\ndana cole", fmt.Sprint(own, k), own, made, made.Add(168*time.Hour)); err != nil {
					return err
				}
				if _, err := tx.Exec(t.Context(), `UPDATE user_invite SET status = $1 WHERE account_id = $2 AND email = $3`, string(status), own, email); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil && db.Engine == database.Postgres {
		_, err = db.Pool().ExecContext(t.Context(), "VACUUM ANALYZE user_invite")
	}
	if err != nil {
		t.Fatal(err)
	}
	return own
}

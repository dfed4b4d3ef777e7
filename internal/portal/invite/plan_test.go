package invite

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
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
			for line := range strings.SplitSeq(plan, "\n") {
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
				now := db.Now()
				last := Invite{ID: id.New[ID](now), CreatedAt: now, ExpiresAt: now, Email: "p5@acme.test", FirstName: "Dana"}
				for _, r := range everyOrder(r) {
					check(fmt.Sprintf("status=%s %+v", status, r), onPage(where, r), args)
					rest, more := afterPage(where, args, r, last)
					check(fmt.Sprintf("after the page, status=%s %+v", status, r), rest, more)
				}
			}
		}
	})
}

// everyOrder asks for the first page and a late one in every order.
func everyOrder(r page.Request) []page.Request {
	var all []page.Request
	for _, r.Sort = range Sorts {
		for _, r.Desc = range []bool{false, true} {
			for _, r.Page = range []int{1, 50} {
				all = append(all, r)
			}
		}
	}
	return all
}

// leaves says why a line of a plan reads more than the Account, "" when not.
func leaves(engine database.Engine, line string) string {
	has := func(text string) bool { return strings.Contains(line, text) }
	if engine == database.SQLite {
		switch {
		case has("SCAN user_invite"):
			return "a full scan"
		case has("SEARCH user_invite") && !has("(account_id=?") && !has("(id=?)"):
			return "an index search without the Account"
		}
		return ""
	}
	switch {
	case has("Seq Scan on user_invite"):
		return "a full scan"
	case has("Index Cond:") && !has("(account_id = ") && !has("(id = "):
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
func manyInvites(t *testing.T, db *database.DB) account.ID {
	t.Helper()
	var own account.ID
	err := database.Do(database.Long(t.Context()), db, func(tx *database.Tx) (err error) {
		if own, err = anAccount(t.Context(), tx); err != nil {
			return err
		}
		if err := thousandInvites(t.Context(), tx, own); err != nil {
			return err
		}
		for k := range 19 {
			another, err := anAccount(t.Context(), tx)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(t.Context(), copyInvites, own, another, fmt.Sprintf("%04d", k)); err != nil {
				return err
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

// copyInvites gives another Account the invites of the first, under ids and
// tokens of its own.
const copyInvites = `INSERT INTO user_invite (id, account_id, email, first_name, last_name, name_fold, search, status,
		token_hash, invited_by, created_at, expires_at, asked_at, delivery, send_count)
	SELECT $3 || substr(id, 5), $2, email, first_name, last_name, name_fold, search, status,
		$3 || token_hash, $2, created_at, expires_at, asked_at, delivery, send_count
	FROM user_invite WHERE account_id = $1`

func anAccount(ctx context.Context, tx *database.Tx) (account.ID, error) {
	in := id.New[account.ID](tx.Now)
	_, err := tx.Exec(ctx, `INSERT INTO account (id, name, settings, plan, version, created_at, updated_at)
		VALUES ($1, 'Acme', '{}', 'free', 1, $2, $2)`, in, tx.Now)
	return in, err
}

func thousandInvites(ctx context.Context, tx *database.Tx, in account.ID) error {
	for k := range 1000 {
		status := []Status{Pending, Accepted, Accepted, Expired, Revoked}[k%5]
		made := tx.Now.Add(-time.Duration(k) * time.Hour)
		email := fmt.Sprintf("p%d@acme.test", k)
		invite := id.New[ID](made)
		if _, err := tx.Exec(ctx, insertInvite, invite, in, email, "Dana", "Cole", "dana cole",
			email+"\ndana cole", fmt.Sprint(in, k), in, made, made.Add(168*time.Hour)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE user_invite SET status = $1 WHERE id = $2`, string(status), invite)
		if err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

var (
	firstNames = []string{"Dana", "Omar", "Lucía", "Priya", "Chen", "Amara", "Jonas", "Yuki", "Fatima", "Liam", "Zoë", "Mateo", "Ingrid", "Kwame", "Sofia", "Noah"}
	lastNames  = []string{"Cole", "Haddad", "García", "Nair", "Wei", "Okafor", "Lindqvist", "Tanaka", "Rahman", "Byrne", "Müller", "Silva", "Berg", "Mensah", "Rossi", "Kaplan"}
	domains    = []string{"acme.test", "globex.test", "initech.test", "umbrella.test", "hooli.test"}
)

// seed fills the store with invites of many Accounts, o.own of them in the one
// that asks, in the order in which a year would have brought them: every
// Account's rows lie scattered among those of all others. It gives the token of
// one live invite of the Account that asks.
func seed(ctx context.Context, i *instance, db *database.DB) (token string, err error) {
	const accountSize = 1000
	rnd := rand.New(rand.NewPCG(1, 2))
	accounts := make([]id.ID, 0, i.o.invites/accountSize)
	now := db.Now()
	var own, user id.ID
	err = database.Do(ctx, db, func(tx *database.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT account_id FROM account_slug WHERE slug = $1`, i.slug).Scan(&own); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT id FROM portal_user`).Scan(&user); err != nil {
			return err
		}
		for len(accounts) < (i.o.invites-i.o.own)/accountSize {
			other := id.New[id.ID](now)
			if _, err := tx.Exec(ctx, `INSERT INTO account (id, name, settings, plan, version, created_at, updated_at)
				SELECT $1, 'Account', settings, plan, 1, created_at, updated_at FROM account WHERE id = $2`, other, own); err != nil {
				return err
			}
			accounts = append(accounts, other)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if db.Engine == database.SQLite {
		// Only for filling: the server opens the file with its own settings.
		for _, pragma := range []string{"synchronous = OFF", "cache_size = -1000000"} {
			if _, err := db.Pool().ExecContext(ctx, "PRAGMA "+pragma); err != nil {
				return "", err
			}
		}
	}
	live := secret.NewToken()
	const columns = 15
	const batch = 500
	err = database.Do(ctx, db, func(tx *database.Tx) error {
		for k := 0; k < i.o.invites; {
			var values []string
			var args []any
			for ; len(values) < batch && k < i.o.invites; k++ {
				accountID := own
				if len(accounts) > 0 && rnd.IntN(i.o.invites) >= i.o.own {
					accountID = accounts[rnd.IntN(len(accounts))]
				}
				made := now.Add(-time.Duration(float64(i.o.invites-k) / float64(i.o.invites) * float64(365*24*time.Hour))).Truncate(time.Microsecond)
				first, last := firstNames[rnd.IntN(len(firstNames))], lastNames[rnd.IntN(len(lastNames))]
				email := strings.ToLower(fmt.Sprintf("%c%s%d@%s", "abcdefghijklmnopqrstuvwxyz"[rnd.IntN(26)], strconv.FormatUint(rnd.Uint64N(1<<40), 36), k, domains[rnd.IntN(len(domains))]))
				status, expires, hash := []string{"accepted", "accepted", "accepted", "accepted", "accepted", "accepted", "expired", "expired", "revoked", "pending"}[rnd.IntN(10)],
					made.Add(7*24*time.Hour), secret.NewToken().Hash()
				if k == i.o.invites-1 {
					status, hash, accountID = "pending", live.Hash(), own
				}
				args = append(args, id.New[id.ID](made), accountID, email, first, last, text.Fold(first+" "+last), email+"\n"+text.Fold(first+" "+last), status, hash, user,
					made, expires, made, "sent", 1)
				p := make([]string, columns)
				for c := range p {
					p[c] = "$" + strconv.Itoa(len(args)-columns+c+1)
				}
				values = append(values, "("+strings.Join(p, ",")+")")
			}
			if _, err := tx.Exec(ctx, `INSERT INTO user_invite (id, account_id, email, first_name, last_name, name_fold, search, status, token_hash,
				invited_by, created_at, expires_at, asked_at, delivery, send_count) VALUES `+strings.Join(values, ","), args...); err != nil {
				return err
			}
			if k%100_000 == 0 {
				fmt.Fprintf(os.Stderr, "   %d invites\r", k)
			}
		}
		return nil
	})
	if err == nil && db.Engine == database.Postgres {
		// What autovacuum does soon after so much was written.
		_, err = db.Pool().ExecContext(ctx, "VACUUM ANALYZE user_invite")
	}
	return live.Reveal(), err
}

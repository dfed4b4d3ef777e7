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
	firstNames = []string{
		"Dana", "Omar", "Lucía", "Priya", "Chen", "Amara", "Jonas", "Yuki", "Fatima", "Liam", "Zoë", "Mateo",
		"Ingrid", "Kwame", "Sofia", "Noah",
	}
	lastNames = []string{
		"Cole", "Haddad", "García", "Nair", "Wei", "Okafor", "Lindqvist", "Tanaka", "Rahman", "Byrne", "Müller",
		"Silva", "Berg", "Mensah", "Rossi", "Kaplan",
	}
	statuses = []string{
		"accepted", "accepted", "accepted", "accepted", "accepted", "accepted",
		"expired", "expired", "revoked", "pending",
	}
	domains = []string{"acme.test", "globex.test", "initech.test", "umbrella.test", "hooli.test"}
)

const insertAccount = `INSERT INTO account (id, name, settings, plan, version, created_at, updated_at)
	SELECT $1, 'Account', settings, plan, 1, created_at, updated_at FROM account WHERE id = $2`

const insertInvites = `INSERT INTO user_invite
	(id, account_id, email, first_name, last_name, name_fold, search, status, token_hash, invited_by,
		created_at, expires_at, asked_at, delivery, send_count) VALUES `

const (
	columns     = 15 // of insertInvites
	batch       = 500
	accountSize = 1000
)

// sower fills the store with invites of many Accounts.
type sower struct {
	i         *instance
	rnd       *rand.Rand
	now       time.Time
	own, user id.ID   // the Account that asks, and who invites in all of them
	others    []id.ID // Accounts
	live      secret.Token
}

// seed fills the store with invites of many Accounts, o.own of them in the one
// that asks, in the order in which a year would have brought them: every
// Account's rows lie scattered among those of all others. It gives the token of
// one live invite of the Account that asks.
func seed(ctx context.Context, i *instance, db *database.DB) (token string, err error) {
	ctx = database.Long(ctx)
	s := &sower{i: i, rnd: rand.New(rand.NewPCG(1, 2)), now: db.Now(), live: secret.NewToken()}
	if err := database.Do(ctx, db, func(tx *database.Tx) error { return s.accounts(ctx, tx) }); err != nil {
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
	err = database.Do(ctx, db, func(tx *database.Tx) error { return s.invites(ctx, tx) })
	if err == nil && db.Engine == database.Postgres {
		// What autovacuum does soon after so much was written.
		_, err = db.Pool().ExecContext(ctx, "VACUUM ANALYZE user_invite")
	}
	return s.live.Reveal(), err
}

func (s *sower) accounts(ctx context.Context, tx *database.Tx) error {
	err := tx.QueryRow(ctx, `SELECT account_id FROM account_slug WHERE slug = $1`, s.i.slug).Scan(&s.own)
	if err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, `SELECT id FROM portal_user`).Scan(&s.user); err != nil {
		return err
	}
	for len(s.others) < (s.i.o.invites-s.i.o.own)/accountSize {
		other := id.New[id.ID](s.now)
		if _, err := tx.Exec(ctx, insertAccount, other, s.own); err != nil {
			return err
		}
		s.others = append(s.others, other)
	}
	return nil
}

func (s *sower) invites(ctx context.Context, tx *database.Tx) error {
	for k := 0; k < s.i.o.invites; {
		var values []string
		var args []any
		for ; len(values) < batch && k < s.i.o.invites; k++ {
			args = append(args, s.invite(k)...)
			p := make([]string, columns)
			for c := range p {
				p[c] = "$" + strconv.Itoa(len(args)-columns+c+1)
			}
			values = append(values, "("+strings.Join(p, ",")+")")
		}
		if _, err := tx.Exec(ctx, insertInvites+strings.Join(values, ","), args...); err != nil {
			return err
		}
		if k%100_000 == 0 {
			fmt.Fprintf(os.Stderr, "   %d invites\r", k)
		}
	}
	return nil
}

// invite is the row of the k-th invite, of which the last is the live one.
func (s *sower) invite(k int) []any {
	accountID := s.own
	if len(s.others) > 0 && s.rnd.IntN(s.i.o.invites) >= s.i.o.own {
		accountID = draw(s.rnd, s.others)
	}
	left := float64(s.i.o.invites-k) / float64(s.i.o.invites)
	made := s.now.Add(-time.Duration(left * float64(365*24*time.Hour))).Truncate(time.Microsecond)
	expires := made.Add(7 * 24 * time.Hour)
	first, last := draw(s.rnd, firstNames), draw(s.rnd, lastNames)
	email := strings.ToLower(fmt.Sprintf("%c%s%d@%s", "abcdefghijklmnopqrstuvwxyz"[s.rnd.IntN(26)],
		strconv.FormatUint(s.rnd.Uint64N(1<<40), 36), k, draw(s.rnd, domains)))
	status, hash := draw(s.rnd, statuses), secret.NewToken().Hash()
	if k == s.i.o.invites-1 {
		status, hash, accountID = "pending", s.live.Hash(), s.own
	}
	name := text.Fold(first + " " + last)
	return []any{
		id.New[id.ID](made), accountID, email, first, last, name, email + "\n" + name, status, hash, s.user,
		made, expires, made, "sent", 1,
	}
}

func draw[T any](rnd *rand.Rand, from []T) T { return from[rnd.IntN(len(from))] }

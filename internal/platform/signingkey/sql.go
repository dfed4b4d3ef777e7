package signingkey

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/reseal"
)

type row struct {
	id        string
	private   []byte // sealed
	createdAt time.Time
	signsFrom time.Time
}

// lockedRows are all keys; no other process adds or deletes one until the transaction
// ends. On SQLite a write transaction is alone anyway.
func lockedRows(ctx context.Context, tx *database.Tx) ([]row, error) {
	if tx.DB.Engine == database.Postgres {
		if _, err := tx.Exec(ctx, `LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return nil, err
		}
	}
	return rows(ctx, tx)
}

// rows are all keys, by the time they sign from.
func rows(ctx context.Context, tx *database.Tx) ([]row, error) {
	return database.All(ctx, tx, func(s database.Scanner) (r row, err error) {
		err = s.Scan(&r.id, &r.private, &r.createdAt, &r.signsFrom)
		return r, err
	}, `SELECT id, private, created_at, signs_from FROM signing_key ORDER BY signs_from, id`)
}

func insert(ctx context.Context, tx *database.Tx, r row) error {
	_, err := tx.Exec(ctx, `INSERT INTO signing_key (id, private, created_at, signs_from) VALUES ($1, $2, $3, $4)`,
		r.id, r.private, r.createdAt, r.signsFrom)
	return err
}

// prune deletes the keys of list whose successor has signed since before.
func prune(ctx context.Context, tx *database.Tx, list []row, before time.Time) error {
	for i := 0; i+1 < len(list) && list[i+1].signsFrom.Before(before); i++ {
		if err := remove(ctx, tx, list[i].id); err != nil {
			return err
		}
	}
	return nil
}

func remove(ctx context.Context, tx *database.Tx, kid string) error {
	_, err := tx.Exec(ctx, `DELETE FROM signing_key WHERE id = $1`, kid)
	return err
}

// 12 bytes are the length of secret.Box.Head.
const (
	selectStale = `SELECT id, private FROM signing_key
		WHERE substr(private, 1, 12) <> $1 AND id > $2 ORDER BY id LIMIT $3`
	countStale = `SELECT count(*) FROM signing_key WHERE substr(private, 1, 12) <> $1`
	putPrivate = `UPDATE signing_key SET private = $1 WHERE id = $2 AND private = $3`
)

// Reseal seals private keys again that name another install key than the first of the
// box, or none. It may run beside servers.
func Reseal(ctx context.Context, db *database.DB, box *secret.Box) (reseal.Report, error) {
	return reseal.Column{
		Name: "signing keys", Next: selectStale, Put: putPrivate, Left: countStale, Context: sealContext,
	}.Run(ctx, db, box)
}

package database

import (
	"context"
	"fmt"

	"github.com/pressly/goose/v3"

	"canopy.dev/canopy/internal/foundation/text"
)

// before is what a step needs that SQL can't do, by the step's version. It runs in
// small transactions of its own, and once more from the start where it was broken
// off: only then is the step applied.
var before = map[int64]func(context.Context, *DB) error{
	foldStep: fold,
	seedStep: seed,
}

// up applies the steps up to a version.
func (db *DB) up(ctx context.Context, p *goose.Provider, version int64) error {
	current, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	for _, s := range p.ListSources() {
		if s.Version <= current || s.Version > version {
			continue
		}
		if prepare := before[s.Version]; prepare != nil {
			if err := prepare(ctx, db); err != nil {
				return fmt.Errorf("%s: %w", s.Path, err)
			}
		}
		if _, err := p.UpTo(ctx, s.Version); err != nil {
			return err
		}
	}
	return nil
}

// foldStep is the version of the step before which names are folded.
const foldStep = 5

// foldBatch is how many rows one transaction looks at.
const foldBatch = 500

// fold writes names folded which earlier versions kept in lower case, ς and ß among
// them. No index is unique over folded text: rows that come to be alike stay two.
func fold(ctx context.Context, db *DB) error {
	// Like the steps in SQL this names tables of rooms, and rows of all tenants.
	for table, set := range map[string]string{
		"portal_user": `name_fold = $1`,
		"user_invite": `name_fold = $1, search = email || '` + "\n" + `' || CAST($1 AS TEXT)`,
	} {
		for last, more := "", true; more; {
			var err error
			last, err = Write(ctx, db, func(tx *Tx) (string, error) { return foldBatchOf(ctx, tx, table, set, last) })
			if err != nil {
				return fmt.Errorf("fold the names of %s: %w", table, err)
			}
			more = last != ""
		}
	}
	return nil
}

// foldBatchOf folds the rows that follow an id, and gives the last one's id; empty
// when there was none.
func foldBatchOf(ctx context.Context, tx *Tx, table, set, after string) (last string, err error) {
	type row struct{ id, first, last, kept string }
	rows, err := All(ctx, tx, func(s Scanner) (r row, err error) {
		return r, s.Scan(&r.id, &r.first, &r.last, &r.kept)
	}, fmt.Sprintf(`SELECT id, first_name, last_name, name_fold FROM %s WHERE id > $1 ORDER BY id LIMIT %d`,
		table, foldBatch), after)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	for _, r := range rows {
		name := text.Fold(r.first + " " + r.last)
		if name == r.kept {
			continue
		}
		// Another process may give the row another name meanwhile.
		_, err := tx.Exec(ctx, fmt.Sprintf(`UPDATE %s SET %s WHERE id = $2 AND first_name = $3 AND last_name = $4`,
			table, set), name, r.id, r.first, r.last)
		if err != nil {
			return "", err
		}
	}
	return rows[len(rows)-1].id, nil
}

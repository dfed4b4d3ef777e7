// Package reseal brings sealed values under the first install key, a row at a time,
// beside servers that read and write the same rows. It knows no table: a room that
// seals under the install key describes its Column, with its own SQL.
//
//	read some ──► open, seal ──► UPDATE … only if the row still holds what was read
//	    ▲                                       │
//	    └───────────────────────────────────────┘ until none is left
//
// It may be stopped at any moment, and repeated: what was done stays done. It refuses
// to decide which keys there are.
package reseal

import (
	"context"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

// batch is how many rows are read at once.
const batch = 100

// Column is one column that holds sealed values. head is what secret.Box.Head gives;
// $N stand for the arguments in the order told.
type Column struct {
	Name string // what lies in it, for whoever runs this: "signing keys"
	// Next asks for the id and the value of rows whose value does not begin with head:
	// those after an id, by id, at most so many. Arguments: head, id, number.
	Next string
	// Put replaces a value, if it is still the one that was read. Arguments: the new
	// value, id, the old value.
	Put string
	// Left counts the rows whose value does not begin with head. Argument: head.
	Left string
	// Context is what a row's value is sealed for.
	Context func(id string) string
}

// Report is what became of a column.
type Report struct {
	Name string
	Done int      // values resealed
	Left int      // values that still name another key or none, and can be opened
	Lost []string // ids of the rows whose value no key opens
}

// Run reseals the column's values that name another key than the first of the box,
// or none. The report is true of what was done even when there is an error, except that
// then nothing is known of what is left. It may run in several processes at once.
func (c Column) Run(ctx context.Context, db *database.DB, box *secret.Box) (Report, error) {
	r := Report{Name: c.Name}
	for after := ""; ; {
		rows, err := c.next(ctx, db, box, after)
		if err != nil {
			return r, err
		}
		if len(rows) == 0 {
			break
		}
		for _, old := range rows {
			if err := c.one(ctx, db, box, old, &r); err != nil {
				return r, err
			}
		}
		after = rows[len(rows)-1].id
	}
	left, err := database.Read(database.Long(ctx), db, func(tx *database.Tx) (left int, err error) {
		return left, tx.QueryRow(ctx, c.Left, box.Head()).Scan(&left)
	})
	r.Left = max(0, left-len(r.Lost))
	return r, err
}

// row is a sealed value and where it lies.
type row struct {
	id     string
	sealed []byte
}

func (c Column) next(ctx context.Context, db *database.DB, box *secret.Box, after string) ([]row, error) {
	return database.Read(database.Long(ctx), db, func(tx *database.Tx) ([]row, error) {
		return database.All(ctx, tx, func(s database.Scanner) (r row, err error) {
			return r, s.Scan(&r.id, &r.sealed)
		}, c.Next, box.Head(), after, batch)
	})
}

// one reseals one value, in a transaction of its own, so that servers wait for it
// as short as can be.
func (c Column) one(ctx context.Context, db *database.DB, box *secret.Box, old row, r *Report) error {
	plain, err := box.Open(old.sealed, c.Context(old.id))
	if err != nil {
		r.Lost = append(r.Lost, old.id)
		return nil //nolint:nilerr // it is told in the report; the others go on
	}
	fresh := box.Seal(plain, c.Context(old.id))
	n, err := database.Write(ctx, db, func(tx *database.Tx) (int64, error) {
		return tx.Exec(ctx, c.Put, fresh, old.id, old.sealed)
	})
	r.Done += int(n)
	return err
}

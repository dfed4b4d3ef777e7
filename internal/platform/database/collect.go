package database

import (
	"cmp"
	"context"
	"reflect"
	"slices"
)

// Closing is what a transaction gathers while it works and writes at its very end.
type Closing interface {
	// Close writes what was gathered. Its error fails the transaction.
	Close(ctx context.Context, tx *Tx) error
}

// Last is a Closing whose turn comes when all others are closed: it writes what bears the
// number of the commit, or holds the row of that number.
type Last interface {
	Closing
	// Turn orders those that are last, from low to high.
	Turn() int
}

// Collect gives what the transaction gathers of one type, made by fresh when it is first
// asked for. It is closed once the work has succeeded, after those that came before it
// (one that is Last after all others) and just before the commit. A repeated transaction
// begins with nothing. In a Read, or after the transaction has ended, Collect panics.
func Collect[T Closing](tx *Tx, fresh func() T) T {
	if !tx.writes {
		panic("database: Collect needs a transaction that writes and has not ended")
	}
	kind := reflect.TypeFor[T]()
	for _, c := range tx.closings {
		if c.kind == kind {
			return c.what.(T) //nolint:forcetypeassert // kind says so
		}
	}
	made := fresh()
	tx.closings = append(tx.closings, closing{kind, made})
	return made
}

// Collected gives what a transaction has gathered of one type, also after its commit; false
// for nothing.
func Collected[T Closing](tx *Tx) (what T, is bool) {
	for _, c := range tx.closings {
		if what, is = c.what.(T); is {
			return what, true
		}
	}
	return what, false
}

type closing struct {
	kind reflect.Type
	what Closing
}

// close closes what was gathered.
func (tx *Tx) close(ctx context.Context) error {
	var last []Last
	for i := range len(tx.closings) { // closing one may begin another
		what := tx.closings[i].what
		if l, is := what.(Last); is {
			last = append(last, l)
			continue
		}
		if err := what.Close(ctx, tx); err != nil {
			return err
		}
	}
	slices.SortStableFunc(last, func(a, b Last) int { return cmp.Compare(a.Turn(), b.Turn()) })
	for _, what := range last {
		if err := what.Close(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

package environment

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// WriteAll is WriteAfter for several Environments at once. One of them is waited for; of each
// further one a tenth of a second, and where that is not enough, all is let go and that one is
// waited for first: so nobody's writers stand behind a write that waits for another's. Those
// that have been deleted meanwhile are environments.not_found. With one Environment the
// revision afterwards is noted for the answer, with none the transaction holds what before
// does.
func WriteAll[T any](
	ctx context.Context, db *database.DB, in []scope.Environment, before func(tx *database.Tx) error,
	fn func(tx *database.Tx) (T, error),
) (T, error) {
	order := ascending(in)
	switch len(order) {
	case 0:
		return database.Write(ctx, db, func(tx *database.Tx) (T, error) {
			var none T
			if err := before(tx); err != nil {
				return none, err
			}
			return fn(tx)
		})
	case 1:
		return WriteAfter(ctx, db, order[0], before, func(tx *database.Tx, _ Environment) (T, error) { return fn(tx) })
	}
	for {
		v, missed, err := writeAll(ctx, db, order, before, fn)
		if missed < 0 {
			return v, err
		}
		first := order[missed]
		order = append([]scope.Environment{first}, slices.Delete(order, missed, missed+1)...)
	}
}

// writeAll tries once; missed is the Environment that could not be had, or -1.
func writeAll[T any](
	ctx context.Context, db *database.DB, order []scope.Environment, before func(tx *database.Tx) error,
	fn func(tx *database.Tx) (T, error),
) (v T, missed int, err error) {
	free, missed, err := turns(ctx, db, order)
	defer free()
	if err != nil || missed >= 0 {
		return v, missed, err
	}
	var locked bool
	err = database.Patiently(ctx, &locked, func() (err error) {
		missed = -1
		v, err = database.Write(ctx, db, func(tx *database.Tx) (T, error) {
			var none T
			if err := before(tx); err != nil {
				return none, err
			}
			for i, one := range order {
				lock := Lock
				if i > 0 {
					lock = lockSoon
				}
				if _, err := lock(ctx, tx, one); err != nil {
					if database.Held(err) {
						missed = i
					}
					return none, err
				}
				locked = true
			}
			return fn(tx)
		})
		return err
	})
	return v, missed, err
}

// lockSoon is Lock that waits for a tenth of a second.
func lockSoon(ctx context.Context, tx *database.Tx, in scope.Environment) (Environment, error) {
	return found(scan(tx.LockSoon(ctx, selectEnvironment+` AND env.id = $2`, in.Application.Account.ID, in.ID)))
}

// turns waits in the process for the first, and shortly for the others.
func turns(
	ctx context.Context, db *database.DB, order []scope.Environment,
) (free func(), missed int, err error) {
	var all []func()
	free = func() {
		for _, one := range slices.Backward(all) {
			one()
		}
	}
	for i, one := range order {
		var leave func()
		had := true
		if i == 0 {
			leave, err = db.Turn(ctx, one.ID.String())
		} else {
			leave, had, err = db.TrySoon(ctx, one.ID.String())
		}
		if err != nil {
			return free, -1, err
		}
		if !had {
			return free, i, nil
		}
		all = append(all, leave)
	}
	return free, -1, nil
}

// ascending are the Environments by id, each once.
func ascending(in []scope.Environment) []scope.Environment {
	order := slices.Clone(in)
	slices.SortFunc(order, func(a, b scope.Environment) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return slices.CompactFunc(order, func(a, b scope.Environment) bool { return a.ID == b.ID })
}

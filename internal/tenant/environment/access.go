package environment

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Write runs fn in a transaction that holds the Environment's lock: it waits for its turn
// behind the Environment's other writers, two minutes at most (database.ErrCrowded). fn
// gets the Environment as it is under the lock, and appends to its revision what it
// changes. The revision afterwards is noted for the answer; where nothing was appended,
// the current one. Fault: environments.not_found when it has been deleted meanwhile.
func Write[T any](
	ctx context.Context, db *database.DB, in scope.Environment, fn func(tx *database.Tx, e Environment) (T, error),
) (T, error) {
	return WriteAfter(ctx, db, in, func(*database.Tx) error { return nil }, fn)
}

// WriteAfter is Write for who has to hold persons, too: before holds them, in the same
// transaction, ahead of the Environment, so that all writers lock in one order. It runs
// again where the Environment was waited for in vain.
func WriteAfter[T any](
	ctx context.Context, db *database.DB, in scope.Environment, before func(tx *database.Tx) error,
	fn func(tx *database.Tx, e Environment) (T, error),
) (v T, err error) {
	free, err := db.Turn(ctx, in.ID.String())
	if err != nil {
		return v, err
	}
	defer free()
	var locked bool
	var after func() uint64
	err = database.Patiently(ctx, &locked, func() (err error) {
		v, err = database.Write(ctx, db, func(tx *database.Tx) (T, error) {
			var none T
			if err := before(tx); err != nil {
				return none, err
			}
			e, err := Lock(ctx, tx, in)
			if err != nil {
				return none, err
			}
			locked = true
			at, err := revision.Now(ctx, tx, in)
			if err != nil {
				return none, err
			}
			made, err := fn(tx, e)
			after = revision.After(tx, in.ID, at.Revision) // who writes beside may raise it first
			return made, err
		})
		return err
	})
	if err == nil {
		scope.Note(ctx, after())
	}
	return v, err
}

// WriteBeside runs fn in a transaction that does not hold the Environment's lock, for what no
// write under the lock judges by: what changes about a person, whose row fn holds. No large
// write holds it up. fn appends by revision.AppendBeside; the revision afterwards is noted for
// the answer. Fault: environments.not_found when it has been deleted meanwhile.
func WriteBeside[T any](
	ctx context.Context, db *database.DB, in scope.Environment, fn func(tx *database.Tx) (T, error),
) (T, error) {
	var after func() uint64
	v, err := database.Write(ctx, db, func(tx *database.Tx) (T, error) {
		var none T
		made, err := fn(tx)
		if err != nil {
			return none, err
		}
		at, err := revision.Now(ctx, tx, in)
		if errors.Is(err, database.ErrNoRows) {
			return none, ErrNotFound
		}
		after = revision.After(tx, in.ID, at.Revision)
		return made, err
	})
	if err == nil {
		scope.Note(ctx, after())
	}
	return v, err
}

// Lock holds the Environment until the transaction ends, and reads it. Of what a
// transaction locks, persons come before it. Fault: environments.not_found.
func Lock(ctx context.Context, tx *database.Tx, in scope.Environment) (Environment, error) {
	return found(scan(tx.Lock(ctx, selectEnvironment+` AND env.id = $2`, in.Application.Account.ID, in.ID)))
}

// Read runs fn on one view of the Environment, which stands at the given revision; that
// is noted for the answer. Fault: environments.not_found when it has been deleted
// meanwhile.
func Read[T any](
	ctx context.Context, db *database.DB, in scope.Environment, fn func(tx *database.Tx, at revision.At) (T, error),
) (T, error) {
	return database.Read(ctx, db, func(tx *database.Tx) (T, error) {
		var none T
		at, err := revision.Now(ctx, tx, in)
		if errors.Is(err, database.ErrNoRows) {
			return none, ErrNotFound
		}
		if err != nil {
			return none, err
		}
		scope.Note(ctx, at.Revision)
		return fn(tx, at)
	})
}

// Find reads the Environment; environments.not_found.
func Find(ctx context.Context, tx *database.Tx, in scope.Environment) (Environment, error) {
	return found(scan(tx.QueryRow(ctx, selectEnvironment+` AND env.id = $2`, in.Application.Account.ID, in.ID)))
}

func found(e Environment, err error) (Environment, error) {
	if errors.Is(err, database.ErrNoRows) {
		return e, ErrNotFound
	}
	return e, err
}

// Save keeps what a use case under the lock has changed of the Environment: name, slug,
// model, schema, settings. Its version rises by 1. The fault environments.slug_taken.
func Save(ctx context.Context, tx *database.Tx, e Environment) (Environment, error) {
	schema, settings, err := e.stored()
	if err != nil {
		return e, err
	}
	e.Version, e.UpdatedAt = e.Version+1, tx.Now
	_, err = tx.Exec(ctx, updateEnvironment, e.Name, e.Slug, string(e.Model), schema, settings, e.Version, e.UpdatedAt,
		e.Account, e.ID)
	if tx.DB.Broken(err, "environment_application_slug") {
		return e, ErrSlugTaken
	}
	return e, err
}

package database

import "context"

type guardKey struct{}

// Guarded has guard run in every transaction of Write and Do that is made with the
// context: after its work, just before it commits, and again when it is repeated. What
// guard writes is part of the transaction; its error fails it, and nothing is left
// behind. A transaction whose work failed is not asked about, nor is a Read. guard is
// called by as many goroutines as write with the context.
func Guarded(ctx context.Context, guard func(context.Context, *Tx) error) context.Context {
	return context.WithValue(ctx, guardKey{}, guard)
}

// Unguarded is for books that are kept about a call and are no part of what it does,
// such as counters: transactions that are made with it are not asked about.
func Unguarded(ctx context.Context) context.Context {
	return context.WithValue(ctx, guardKey{}, nil)
}

// guarded is fn with what ends a transaction after it: what it has gathered is written,
// then the guard of the context is asked.
func guarded[T any](ctx context.Context, fn func(*Tx) (T, error)) func(*Tx) (T, error) {
	check, _ := ctx.Value(guardKey{}).(func(context.Context, *Tx) error)
	return func(tx *Tx) (T, error) {
		v, err := fn(tx)
		if err == nil {
			err = tx.close(ctx)
		}
		if err == nil && check != nil {
			err = check(ctx, tx)
		}
		return v, err
	}
}

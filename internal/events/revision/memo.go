package revision

import (
	"context"
	"errors"
	"sync"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Memo keeps what was read of the store for as long as the store has it so. What it keeps
// stands on a scope, an Account or an Environment: on PostgreSQL it is good while that is
// proven to stand where it stood when the value was read; on SQLite, where all writes are seen
// here, while no table that it was read of is written.
//
// What is not there is not kept: a stranger can ask for any number of things. The zero value is
// empty. It is safe for concurrent use.
type Memo[K comparable, V any] struct {
	once  sync.Once
	watch *database.Watch // of SQLite

	mu    sync.RWMutex
	asOf  uint64 // of the watch
	known map[K]Kept[V]
}

// Source is where a Memo reads.
type Source struct {
	DB     *database.DB
	Prover *Prover
	Tables []string // that the values are read of, save that of revisions
}

// Kept is a value with where its scope stood, both read by one statement or in one view.
type Kept[V any] struct {
	Value   V
	Of      id.ID // the scope
	Account scope.AccountID
	At      At
}

// MostKept bounds how many values a Memo keeps.
const MostKept = 10_000

// Get gives the value of a key: a kept one that is good and current, else what read gives.
func (m *Memo[K, V]) Get(
	ctx context.Context, from Source, key K, good func(V) bool, read func(context.Context) (Kept[V], error),
) (V, error) {
	found, asOf, is := m.Peek(from, key)
	if is && good(found.Value) {
		current, err := m.current(ctx, from, found)
		if err != nil || current {
			return found.Value, err
		}
	}
	made, err := read(ctx)
	switch {
	case err == nil:
		m.put(asOf, key, made)
	case errors.Is(err, database.ErrNoRows):
		m.drop(key)
	}
	return made.Value, err
}

// Peek gives what is kept, which is not proven to be current where there is no watch, and the
// version of the watch that it is good for.
func (m *Memo[K, V]) Peek(from Source, key K) (found Kept[V], asOf uint64, is bool) {
	asOf, _ = m.Version(from)
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.asOf != asOf {
		return found, asOf, false
	}
	found, is = m.known[key]
	return found, asOf, is
}

// Version is that of the watch; false where there is none.
func (m *Memo[K, V]) Version(from Source) (uint64, bool) {
	m.once.Do(func() { m.watch = from.DB.Watch(from.Tables...) })
	if m.watch == nil {
		return 0, false
	}
	return m.watch.Version(), true
}

// Advance notes that a value is good at a later moment of its scope, too.
func (m *Memo[K, V]) Advance(key K, since, to At) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, is := m.known[key]; is && found.At == since {
		found.At = to
		m.known[key] = found
	}
}

// current reports whether a kept value is as the store is now.
func (m *Memo[K, V]) current(ctx context.Context, from Source, k Kept[V]) (bool, error) {
	if m.watch != nil {
		return true, nil
	}
	prove := func() (At, error) { return from.Prover.prove(ctx, k.Of, k.Account) }
	if k.Of == k.Account.Any() {
		prove = func() (At, error) { return from.Prover.AtAccount(ctx, k.Account) }
	}
	at, err := prove()
	if errors.Is(err, database.ErrNoRows) {
		return false, nil
	}
	return at == k.At, err
}

// put keeps what was read since a version, unless that is over already.
func (m *Memo[K, V]) put(asOf uint64, key K, made Kept[V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if asOf < m.asOf {
		return
	}
	if asOf > m.asOf || m.known == nil {
		m.asOf, m.known = asOf, map[K]Kept[V]{}
	}
	if len(m.known) >= MostKept {
		for other := range m.known { // any one
			delete(m.known, other)
			break
		}
	}
	m.known[key] = made
}

// drop forgets what is there no more.
func (m *Memo[K, V]) drop(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}

// Len is how many values are kept.
func (m *Memo[K, V]) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.known)
}

package assignment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"canopy.dev/canopy/internal/access/assignment/ledger"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/shelf"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// defaultMemory is Service.Memory where none is given: about 4,000,000 assignments.
const defaultMemory = 256 << 20

// memory is the ledgers that a process holds, of the Environments that were asked for last.
type memory struct {
	books shelf.Shelf[scope.EnvironmentID, book]
}

// book is the ledger of an Environment that is held, or is about to be.
type book struct {
	held   atomic.Pointer[held]
	before atomic.Pointer[[]*held] // what was held before, the latest last: for readings that began then
	turn   chan struct{}           // who has its one token brings the ledger up to date
}

// held is the assignments of an Environment at one moment.
type held struct {
	*ledger.Index
	at   revision.At
	read time.Time
}

// book gives the book of an Environment, empty where it is not held.
func (m *memory) book(in scope.EnvironmentID) *book {
	return m.books.GetOr(in, func() *book { return &book{turn: make(chan struct{}, 1)} })
}

// mostBefore is how many ledgers of before are held; they share with the present one what is
// equal.
const mostBefore = 8

// of is the ledger of a moment, nil where it is not held.
func (b *book) of(at revision.At) *held {
	if h := b.held.Load(); h == nil || h.at == at {
		return h
	}
	if before := b.before.Load(); before != nil {
		for _, h := range *before {
			if h.at == at {
				return h
			}
		}
	}
	return nil
}

// lose lets go of what is held: it has to be read anew. The caller has the turn.
func (b *book) lose() {
	b.held.Store(nil)
	b.before.Store(nil)
}

// hold holds a ledger from now on; the caller has the turn.
func (b *book) hold(h *held) {
	if last := b.held.Load(); last != nil {
		list := []*held{last}
		if before := b.before.Load(); before != nil {
			list = append(slices.Clone((*before)[max(0, len(*before)-mostBefore+1):]), last)
		}
		b.before.Store(&list)
	}
	b.held.Store(h)
}

// keep holds a ledger from now on, as long as there is room; the caller has the turn.
func (m *memory) keep(in scope.EnvironmentID, b *book, h *held, most int) {
	b.hold(h)
	m.books.Weigh(in, b, h.Bytes(), most)
}

// enter waits for the turn to bring a ledger up to date.
func (b *book) enter(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", database.ErrSlow, ctx.Err())
	}
}

func (b *book) leave() { <-b.turn }

// errAgain says that what a reading needs is not in memory as it needs it: the caller gives
// its connection back, has it loaded, and reads again.
var errAgain = errors.New("assignment: to be read again")

// rounds is how often a reading tries to find memory at its own moment.
const rounds = 10

// retrying calls read until it finds in memory what it needs, and loads that in between: who
// waits for that holds no connection.
func retrying[T any](ctx context.Context, s *Service, in scope.Environment, read func() (T, error)) (v T, err error) {
	for round := range rounds {
		if round == rounds/2 {
			// What is held is ahead of a store that was set back.
			if err := s.lose(ctx, in); err != nil {
				return v, err
			}
		}
		if err := s.ready(ctx, in); err != nil {
			return v, err
		}
		v, err = read()
		if !errors.Is(err, errAgain) {
			return v, err
		}
	}
	return v, fmt.Errorf("%w: the Environment does not stand still", database.ErrSlow)
}

// reading runs fn on one view of the store, with the ledger of that very moment. Fault:
// environments.not_found.
func reading[T any](
	ctx context.Context, s *Service, in scope.Environment, fn func(tx *database.Tx, x *ledger.Index) (T, error),
) (T, error) {
	return retrying(ctx, s, in, func() (T, error) {
		return environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (v T, err error) {
			h, err := s.since(ctx, tx, in, at)
			if err == nil && h.at != at {
				h = s.memory.book(in.ID).of(at)
			}
			if err == nil && h == nil {
				err = errAgain
			}
			if err != nil {
				return v, err
			}
			return fn(tx, h.Index)
		})
	})
}

// view is environment.Read for what needs no revision.
func view[T any](
	ctx context.Context, db *database.DB, in scope.Environment, fn func(tx *database.Tx) (T, error),
) (T, error) {
	return environment.Read(ctx, db, in, func(tx *database.Tx, _ revision.At) (T, error) { return fn(tx) })
}

// ready loads the ledger of an Environment where none is held, and waits for who does.
func (s *Service) ready(ctx context.Context, in scope.Environment) error {
	b := s.memory.book(in.ID)
	if b.held.Load() != nil {
		return nil
	}
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	if b.held.Load() != nil {
		return nil
	}
	h, err := s.load(database.Long(ctx), in)
	switch {
	case errors.Is(err, environment.ErrNotFound):
		s.memory.books.Drop(in.ID, nil)
	case err == nil:
		s.memory.keep(in.ID, b, h, cmp.Or(s.Memory, defaultMemory))
	}
	return err
}

// lose lets go of the ledger of an Environment.
func (s *Service) lose(ctx context.Context, in scope.Environment) error {
	b := s.memory.book(in.ID)
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	b.lose()
	return nil
}

// since is the ledger of a moment, or of a later one; errAgain where there is none at hand.
// Who waits here for the turn waits for one that follows, which takes little: what is loaded
// anew was let go of before.
func (s *Service) since(ctx context.Context, tx *database.Tx, in scope.Environment, at revision.At) (*held, error) {
	b := s.memory.book(in.ID)
	switch h := b.held.Load(); {
	case h == nil:
		return nil, errAgain
	case h.at == at || h.at.Revision > at.Revision:
		return h, nil
	}
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.leave()
	h := b.held.Load()
	switch {
	case h == nil:
		return nil, errAgain
	case h.at == at || h.at.Revision > at.Revision:
		return h, nil
	}
	var next *held
	var err error
	if h.at.Revision < at.Revision {
		next, err = s.follow(ctx, tx, in, h, at)
	}
	switch {
	case err != nil:
		return nil, err
	case next == nil:
		b.lose()
		return nil, errAgain
	}
	s.memory.keep(in.ID, b, next, cmp.Or(s.Memory, defaultMemory))
	return next, nil
}

package decision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decisionlog"
	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/shelf"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
	"canopy.dev/canopy/internal/tenant/revision"
)

// Service decides. It may be used by many at once.
type Service struct {
	DB      *database.DB
	Prover  *revision.Prover
	Log     *slog.Logger
	Decided *decisionlog.Log // may be nil
	// Memory is about how many bytes snapshots may take in all; 0 is 1 GiB. One that is in
	// use stays, whatever it takes.
	Memory int

	once  sync.Once
	watch *database.Watch // of SQLite

	worlds shelf.Shelf[scope.EnvironmentID, world]
}

// world is an Environment that is held, or is about to be.
type world struct {
	held atomic.Pointer[held]
	turn chan struct{} // who has its one token brings the world up to date
}

// held is an Environment at one moment.
type held struct {
	*decide.Snapshot
	at   revision.At
	asOf uint64 // of the watch: as long as that stays, nothing was written
	// quiet are the moments, this one included, since API keys were changed last.
	quiet quiet
}

// fresh is a snapshot of the Environment that holds every write that was answered before
// fresh was called; it notes its revision for the answer. Faults:
// environments.not_found; database.ErrSlow and others where nothing can be proven.
func (s *Service) fresh(ctx context.Context, in scope.Environment) (*held, error) {
	h, err := s.proven(ctx, in)
	if errors.Is(err, database.ErrNoRows) {
		return nil, environment.ErrNotFound
	}
	if err == nil {
		scope.Note(ctx, h.at.Revision)
	}
	return h, err
}

func (s *Service) proven(ctx context.Context, in scope.Environment) (*held, error) {
	w, asOf := s.world(in.ID), s.version()
	if h := w.held.Load(); h != nil && s.watch != nil && h.asOf == asOf {
		return h, nil
	}
	for range proofs {
		where, err := s.Prover.At(ctx, in)
		if err != nil {
			s.forget(in.ID, err)
			return nil, err
		}
		h := w.held.Load()
		switch {
		case h != nil && h.at == where:
			if s.watch != nil {
				w.held.CompareAndSwap(h, &held{h.Snapshot, h.at, asOf, h.quiet})
			}
			return h, nil
		case h != nil && h.at.Revision > where.Revision && scope.Aged(ctx):
			return h, nil // what is held was read after what is proven
		case h != nil && h.at.Revision > where.Revision:
			// Another question was proven after this one, and the world brought further. If it
			// still is ahead of the next proof, the store was set back.
			continue
		}
		if err := s.update(ctx, w, in, where, asOf); err != nil {
			return nil, err
		}
	}
	// What is held is ahead of the store, or of a store that was exchanged.
	return s.rebuild(ctx, w, in, asOf)
}

// proofs is how often a question is proven before what is held is given up.
const proofs = 3

// version is that of the watch, read before what it is to vouch for.
func (s *Service) version() uint64 {
	s.once.Do(func() { s.watch = s.DB.Watch("revision") })
	if s.watch == nil {
		return 0
	}
	return s.watch.Version()
}

// enter waits for the turn to bring a world up to date.
func (w *world) enter(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", database.ErrSlow, ctx.Err())
	}
}

func (w *world) leave() { <-w.turn }

// update brings a world to where the Environment stands at least: by its changes, or anew
// where they don't lead there.
func (s *Service) update(ctx context.Context, w *world, in scope.Environment, where revision.At, asOf uint64) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.leave()
	h := w.held.Load()
	if h != nil && (h.at == where || h.at.Revision > where.Revision) {
		return nil // somebody else did it
	}
	if h != nil && h.at.Revision < where.Revision {
		next, err := s.follow(ctx, in, h, asOf)
		if err != nil {
			return err
		}
		if next != nil {
			s.keep(w, in.ID, next)
			return nil
		}
	}
	next, err := s.build(ctx, in, asOf)
	if err == nil {
		s.keep(w, in.ID, next)
	}
	return err
}

// rebuild reads a world anew, whatever is held of it.
func (s *Service) rebuild(ctx context.Context, w *world, in scope.Environment, asOf uint64) (*held, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	defer w.leave()
	next, err := s.build(ctx, in, asOf)
	if err == nil {
		s.keep(w, in.ID, next)
	}
	return next, err
}

// follow applies the changes since; nil where they are not known.
func (s *Service) follow(ctx context.Context, in scope.Environment, from *held, asOf uint64) (*held, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (*held, error) {
		var changes []decide.Change
		unclear, keys := false, false
		known, err := revision.Since(ctx, tx, in, from.at, func(kind revision.Kind, of id.ID, body []byte) error {
			c, err := edits.Of(kind, of, body)
			unclear = unclear || err != nil
			if c != nil {
				changes = append(changes, c)
			} else if kind != revision.Nothing {
				keys = true // or something else that no snapshot shows
			}
			return nil
		})
		if err != nil || !known || unclear {
			return nil, err
		}
		next, problems := from.Apply(decide.Edit{Revision: at.Revision, Changes: changes})
		s.report(ctx, in, problems)
		if keys {
			return &held{next, at, asOf, quiet{at}}, nil
		}
		return &held{next, at, asOf, from.quiet.with(at)}, nil
	})
}

// build reads the whole Environment, at one moment.
func (s *Service) build(ctx context.Context, in scope.Environment, asOf uint64) (*held, error) {
	ctx = database.Long(ctx)
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (*held, error) {
		var b decide.Builder
		if err := rows(ctx, tx, in, &b); err != nil {
			return nil, err
		}
		snapshot, problems := b.Build(at.Revision)
		s.report(ctx, in, problems)
		return &held{snapshot, at, asOf, quiet{at}}, nil
	})
}

// report tells of rows that contradict each other: they grant nothing.
func (s *Service) report(ctx context.Context, in scope.Environment, problems []decide.Problem) {
	if len(problems) > 0 {
		s.Log.ErrorContext(ctx, "rows contradict each other and are left out of decisions",
			"environment_id", in.ID.String(), "rows", len(problems), "first", fmt.Sprint(problems[0]))
	}
}

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
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/shelf"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
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

	counts  counts
	loaders sync.WaitGroup

	worlds shelf.Shelf[scope.EnvironmentID, world]
}

// world is an Environment that is held, or is about to be.
type world struct {
	held atomic.Pointer[held]
	flights
	in scope.Environment
}

// held is an Environment at one moment.
type held struct {
	*decide.Snapshot
	at   revision.At
	asOf uint64 // of the watch: as long as that stays, nothing was written
	// quiet are the moments, this one included, since API keys were changed last.
	quiet quiet
	// current is when the Environment was known to be so last, in Unix nanoseconds. It lies here
	// and not in the world: who has taken a snapshot must not go by what was seen of the next one.
	current atomic.Int64
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
	h, waited, err := s.current(ctx, s.world(in))
	if waited {
		s.counts.waits.Add(1)
	}
	return h, err
}

// current is a world as of after the call; waited says that it took a look at the store.
func (s *Service) current(ctx context.Context, w *world) (h *held, waited bool, err error) {
	asOf := s.version()
	if h := w.held.Load(); h != nil && s.watch != nil && h.asOf == asOf {
		return h, false, nil
	}
	asked := s.DB.Now()
	where, err := s.Prover.At(ctx, w.in)
	if err != nil {
		s.forget(w, err)
		return nil, true, err
	}
	h = w.held.Load()
	age, aged := scope.AgeOf(ctx)
	switch {
	case h != nil && aged && (h.at == where || h.seenSince(s.DB.Now().Add(-age))):
		return h, true, nil // what is held was read no earlier than what is proven
	case h != nil && h.at == where:
		h.seen(asked)
		if s.watch != nil {
			again := &held{Snapshot: h.Snapshot, at: h.at, asOf: asOf, quiet: h.quiet}
			again.seen(asked)
			w.held.CompareAndSwap(h, again)
		}
		return h, true, nil
	}
	// Behind, or ahead: of this proof by another question, or of a store that was set back.
	h, err = s.bring(ctx, w)
	return h, true, err
}

// version is that of the watch, read before what it is to vouch for.
func (s *Service) version() uint64 {
	s.once.Do(func() { s.watch = s.DB.Watch("revision") })
	if s.watch == nil {
		return 0
	}
	return s.watch.Version()
}

// mostFollowed is how many changes are followed before everything is read anew.
const mostFollowed = 100_000

// follow applies the changes since; nil where they don't lead to where the Environment stands.
func (s *Service) follow(ctx context.Context, in scope.Environment, from *held, asOf uint64) (*held, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (*held, error) {
		if at == from.at {
			return &held{Snapshot: from.Snapshot, at: at, asOf: asOf, quiet: from.quiet}, nil
		}
		var changes []decide.Change
		unclear, keys := false, false
		known, err := revision.Since(ctx, tx, in, from.at, func(kind revision.Kind, of id.ID, body []byte) error {
			c, err := edits.Of(kind, of, body)
			unclear = unclear || err != nil || len(changes) > mostFollowed
			if unclear {
				changes = nil
				return nil
			}
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
		s.counts.changes.Add(uint64(len(changes)))
		next, problems := from.Apply(decide.Edit{Revision: at.Revision, Changes: changes})
		s.report(ctx, in, problems)
		if keys {
			return &held{Snapshot: next, at: at, asOf: asOf, quiet: quiet{at}}, nil
		}
		return &held{Snapshot: next, at: at, asOf: asOf, quiet: from.quiet.with(at)}, nil
	})
}

// build reads the whole Environment, at one moment: its halves beside each other, and where
// these turn out to be of two moments, one after the other.
func (s *Service) build(ctx context.Context, in scope.Environment, asOf uint64) (*held, error) {
	b, at, err := s.halves(ctx, in)
	if errors.Is(err, errTwoMoments) {
		b = &decide.Builder{}
		at, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (revision.At, error) {
			return at, rows(ctx, tx, in, b)
		})
	}
	if err != nil {
		return nil, err
	}
	snapshot, problems := b.Build(at.Revision)
	s.report(ctx, in, problems)
	return &held{Snapshot: snapshot, at: at, asOf: asOf, quiet: quiet{at}}, nil
}

// report tells of rows that contradict each other: they grant nothing.
func (s *Service) report(ctx context.Context, in scope.Environment, problems []decide.Problem) {
	if len(problems) > 0 {
		s.Log.ErrorContext(ctx, "rows contradict each other and are left out of decisions",
			"environment_id", in.ID.String(), "rows", len(problems), "first", fmt.Sprint(problems[0]))
	}
}

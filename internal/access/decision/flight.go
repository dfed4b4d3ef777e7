package decision

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
)

// loadTime is how long a world may take to be brought up to date. Who waits for it may give
// up before; it goes on for those who don't, and for who asks next.
const loadTime = 2 * time.Minute

// flights bring a world up to date, one at a time, each for all who came before it began:
//
//	question ──► next flight ──the one before is over──► one view of the store ──► all who wait
//
// So what a flight gives was read after the question of everybody who waits for it, and is
// their answer, whatever is written meanwhile. One that fails tells all of them, and the next
// question begins another.
type flights struct {
	turn chan struct{} // who has its one token flies

	mu   sync.Mutex
	next *flight // has not begun
}

type flight struct {
	done chan struct{} // closed when held and err are there
	held *held
	err  error
}

// join gives the next flight to begin.
func (fs *flights) join() *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.next == nil {
		fs.next = &flight{done: make(chan struct{})}
	}
	return fs.next
}

// begin ends the time to join a flight; false where it has been flown.
func (fs *flights) begin(f *flight) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.next != f {
		return false
	}
	fs.next = nil
	return true
}

// bring gives an Environment as it stands after bring was called, and holds it.
func (s *Service) bring(ctx context.Context, w *world) (*held, error) {
	f := w.join()
	select {
	case <-f.done:
		return f.held, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", database.ErrSlow, ctx.Err())
	case w.turn <- struct{}{}:
	}
	if !w.begin(f) {
		<-w.turn
	} else {
		// Others wait for it too, so the end of one call is not its end.
		s.loaders.Go(func() {
			defer func() { <-w.turn }()
			task.Try(ctx, s.Log, "decisions", func() { s.fly(ctx, w, f) })
		})
	}
	select {
	case <-f.done:
		return f.held, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", database.ErrSlow, ctx.Err())
	}
}

func (s *Service) fly(ctx context.Context, w *world, f *flight) {
	f.err = errPanic
	defer close(f.done)
	ctx, _ = scope.Observe(ctx) // the call may be over
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTime)
	defer cancel()
	f.held, f.err = s.load(ctx, w)
	if f.err != nil && ctx.Err() != nil {
		f.err = fmt.Errorf("%w: %w", database.ErrSlow, f.err)
	}
}

var errPanic = errors.New("decision: a load has panicked")

// load brings a world up to where the Environment stands: by its changes, or anew where they
// don't lead there.
func (s *Service) load(ctx context.Context, w *world) (next *held, err error) {
	began, asOf := s.DB.Now(), s.version()
	if h := w.held.Load(); h != nil {
		next, err = s.follow(ctx, w.in, h, asOf)
	}
	if next == nil && err == nil {
		next, err = s.rebuild(ctx, w, asOf)
	}
	if err != nil {
		s.forget(w, err)
		return nil, err
	}
	next.seen(began)
	s.keep(w, next)
	return next, nil
}

// rebuild reads a world anew, whatever is held of it.
func (s *Service) rebuild(ctx context.Context, w *world, asOf uint64) (*held, error) {
	again, began := w.held.Load() != nil, s.DB.Now()
	next, err := s.build(database.Long(ctx), w.in, asOf)
	s.counts.loaded(again, s.DB.Now().Sub(began), err)
	if err == nil && sizeOf(next.Snapshot) >= large {
		// What the rows took while they were read is as much again, and the collector would keep
		// it for what may come.
		s.loaders.Go(func() { task.Try(ctx, s.Log, "memory", debug.FreeOSMemory) })
	}
	return next, err
}

// large is the size of a snapshot, in bytes, whose load leaves memory that is worth giving back.
const large = 32 << 20

// Wait waits for worlds that are being loaded, though nobody may wait for them any more.
func (s *Service) Wait() { s.loaders.Wait() }

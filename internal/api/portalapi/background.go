package portalapi

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
)

// Background runs work after an answer whose time must not tell anything: a
// look-up takes another time for a known address than for an unknown one. The
// calls behind it are throttled per IP, so few run at once. It is safe for
// concurrent use.
type Background struct {
	Log   *slog.Logger
	tasks sync.WaitGroup
}

// Go runs fn, for half a minute at most.
func (b *Background) Go(ctx context.Context, what string, fn func(ctx context.Context) error) {
	ctx = context.WithoutCancel(ctx)
	b.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := fn(ctx); err != nil && fault.As(err) == nil {
			b.Log.ErrorContext(ctx, what, "error", err)
		}
	})
}

// Wait waits for everything under way.
func (b *Background) Wait() { b.tasks.Wait() }

package scope

import (
	"context"
	"sync/atomic"
)

// Seen is the revision of an Environment that a call has read or written at. It is safe
// for concurrent use; zero until something was noted.
type Seen struct{ revision atomic.Uint64 }

// Revision is what was noted last, 0 for nothing.
func (s *Seen) Revision() uint64 { return s.revision.Load() }

type seenKey struct{}

// Observe gives a context whose calls note at which revision they ran. Who answers a
// caller uses it; so no use case has to carry the number.
func Observe(ctx context.Context) (context.Context, *Seen) {
	s := &Seen{}
	return context.WithValue(ctx, seenKey{}, s), s
}

// Note keeps the revision for who observes the context, if anybody does.
func Note(ctx context.Context, revision uint64) {
	if s, observed := ctx.Value(seenKey{}).(*Seen); observed {
		s.revision.Store(revision)
	}
}

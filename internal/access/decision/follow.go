package decision

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// followEach is how often all that is held is brought up to the store, unasked.
const followEach = 30 * time.Second

// Follow keeps what is held from falling behind, until ctx ends: whoever asks then has little
// to wait for, and few changes are needed. All of it is brought up twice a minute, and at
// once the Environments whose ids come as hints. Nothing depends on a hint: one may be
// missing, late or for nothing.
func (s *Service) Follow(ctx context.Context, hints <-chan string) {
	tick := time.NewTicker(followEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.followAll(ctx)
		case hint := <-hints:
			if of, err := id.Parse[scope.EnvironmentID](hint); err == nil {
				s.followOne(ctx, s.worlds.Peek(of))
			}
		}
	}
}

// followAll brings up all that is held, as long as the store answers.
func (s *Service) followAll(ctx context.Context) {
	for _, w := range s.worlds.All() {
		if !s.followOne(ctx, w) {
			return
		}
	}
}

// followOne brings up a world, if it is held, and reports whether the store answers. What
// takes longer goes on by itself.
func (s *Service) followOne(ctx context.Context, w *world) bool {
	if w == nil || w.held.Load() == nil {
		return true
	}
	limited, cancel := context.WithTimeout(ctx, followTime)
	defer cancel()
	_, _, err := s.current(limited, w)
	return err == nil || gone(err)
}

// Committed brings what is held of the Environments that a transaction has changed up to
// it, to be called after its commit and before its answer.
func (s *Service) Committed(ctx context.Context, tx *database.Tx) {
	for _, in := range revision.Raises(tx) {
		s.followOne(context.WithoutCancel(ctx), s.worlds.Peek(in.ID)) // a question proves it again
	}
}

// followTime is how long a write waits for memory to follow it. What isn't done then, the
// next question does.
const followTime = time.Second

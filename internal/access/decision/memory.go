package decision

import (
	"cmp"
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/revision"
)

// defaultMemory is Service.Memory where none is given.
const defaultMemory = 1 << 30

// world gives the world of an Environment, empty where it is not held.
func (s *Service) world(in scope.EnvironmentID) *world {
	return s.worlds.GetOr(in, func() *world { return &world{turn: make(chan struct{}, 1)} })
}

// keep holds a snapshot from now on.
func (s *Service) keep(w *world, in scope.EnvironmentID, h *held) {
	w.held.Store(h)
	s.worlds.Weigh(in, w, sizeOf(h.Snapshot), cmp.Or(s.Memory, defaultMemory))
}

// forget lets go of an Environment that is gone.
func (s *Service) forget(in scope.EnvironmentID, err error) {
	if errors.Is(err, database.ErrNoRows) {
		s.worlds.Drop(in, nil)
	}
}

// sizeOf is about how many bytes a snapshot takes (package decide, "What it costs").
func sizeOf(s *decide.Snapshot) int {
	n := s.Counts()
	return 4096 + 57*n.Nodes + 74*n.Members + 57*n.Assignments + 512*n.Roles + 128*n.Permissions
}

// followTime is how long a write waits for memory to follow it. What isn't done then, the
// next question does.
const followTime = time.Second

// Committed brings what is held of the Environments that a transaction has changed up to
// it, to be called after its commit and before its answer.
func (s *Service) Committed(ctx context.Context, tx *database.Tx) {
	for _, in := range revision.Raises(tx) {
		w := s.worlds.Peek(in.ID)
		if w == nil || w.held.Load() == nil {
			continue
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), followTime)
		_, _ = s.proven(limited, in) // a question proves it again
		cancel()
	}
}

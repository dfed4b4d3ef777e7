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
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.worlds[in]
	if w == nil {
		if s.worlds == nil {
			s.worlds = map[scope.EnvironmentID]*world{}
		}
		w = &world{turn: make(chan struct{}, 1)}
		s.worlds[in] = w
	}
	s.clock++
	w.used = s.clock
	return w
}

// keep holds a snapshot from now on, and lets go of the worlds that were used longest ago
// until all fit.
func (s *Service) keep(w *world, in scope.EnvironmentID, h *held) {
	w.held.Store(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worlds[in] != w {
		return // it was let go of meanwhile; who asked for it has it
	}
	s.bytes += sizeOf(h.Snapshot) - w.bytes
	w.bytes = sizeOf(h.Snapshot)
	for s.bytes > cmp.Or(s.Memory, defaultMemory) {
		oldest := in
		for of, other := range s.worlds {
			if of != in && other.bytes > 0 && (oldest == in || other.used < s.worlds[oldest].used) {
				oldest = of
			}
		}
		if oldest == in {
			return
		}
		s.drop(oldest)
	}
}

// forget lets go of an Environment that is gone.
func (s *Service) forget(in scope.EnvironmentID, err error) {
	if errors.Is(err, database.ErrNoRows) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(in)
	}
}

func (s *Service) drop(in scope.EnvironmentID) {
	if w := s.worlds[in]; w != nil {
		s.bytes -= w.bytes
		delete(s.worlds, in)
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
		s.mu.Lock()
		w := s.worlds[in.ID]
		s.mu.Unlock()
		if w == nil || w.held.Load() == nil {
			continue
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), followTime)
		_, _ = s.proven(limited, in) // a question proves it again
		cancel()
	}
}

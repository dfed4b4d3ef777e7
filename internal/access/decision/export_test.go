package decision

import (
	"context"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
)

// Held is how many Environments are held.
func (s *Service) Held() (n int) {
	for _, w := range s.worlds.All() {
		if w.held.Load() != nil {
			n++
		}
	}
	return n
}

// FollowAll brings up all that is held.
func (s *Service) FollowAll(ctx context.Context) { s.followAll(ctx) }

// Load reads an Environment anew, and gives how many assignments it has.
func (s *Service) Load(ctx context.Context, in scope.Environment) (int, error) {
	h, err := s.build(ctx, in, 0)
	if err != nil {
		return 0, err
	}
	return h.Snapshot.Counts().Assignments, nil
}

// Meeting gives the two sides of a meeting.
func Meeting() (up, down func(node id.ID) bool) {
	m := &meeting{}
	return m.up, m.down
}

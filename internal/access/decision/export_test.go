package decision

import "context"

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

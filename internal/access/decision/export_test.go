package decision

// Held is how many Environments are held.
func (s *Service) Held() (n int) {
	for _, w := range s.worlds.All() {
		if w.held.Load() != nil {
			n++
		}
	}
	return n
}

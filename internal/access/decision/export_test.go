package decision

// Held is how many Environments are held.
func (s *Service) Held() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.worlds {
		if w.held.Load() != nil {
			n++
		}
	}
	return n
}

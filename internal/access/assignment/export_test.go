package assignment

// Books is how many Environments are held in memory.
func (s *Service) Books() (n int) {
	for _, b := range s.memory.books.All() {
		if b.held.Load() != nil {
			n++
		}
	}
	return n
}

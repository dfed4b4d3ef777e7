package apikey

// Kept is how many keys are in memory, and MostKept how many there may be.
func (s *Service) Kept() int { return len(s.cache.known) }

const MostKept = mostKnown

// Keep has the cache keep a key under a hash.
func (s *Service) Keep(hash string) { s.cache.put(s.cache.asOf, hash, known{}) }

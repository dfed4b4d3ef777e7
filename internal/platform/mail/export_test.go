package mail

import "time"

// SetStep shortens the time of each step, for tests of its bound.
func (s *Sender) SetStep(d time.Duration) { s.step = d }

package mail

import "time"

// SetStep shortens each wait, for tests of its bound.
func (s *Sender) SetStep(d time.Duration) {
	s.wait = patience{connect: d, reply: d, data: d, block: d, taken: d, goodbye: d, before: s.wait.before}
}

// SetBefore shortens the time of everything before the final dot.
func (s *Sender) SetBefore(d time.Duration) { s.wait.before = d }

// SetTaken shortens the wait for the reply to the final dot.
func (s *Sender) SetTaken(d time.Duration) { s.wait.taken = d }

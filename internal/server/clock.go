package server

import (
	"context"
	"errors"
	"time"
)

// Rewind has what is kept of times that are yet to come count from now, so that no
// window, lock or pause lasts longer than its own length after the clock was set back.
// It may run at any time.
func (s *Server) Rewind(ctx context.Context) error {
	var err error
	for _, rewind := range s.rewinds {
		err = errors.Join(err, rewind(ctx))
	}
	return err
}

// watchClock rewinds at the start, since nobody watched before it, and within a second
// of the clock being set back.
func (s *Server) watchClock(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for w := (clockWatch{}); ; {
		if w.wentBack(s.platform.db.Now()) {
			if err := s.Rewind(ctx); err != nil && ctx.Err() == nil {
				w = clockWatch{} // again at the next look
				s.log.ErrorContext(ctx, "what a clock that was set back left can't be rewound", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// clockWatch remembers the last look at the clock.
type clockWatch struct{ last time.Time }

// wentBack reports whether the clock shows less than at the last look, or was never
// looked at.
func (w *clockWatch) wentBack(now time.Time) bool {
	back := w.last.IsZero() || now.Before(w.last)
	w.last = now
	return back
}

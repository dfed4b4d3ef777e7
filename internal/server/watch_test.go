package server

import (
	"testing"
	"time"
)

// TestClockWatch tells the first look, and each that finds the clock set back.
func TestClockWatch(t *testing.T) {
	t.Parallel()
	now, w := time.Unix(1_776_000_000, 0), clockWatch{}
	for i, look := range []struct {
		moved time.Duration
		back  bool
	}{{0, true}, {time.Second, false}, {0, false}, {-time.Hour, true}, {time.Second, false}, {-time.Microsecond, true}} {
		now = now.Add(look.moved)
		if w.wentBack(now) != look.back {
			t.Errorf("look %d: %v", i, !look.back)
		}
	}
}

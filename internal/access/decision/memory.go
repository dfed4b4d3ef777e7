package decision

import (
	"cmp"
	"errors"
	"sync/atomic"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// defaultMemory is Service.Memory where none is given.
const defaultMemory = 1 << 30

// world gives the world of an Environment, empty where it is not held.
func (s *Service) world(in scope.Environment) *world {
	return s.worlds.GetOr(in.ID, func() *world {
		return &world{in: in, flights: flights{turn: make(chan struct{}, 1)}}
	})
}

// keep holds a snapshot from now on.
func (s *Service) keep(w *world, h *held) {
	w.held.Store(h)
	left := s.worlds.Weigh(w.in.ID, w, sizeOf(h.Snapshot), cmp.Or(s.Memory, defaultMemory))
	s.counts.evictions.Add(uint64(left)) //nolint:gosec // a count
}

// forget lets go of an Environment that is gone.
func (s *Service) forget(w *world, err error) {
	if gone(err) {
		s.worlds.Drop(w.in.ID, w)
	}
}

// gone reports whether err says that there is no such Environment.
func gone(err error) bool {
	return errors.Is(err, database.ErrNoRows) || errors.Is(err, environment.ErrNotFound)
}

// sizeOf is about how many bytes a snapshot takes (package decide, "What it costs").
func sizeOf(s *decide.Snapshot) int {
	n := s.Counts()
	return 4096 + 57*n.Nodes + 74*n.Members + 57*n.Assignments + 512*n.Roles + 128*n.Permissions
}

// seen notes that the snapshot was current at an instant.
func (h *held) seen(at time.Time) {
	for known := h.current.Load(); known < at.UnixNano(); known = h.current.Load() {
		if h.current.CompareAndSwap(known, at.UnixNano()) {
			return
		}
	}
}

// seenSince reports whether the snapshot was known to be current at a moment or later.
func (h *held) seenSince(at time.Time) bool { return h.current.Load() >= at.UnixNano() }

// counts are what a Service has done so far.
type counts struct {
	waits, changes, loads, rebuilds, failures, evictions atomic.Uint64
	loading                                              atomic.Int64 // nanoseconds
}

// loaded notes the end of reading an Environment, again because what was held did not do.
func (c *counts) loaded(again bool, took time.Duration, err error) {
	c.loading.Add(int64(took))
	if err != nil {
		c.failures.Add(1)
		return
	}
	c.loads.Add(1)
	if again {
		c.rebuilds.Add(1)
	}
}

// Stats are what a Service holds, and what it has done so far.
type Stats struct {
	Environments, Bytes int
	// Oldest is for how long the least recently proven Environment has not been known to be
	// current.
	Oldest    time.Duration
	Loads     uint64 // of whole Environments, Rebuilds among them
	Loading   time.Duration
	Failures  uint64 // of loads
	Rebuilds  uint64 // where the changes did not lead on from what was held
	Changes   uint64 // that were followed
	Evictions uint64 // for want of memory
	Waits     uint64 // questions that waited for a proof or a load
}

// Stats tells what is held.
func (s *Service) Stats() Stats {
	version, now := s.version(), s.DB.Now()
	c := &s.counts
	t := Stats{
		Loads: c.loads.Load(), Loading: time.Duration(c.loading.Load()), Failures: c.failures.Load(),
		Rebuilds: c.rebuilds.Load(), Changes: c.changes.Load(), Evictions: c.evictions.Load(), Waits: c.waits.Load(),
	}
	t.Environments, t.Bytes = s.worlds.Held()
	for _, w := range s.worlds.All() {
		h := w.held.Load()
		if h == nil || s.watch != nil && h.asOf == version {
			continue
		}
		t.Oldest = max(t.Oldest, now.Sub(time.Unix(0, h.current.Load())))
	}
	return t
}

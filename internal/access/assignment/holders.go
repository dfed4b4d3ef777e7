package assignment

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/access/assignment/ledger"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

var _ hierarchy.Holders = (*Service)(nil)

// Ready implements hierarchy.Holders.
func (s *Service) Ready(ctx context.Context, in scope.Environment) error {
	err := s.ready(ctx, in)
	if errors.Is(err, environment.ErrNotFound) {
		return nil // who reads will say so
	}
	return err
}

// Held implements hierarchy.Holders.
func (s *Service) Held(
	ctx context.Context, tx *database.Tx, in scope.Environment, at revision.At,
) (hierarchy.Holding, error) {
	h, err := s.since(ctx, tx, in, at)
	switch {
	case errors.Is(err, errAgain):
		return nil, hierarchy.ErrAgain
	case err != nil:
		return nil, err
	}
	return holding{h.Index, tx.Now}, nil
}

// holding counts holders by a ledger, as of a moment.
type holding struct {
	x   *ledger.Index
	now time.Time
}

// Turned implements hierarchy.Holding.
func (h holding) Turned() int64 { return h.x.Turned(h.now.UnixMicro()) }

// Below implements hierarchy.Holding.
func (h holding) Below(above, nodes []hierarchy.ID) (direct []int, inherited int) {
	sets := h.x.Holders(append(anyIDs(above), anyIDs(nodes)...), h.now.UnixMicro())
	var all ledger.People
	for _, some := range sets[:len(above)] {
		all = all.With(some)
	}
	direct = make([]int, len(nodes))
	for i, some := range sets[len(above):] {
		direct[i] = some.Len()
	}
	return direct, all.Len()
}

// Along implements hierarchy.Holding.
func (h holding) Along(lineage []hierarchy.ID) (direct, inherited []int) {
	direct, inherited = make([]int, len(lineage)), make([]int, len(lineage))
	var above ledger.People
	for i, some := range h.x.Holders(anyIDs(lineage), h.now.UnixMicro()) {
		direct[i], inherited[i] = some.Len(), above.Len()
		above = above.With(some)
	}
	return direct, inherited
}

// Walk implements hierarchy.Holding.
func (h holding) Walk() hierarchy.HolderWalk { return walk{h.x.Walk(h.now.UnixMicro())} }

type walk struct{ *ledger.Walk }

// Enter implements hierarchy.HolderWalk.
func (w walk) Enter(of hierarchy.ID) (direct, inherited int) { return w.Walk.Enter(id.ID(of)) }

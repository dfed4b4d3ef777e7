package assignment

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/access/assignment/ledger"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// EndingSoon is how long before its end an active assignment counts as one that ends soon.
const EndingSoon = 7 * 24 * time.Hour

// Summary counts assignments.
type Summary struct {
	Active, Scheduled, Expired int
	EndingSoon                 int // of the active ones
	Roles                      int // distinct ones, over all
}

// Summary counts the Environment's assignments as of now.
func (s *Service) Summary(ctx context.Context, in scope.Environment) (Summary, error) {
	return reading(ctx, s, in, func(tx *database.Tx, x *ledger.Index) (Summary, error) {
		return summary(x, nil, tx.Now), nil
	})
}

func summary(x *ledger.Index, nodes []id.ID, now time.Time) Summary {
	return Summary(x.Count(nodes, now.UnixMicro(), now.Add(EndingSoon).UnixMicro()))
}

// NodeSummary counts what reaches a node.
type NodeSummary struct {
	Summary // over the node and all above it

	Direct, Inherited int             // identities, as trees count them
	Recent            []enduser.Named // those with the newest assignments, each once, at most recent
}

// recent is how many identities a NodeSummary names.
const recent = 5

// SummaryAt counts the assignments that reach a node, and whom they are of, as of now. Fault:
// nodes.node_not_found.
func (s *Service) SummaryAt(ctx context.Context, in scope.Environment, at hierarchy.ID) (NodeSummary, error) {
	return reading(ctx, s, in, func(tx *database.Tx, x *ledger.Index) (n NodeSummary, err error) {
		lineage, err := hierarchy.Lineage(ctx, tx, in, at)
		if err != nil {
			return n, err
		}
		nodes := anyIDs(lineage)
		n.Summary = summary(x, nodes, tx.Now)
		last := len(lineage) - 1
		direct, inherited := holding{x, tx.Now}.Below(lineage[:last], lineage[last:])
		n.Direct, n.Inherited = direct[0], inherited
		n.Recent, err = enduser.NamedOf(ctx, tx, in.Application.Account.ID, identities(x.Newest(nodes, recent)))
		return n, err
	})
}

func anyIDs(of []hierarchy.ID) []id.ID {
	ids := make([]id.ID, len(of))
	for i := range of {
		ids[i] = of[i].Any()
	}
	return ids
}

package dump

import (
	"context"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Reverted counts what making a hierarchy flat has done.
type Reverted struct {
	Moved         int  `json:"assignments_moved"            doc:"Pairs of identity and role that had an assignment below the root, and have one there now." example:"34"`
	Deduplicated  int  `json:"assignments_deduplicated"     doc:"Assignments that were merged into another one." example:"5"`
	Expired       int  `json:"assignments_expired_dropped"  doc:"Assignments that were past their end, and are gone." example:"3"`
	Inactive      int  `json:"assignments_inactive_dropped" doc:"Assignments in a branch that was switched off, which are gone." example:"0"`
	NodesDeleted  int  `json:"nodes_deleted"                doc:"Nodes that are gone: all but the root." example:"12"`
	SchemaCleared bool `json:"schema_cleared"               doc:"Always true."`
}

// Revert makes a hierarchy flat: the root alone stays, and what was assigned below it is
// assigned there, so that who held a role somewhere holds it everywhere. The product's own
// nodes, and what lies below and is assigned there, are left alone. Fault:
// environments.already_flat. Events: environment.reverted_to_flat, hierarchy_schema.updated.
func (s *Service) Revert(ctx context.Context, by principal.Actor, in scope.Environment) (Reverted, error) {
	leave, err := s.Enter(ctx)
	if err != nil {
		return Reverted{}, err
	}
	defer leave()
	ctx = database.Long(ctx)
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, e environment.Environment) (r Reverted, err error) {
		if e.Model == environment.Flat {
			return r, ErrAlreadyFlat
		}
		if r, err = s.revert(ctx, tx, by, in); err != nil {
			return r, err
		}
		e.Model, e.Schema = environment.Flat, nil
		if e, err = environment.Save(ctx, tx, e); err != nil {
			return r, err
		}
		e.Follow(tx, in)
		about := entry(by, in, e)
		if err := event.Record(ctx, tx, RevertedToFlat, about, r); err != nil {
			return r, err
		}
		return r, event.Record(ctx, tx, hierarchy.SchemaUpdated, about, schemaPayload(nil))
	})
}

// revertPlan is how one tree becomes its root alone, and that root.
func revertPlan(ctx context.Context, tx *database.Tx, in scope.Environment) (
	t *treePlan, root hierarchy.Node, ground func(hierarchy.ID) assignment.Ground, err error,
) {
	t = &treePlan{src: &tree{hash: newHashes()}}
	t.tgt = &tree{hash: t.src.hash}
	err = hierarchy.EachNode(ctx, tx, in, func(n hierarchy.Node) error {
		t.tgt.add(n)
		if n.IsRoot() {
			root = n
		}
		return nil
	})
	if err != nil {
		return nil, root, nil, err
	}
	root.Type = hierarchy.RootType
	t.src.add(root)
	t.src.link()
	t.tgt.link()
	order := t.tgt.fromTop()
	t.tgt.separate(order)
	t.order = t.src.fromTop()
	t.pair()
	t.judge()
	return t, root, t.tgt.ground(order), nil
}

// revert moves the assignments and removes the tree. It is read in brief: as one that goes
// to become one that is its root.
func (s *Service) revert(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment,
) (r Reverted, err error) {
	t, root, ground, err := revertPlan(ctx, tx, in)
	if err != nil {
		return r, err
	}
	moved, err := assignment.Flatten(ctx, tx, in, root.ID, ground)
	if err != nil {
		return r, err
	}
	if s.Invites != nil {
		if err := s.Invites.Flatten(ctx, tx, by, in, root.ID, ground); err != nil {
			return r, err
		}
	}
	gone := t.removed()
	p := &plan{tx: tx, in: in, tree: t}
	if err := s.dropNodes(ctx, p, by, gone); err != nil {
		return r, err
	}
	t.ids = []hierarchy.ID{root.ID}
	bulk := hierarchy.NewBulk(tx, in)
	if err := t.put(ctx, bulk, root); err != nil {
		return r, err
	}
	if err := bulk.Flush(ctx); err != nil {
		return r, err
	}
	revision.AppendTree(tx, in, revision.Change{Kind: revision.Reload})
	return Reverted{
		moved.Moved, moved.Deduplicated, moved.Expired, moved.Inactive, len(gone), true,
	}, hierarchy.Recount(ctx, tx, in, t.tally())
}

// ground says how each node stands. The tree is linked; order is that from its top.
func (t *tree) ground(order []int32) func(hierarchy.ID) assignment.Ground {
	dead := make([]bool, len(t.all))
	for _, i := range order {
		n := &t.all[i]
		dead[i] = n.inactive || n.parent >= 0 && dead[n.parent]
	}
	return func(of hierarchy.ID) assignment.Ground {
		switch at := t.find(of); {
		case at == lost:
			return assignment.Dead
		case t.all[at].apart:
			return assignment.Apart
		case dead[at]:
			return assignment.Dead
		}
		return assignment.Live
	}
}

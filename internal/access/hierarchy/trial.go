package hierarchy

import (
	"context"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Trial judges calls as the use cases do, one after the other, and makes no change: each is
// judged as if those before it had been made. It is for one kind of call, and belongs to one
// transaction, which may be one that only reads.
type Trial struct {
	tx   *database.Tx
	in   scope.Environment
	e    environment.Environment
	tree Shape

	moved map[id.ID]bool
	slugs map[string]bool // of those that were moved
	gone  map[ID]bool
	above []Node // the lineage of where nodes are moved to
}

// Shape tells of the tree that the transaction sees.
type Shape interface {
	// Height is how many levels a node has with what lies below it, some nodes left out with
	// everything below them.
	Height(top id.ID, without map[id.ID]bool) int
}

// NewTrial begins a trial. Fault: environments.not_found.
func NewTrial(ctx context.Context, tx *database.Tx, in scope.Environment, tree Shape) (*Trial, error) {
	e, err := environment.Find(ctx, tx, in)
	return &Trial{
		tx: tx, in: in, e: e, tree: tree,
		moved: map[id.ID]bool{}, slugs: map[string]bool{}, gone: map[ID]bool{},
	}, err
}

// Target finds where nodes are to be moved to; nodes.node_not_found.
func (t *Trial) Target(ctx context.Context, of string) (to Node, err error) {
	if to, err = named(ctx, t.tx, t.in, of); err == nil {
		t.above, err = lineageOf(ctx, t.tx, t.in, to.ID)
	}
	return to, err
}

// Named finds a node; nodes.node_not_found, also where it was deleted.
func (t *Trial) Named(ctx context.Context, of string) (Node, error) {
	n, err := named(ctx, t.tx, t.in, of)
	if err != nil || len(t.gone) == 0 {
		return n, err
	}
	above, err := lineageOf(ctx, t.tx, t.in, n.ID)
	for _, a := range above {
		if t.gone[a.ID] {
			return n, ErrNotFound
		}
	}
	return n, err
}

// Move judges Service.Move to what Target has found, which is the same for all: what has been
// moved is no ancestor of it. Changes is nil where the node lies there already. Faults as of
// Move.
func (t *Trial) Move(ctx context.Context, n, to Node) (decide.Change, error) {
	if n.Parent == to.ID || t.moved[n.ID.Any()] {
		return nil, n.mayChange(false, nil)
	}
	if err := n.mayChange(true, nil); err != nil {
		return nil, err
	}
	if err := n.mayLie(t.e, t.above, to); err != nil {
		return nil, err
	}
	if len(t.above)+t.tree.Height(n.ID.Any(), t.moved) > t.e.Schema.MaxDepth {
		return nil, ErrMaxDepth
	}
	taken, err := slugTaken(ctx, t.tx, t.in, to.ID, n.Slug, n.ID)
	if err != nil {
		return nil, err
	}
	if taken || t.slugs[n.Slug] {
		return nil, ErrSlugTaken
	}
	t.moved[n.ID.Any()], t.slugs[n.Slug] = true, true
	n.Parent = to.ID
	return decide.PutNode{Node: n.Decided()}, nil
}

// Switch judges Service.Update with a status: nodes.root_protected, nodes.reserved_type. It is
// nil where the node has the status.
func (t *Trial) Switch(n Node, to Status) (decide.Change, error) {
	if err := n.mayChange(false, &to); err != nil || n.Status == to {
		return nil, err
	}
	n.Status = to
	return decide.PutNode{Node: n.Decided()}, nil
}

// Delete judges Service.Delete: nodes.root_protected, nodes.reserved_type.
func (t *Trial) Delete(n Node) (decide.Change, error) {
	if err := n.mayGo(); err != nil {
		return nil, err
	}
	t.gone[n.ID] = true
	return decide.DropNode{ID: n.ID.Any()}, nil
}

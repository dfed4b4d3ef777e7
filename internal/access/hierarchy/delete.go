package hierarchy

import (
	"context"
	"slices"
	"strconv"

	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Dependent is what another room keeps at nodes, and what goes with them.
type Dependent interface {
	// NodesGo removes what hangs on nodes that are about to be deleted, and tells how many
	// assignments that were. The deletion is its cause: it records no event for what a
	// cascade takes along, save for links in somebody's hands that die with it, and appends
	// nothing that the going of a node says already.
	NodesGo(ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, g Going) (int, error)
	// Hanging is about how much hangs on one node: a write takes its time where it is much.
	Hanging(ctx context.Context, tx *database.Tx, in scope.Environment, at ID) (int, error)
}

// Going are nodes that are about to be deleted: a node, and all that lies below it.
type Going struct {
	Top ID
	Few []ID // all of them, where they are few; else they are those of Subtree
}

// Delete deletes a node with everything below it. Faults: nodes.node_not_found,
// version_conflict, nodes.root_protected, nodes.reserved_type. Event: node.deleted.
func (s *Service) Delete(
	ctx context.Context, by principal.Actor, in scope.Environment, of ID, ifVersion int, view func(Node) any,
) error {
	ctx, err := s.patient(ctx, in, of, true)
	if err != nil {
		return err
	}
	_, err = environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (struct{}, error) {
		var none struct{}
		n, err := Find(ctx, tx, in, of)
		if err != nil {
			return none, err
		}
		if ifVersion != 0 && ifVersion != n.Version {
			return none, fault.VersionConflict.WithData(view(n))
		}
		if err := n.mayGo(); err != nil {
			return none, err
		}
		told, err := s.deleteSubtree(ctx, tx, by, in, n)
		if err != nil {
			return none, err
		}
		revision.AppendTree(tx, in, edits.DropNode(of.Any()))
		return none, event.Record(ctx, tx, Deleted, entry(by, in, of.Any(), n.Name), told)
	})
	return err
}

// mayGo holds the rules of a node that is to be deleted: nodes.root_protected,
// nodes.reserved_type.
func (n Node) mayGo() error {
	switch {
	case n.IsRoot():
		return ErrRootProtected
	case IsReserved(n.Type):
		return ErrReservedType
	}
	return nil
}

func (s *Service) deleteSubtree(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, n Node,
) (told DeletedPayload, err error) {
	above, err := lineageOf(ctx, tx, in, n.ID)
	if err != nil {
		return told, err
	}
	going, err := below(ctx, tx, in, n)
	if err != nil {
		return told, err
	}
	gone, numbers := 0, counts{}
	for _, g := range going {
		gone += g.n
		numbers[[2]string{"type", g.nodeType}] -= g.n
		numbers[[2]string{"status", string(g.status)}] -= g.n
		numbers[[2]string{"depth", strconv.Itoa(len(above) + g.depth)}] -= g.n
	}
	removed, err := s.deleteAll(ctx, tx, by, in, n, gone)
	if err != nil {
		return told, err
	}
	if _, err := tx.Exec(ctx, addChildren, -1, in.ID, n.Parent); err != nil {
		return told, err
	}
	return DeletedPayload{n.Name, gone - 1, removed}, count(ctx, tx, in.ID, numbers)
}

const (
	// fewNodes are deleted by their ids: PostgreSQL would look at the whole tree for them.
	fewNodes = 1000
	// idsAtOnce is how many one statement takes.
	idsAtOnce = 64
)

// deleteAll deletes a node and all below it, gone in all, with what hangs on them, and tells
// how many assignments that were.
func (s *Service) deleteAll(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, n Node, gone int,
) (removed int, err error) {
	g := Going{Top: n.ID}
	switch {
	case gone == 1:
		g.Few = []ID{n.ID}
	case gone <= fewNodes:
		g.Few, err = database.All(ctx, tx, func(row database.Scanner) (of ID, err error) {
			return of, row.Scan(&of)
		}, selectSubtreeIDs, in.ID, n.ID)
		if err != nil {
			return 0, err
		}
	}
	for _, d := range s.Dependents {
		assignments, err := d.NodesGo(ctx, tx, by, in, g)
		if err != nil {
			return removed, err
		}
		removed += assignments
	}
	if g.Few == nil {
		_, err := tx.Exec(ctx, deleteSubtree, in.ID, n.ID, tx.Now)
		return removed, err
	}
	for piece := range slices.Chunk(g.Few, idsAtOnce) {
		q := list{args: []any{in.ID, tx.Now}}
		marks := q.ids(piece)
		if _, err := tx.Exec(ctx, deleteSome+`(`+marks+`)`, q.args...); err != nil {
			return removed, err
		}
	}
	return removed, nil
}

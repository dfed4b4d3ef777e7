package hierarchy

import (
	"context"
	"slices"
	"strconv"

	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
	"canopy.dev/canopy/internal/tenant/revision"
)

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
		switch {
		case err != nil:
			return none, err
		case ifVersion != 0 && ifVersion != n.Version:
			return none, fault.VersionConflict.WithData(view(n))
		case n.IsRoot():
			return none, ErrRootProtected
		case IsReserved(n.Type):
			return none, ErrReservedType
		}
		gone, err := s.deleteSubtree(ctx, tx, in, n)
		if err != nil {
			return none, err
		}
		revision.AppendTree(tx, in, edits.DropNode(of.Any()))
		return none, event.Record(ctx, tx, Deleted, entry(by, in, of.Any(), n.Name), DeletedPayload{n.Name, gone - 1, 0})
	})
	return err
}

func (s *Service) deleteSubtree(
	ctx context.Context, tx *database.Tx, in scope.Environment, n Node,
) (gone int, err error) {
	above, err := lineageOf(ctx, tx, in, n.ID)
	if err != nil {
		return 0, err
	}
	going, err := below(ctx, tx, in, n)
	if err != nil {
		return 0, err
	}
	by := counts{}
	for _, g := range going {
		gone += g.n
		by[[2]string{"type", g.nodeType}] -= g.n
		by[[2]string{"status", string(g.status)}] -= g.n
		by[[2]string{"depth", strconv.Itoa(len(above) + g.depth)}] -= g.n
	}
	if err := deleteAll(ctx, tx, in, n, gone); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, addChildren, -1, in.ID, n.Parent); err != nil {
		return 0, err
	}
	return gone, count(ctx, tx, in.ID, by)
}

const (
	// fewNodes are deleted by their ids: PostgreSQL would look at the whole tree for them.
	fewNodes = 1000
	// idsAtOnce is how many one statement takes.
	idsAtOnce = 64
)

// deleteAll deletes a node and all below it, gone in all.
func deleteAll(ctx context.Context, tx *database.Tx, in scope.Environment, n Node, gone int) error {
	if gone > fewNodes {
		_, err := tx.Exec(ctx, deleteSubtree, in.ID, n.ID, tx.Now)
		return err
	}
	ids := []ID{n.ID}
	if gone > 1 {
		var err error
		ids, err = database.All(ctx, tx, func(row database.Scanner) (of ID, err error) {
			return of, row.Scan(&of)
		}, selectSubtreeIDs, in.ID, n.ID)
		if err != nil {
			return err
		}
	}
	for piece := range slices.Chunk(ids, idsAtOnce) {
		q := list{args: []any{in.ID, tx.Now}}
		marks := q.ids(piece)
		if _, err := tx.Exec(ctx, deleteSome+`(`+marks+`)`, q.args...); err != nil {
			return err
		}
	}
	return nil
}

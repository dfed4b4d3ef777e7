package hierarchy

import (
	"context"
	"slices"
	"strconv"

	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// What is here replaces whole trees, for who moves Environments: it records no event,
// appends to no revision and knows no schema. Who calls it holds the Environment's lock,
// and leaves a tree whose numbers are right.

// EachNode tells of every node of a tree with all that it has, in no order.
func EachNode(ctx context.Context, tx *database.Tx, in scope.Environment, each func(Node) error) error {
	return tx.Query(ctx, func(row database.Scanner) error {
		n, err := scanWhole(row)
		if err != nil {
			return err
		}
		return each(n)
	}, selectWhole, in.ID)
}

// Apart are the nodes of the product's own types, and all that lie below them.
func Apart(ctx context.Context, tx *database.Tx, in scope.Environment) (map[ID]bool, error) {
	apart := map[ID]bool{}
	types, err := tally(ctx, tx, in.ID, "type")
	if err != nil || !slices.ContainsFunc(sortedNames(types), IsReserved) {
		return apart, err
	}
	return apart, tx.Query(ctx, func(row database.Scanner) error {
		var of ID
		err := row.Scan(&of)
		apart[of] = true
		return err
	}, selectApart, in.ID)
}

// Some are those of the ids that there are, with all that they have.
func Some(ctx context.Context, tx *database.Tx, in scope.Environment, ids []ID) ([]Node, error) {
	var all []Node
	for piece := range slices.Chunk(ids, idsAtOnce) {
		q := list{args: []any{in.ID}}
		some, err := database.All(ctx, tx, scanWhole, selectSome+`(`+q.ids(piece)+`)`, q.args...)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// Paths are the slug paths of nodes, the root's own slug first.
func Paths(ctx context.Context, tx *database.Tx, in scope.Environment, ids []ID) (map[ID]string, error) {
	paths := make(map[ID]string, len(ids))
	for piece := range slices.Chunk(ids, idsAtOnce) {
		err := above(ctx, tx, in, piece, func(from ID, n Node) {
			if before, is := paths[from]; is {
				paths[from] = before + "/" + n.Slug
				return
			}
			paths[from] = n.Slug
		})
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// DeleteNodes deletes nodes, and nothing below them.
func DeleteNodes(ctx context.Context, tx *database.Tx, in scope.Environment, ids []ID) error {
	return inPieces(ctx, tx, deleteSome, []any{in.ID, tx.Now}, ids)
}

// FreeSlugs takes from nodes the slugs that others are to get; each is to be updated.
func FreeSlugs(ctx context.Context, tx *database.Tx, in scope.Environment, ids []ID) error {
	return inPieces(ctx, tx, freeSlugs, []any{in.ID}, ids)
}

// inPieces runs a statement that ends with a list of ids, for a piece of them at a time.
func inPieces(ctx context.Context, tx *database.Tx, statement string, shared []any, ids []ID) error {
	for piece := range slices.Chunk(ids, idsAtOnce) {
		q := list{args: slices.Clone(shared)}
		if _, err := tx.Exec(ctx, statement+`(`+q.ids(piece)+`)`, q.args...); err != nil {
			return err
		}
	}
	return nil
}

// Bulk writes many nodes, some with each statement. It belongs to one transaction, and what
// it was given last is written by Flush.
type Bulk struct {
	tx *database.Tx
	in scope.Environment

	made, changed, counted []Node
}

// NewBulk makes a Bulk.
func NewBulk(tx *database.Tx, in scope.Environment) *Bulk { return &Bulk{tx: tx, in: in} }

// Insert writes a new node, in version 1 and with its number of children.
func (b *Bulk) Insert(ctx context.Context, n Node) error {
	if b.made = append(b.made, n); len(b.made) < database.Piece {
		return nil
	}
	return b.insert(ctx)
}

// Update replaces a node, but for its number of children; its version rises by 1.
func (b *Bulk) Update(ctx context.Context, n Node) error {
	if b.changed = append(b.changed, n); len(b.changed) < database.Piece {
		return nil
	}
	return b.update(ctx)
}

// Count replaces what nobody sees as a change of a node: its number of children, and its
// ref.
func (b *Bulk) Count(ctx context.Context, n Node) error {
	if b.counted = append(b.counted, n); len(b.counted) < database.Piece {
		return nil
	}
	return b.count(ctx)
}

// Flush writes what is left.
func (b *Bulk) Flush(ctx context.Context) error {
	for _, write := range []func(context.Context) error{b.update, b.insert, b.count} {
		if err := write(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bulk) insert(ctx context.Context) error {
	var args []any
	for _, n := range b.made {
		args = append(args, n.ID, n.Parent, n.Type, n.Name, text.Fold(n.Name), n.Slug, n.Description, string(n.Status),
			string(n.Metadata), n.Children, n.Ref)
	}
	of := statement{begin: insertNodes, row: insertedNode}
	return b.write(ctx, &b.made, of, []any{b.in.ID, b.tx.Now}, args)
}

func (b *Bulk) update(ctx context.Context) error {
	var args []any
	for _, n := range b.changed {
		args = append(args, n.ID, n.Parent, n.Type, n.Name, text.Fold(n.Name), n.Slug, n.Description, string(n.Status),
			string(n.Metadata))
	}
	of := statement{updateNodes, updatedNode, updatedNodes}
	return b.write(ctx, &b.changed, of, []any{b.in.ID, b.tx.Now}, args)
}

func (b *Bulk) count(ctx context.Context) error {
	var args []any
	for _, n := range b.counted {
		args = append(args, n.ID, n.Children, n.Ref)
	}
	return b.write(ctx, &b.counted, statement{countNodes, countedNode, updatedNodes}, []any{b.in.ID}, args)
}

// write writes rows and forgets them; their arguments follow those that they share.
func (b *Bulk) write(ctx context.Context, nodes *[]Node, of statement, shared, args []any) error {
	n := len(*nodes)
	if n == 0 {
		return nil
	}
	*nodes = (*nodes)[:0]
	_, err := b.tx.Exec(ctx, of.begin+database.Rows(of.row, len(shared), n)+of.end, append(shared, args...)...)
	return err
}

// statement writes rows: what comes before them, each of them, and what comes after.
type statement struct{ begin, row, end string }

// Gone says that decisions see a node no more, nor what was below it.
func Gone(of ID) revision.Change { return edits.DropNode(of.Any()) }

// Resample has the store look anew at how many nodes there are, after many were written.
func Resample(ctx context.Context, db *database.DB) error { return db.Resample(ctx, "node") }

// Tally counts the nodes of a tree by what is kept of it.
type Tally struct{ by counts }

// Add counts a node; the root is at depth 1.
func (t *Tally) Add(nodeType string, status Status, depth int) {
	if t.by == nil {
		t.by = counts{}
	}
	t.by[[2]string{"type", nodeType}]++
	t.by[[2]string{"status", string(status)}]++
	t.by[[2]string{"depth", strconv.Itoa(depth)}]++
}

// Recount replaces the numbers of a tree.
func Recount(ctx context.Context, tx *database.Tx, in scope.Environment, t Tally) error {
	if _, err := tx.Exec(ctx, sweepTally, in.ID); err != nil {
		return err
	}
	return count(ctx, tx, in.ID, t.by)
}

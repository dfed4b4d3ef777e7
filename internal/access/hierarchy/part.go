package hierarchy

import (
	"context"
	"strconv"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Part is what this room keeps of every Environment: its tree.
type Part struct{}

// Found implements environment.Part: the root, named like the Application.
func (Part) Found(ctx context.Context, tx *database.Tx, n environment.New) error {
	root := Node{
		ID: id.New[ID](tx.Now), Type: RootType, Name: n.ApplicationName, Slug: text.Slug(n.ApplicationName, "root"),
		Metadata: []byte("{}"),
	}
	return insert(ctx, tx, n.At.ID, root, 1)
}

// insert adds a node that is active, and counts it.
func insert(ctx context.Context, tx *database.Tx, in environment.ID, n Node, depth int) error {
	_, err := tx.Exec(ctx, insertNode, n.ID, in, n.Parent, n.Type, n.Name, text.Fold(n.Name), n.Slug, n.Description,
		string(n.Metadata), tx.Now)
	if err != nil {
		return err
	}
	at := strconv.Itoa(depth)
	return count(ctx, tx, in, counts{{"type", n.Type}: 1, {"status", string(Active)}: 1, {"depth", at}: 1})
}

// counts are changes of a tally, by kind and item.
type counts map[[2]string]int

// count changes a tally.
func count(ctx context.Context, tx *database.Tx, in environment.ID, by counts) error {
	for of, n := range by {
		if n == 0 {
			continue
		}
		if _, err := tx.Exec(ctx, addTally, in, of[0], of[1], n); err != nil {
			return err
		}
	}
	return nil
}

// tally reads the numbers of one kind.
func tally(ctx context.Context, tx *database.Tx, in environment.ID, kind string) (map[string]int, error) {
	found := map[string]int{}
	return found, tx.Query(ctx, func(row database.Scanner) error {
		var item string
		var n int
		err := row.Scan(&item, &n)
		found[item] = n
		return err
	}, selectTally, in, kind)
}

func size(ctx context.Context, tx *database.Tx, in environment.ID) (n int, err error) {
	byStatus, err := tally(ctx, tx, in, "status")
	for _, of := range byStatus {
		n += of
	}
	return n, err
}

// Cut implements environment.Part: a tree that is gone lets nobody in; it is only counted.
func (Part) Cut(ctx context.Context, tx *database.Tx, in scope.Environment) (environment.Removed, error) {
	n, err := size(ctx, tx, in.ID)
	return environment.Removed{Nodes: n}, err
}

// Sweep implements environment.Part.
func (Part) Sweep(ctx context.Context, tx *database.Tx, gone environment.ID) (done bool, err error) {
	n, err := tx.Exec(ctx, sweepNodes, gone)
	if err != nil || n > 0 {
		return false, err
	}
	_, err = tx.Exec(ctx, sweepTally, gone)
	return true, err
}

// keptDeleted is how long deleted nodes are kept.
const keptDeleted = 30 * 24 * time.Hour

// Sweep removes nodes that were deleted long ago, in small pieces.
func Sweep(ctx context.Context, db *database.DB) error {
	for {
		n, err := database.Write(ctx, db, func(tx *database.Tx) (int64, error) {
			return tx.Exec(ctx, sweepDeleted, tx.Now.Add(-keptDeleted))
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

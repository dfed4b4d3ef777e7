package assignment

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Ground says how a node stands when everything is to hold at the root.
type Ground int

// The grounds.
const (
	Live  Ground = iota // it and all above it are active
	Dead                // what is assigned there grants nothing
	Apart               // what is assigned there stays as it is
)

// Flattened counts what became of assignments.
type Flattened struct {
	Moved        int // groups that had a row below the root
	Deduplicated int // rows that were merged away
	Expired      int // that were past their end, and are gone
	Inactive     int // that were at a dead node, and are gone
}

// Flatten makes of all assignments of one role to one identity a single one at the root,
// which has the id of the oldest and a window from the earliest beginning to the latest end;
// what grants nothing any more, or lies at a dead node, goes. The transaction holds the
// Environment's lock. It records no event, and appends to no revision: it stands for so much
// that followers read everything again.
func Flatten(
	ctx context.Context, tx *database.Tx, in scope.Environment, root hierarchy.ID, ground func(hierarchy.ID) Ground,
) (Flattened, error) {
	f := &flattening{ctx: ctx, tx: tx, in: in, root: root, ground: ground}
	var last Assignment // the zero ids come before all others
	for {
		some, err := database.All(ctx, tx, scan, selectOnwards, in.ID, last.Identity.String(), last.Role.String(),
			last.Node.String(), atOnce)
		if err != nil {
			return f.n, err
		}
		for _, a := range some {
			if len(f.group) > 0 && (a.Identity != f.group[0].Identity || a.Role != f.group[0].Role) {
				if err := f.merge(); err != nil {
					return f.n, err
				}
			}
			f.add(a)
		}
		if len(some) < atOnce {
			break
		}
		last = some[len(some)-1]
	}
	if err := f.merge(); err != nil {
		return f.n, err
	}
	return f.n, f.drop()
}

// atOnce is how many rows are read, or removed, at a time.
const atOnce = 1000

// flattening is one Flatten under way.
type flattening struct {
	ctx    context.Context //nolint:containedctx // of one use case, which ends with it
	tx     *database.Tx
	in     scope.Environment
	root   hierarchy.ID
	ground func(hierarchy.ID) Ground

	group []Assignment // of one identity and role, as far as they count
	gone  []ID
	n     Flattened
}

// add looks at one row.
func (f *flattening) add(a Assignment) {
	switch ground := f.ground(a.Node); {
	case ground == Apart:
	case a.Window.At(f.tx.Now) == Expired:
		f.n.Expired++
		f.remove(a)
	case ground == Dead:
		f.n.Inactive++
		f.remove(a)
	default:
		f.group = append(f.group, a)
	}
}

func (f *flattening) remove(a Assignment) {
	count(f.tx, f.in, a, -1)
	f.gone = append(f.gone, a.ID)
}

// merge makes one row of the group.
func (f *flattening) merge() error {
	if len(f.group) == 0 {
		return nil
	}
	slices.SortFunc(f.group, func(a, b Assignment) int {
		if byAge := a.CreatedAt.Compare(b.CreatedAt); byAge != 0 {
			return byAge
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	oldest := f.group[0]
	one := oldest
	one.Node = f.root
	below := false
	for _, a := range f.group {
		below = below || a.Node != f.root
		one.Window = Window{min(one.Window.From, a.Window.From), max(one.Window.To, a.Window.To)}
	}
	if below {
		f.n.Moved++
	}
	for _, a := range f.group[1:] {
		f.n.Deduplicated++
		f.remove(a)
	}
	f.group = f.group[:0]
	// One that is merged away may hold the place at the root.
	if err := f.drop(); err != nil || one.Node == oldest.Node && one.Window == oldest.Window {
		return err
	}
	count(f.tx, f.in, oldest, -1)
	count(f.tx, f.in, one, 1)
	_, err := f.tx.Exec(f.ctx, moveAssignment, one.Node, one.Window.From, one.Window.To, f.tx.Now, f.in.ID, one.ID)
	return err
}

// drop removes what is gone.
func (f *flattening) drop() error {
	for piece := range slices.Chunk(f.gone, idsAtOnce) {
		args := []any{f.in.ID}
		for _, of := range piece {
			args = append(args, of)
		}
		marks := `(` + database.Marks(2, len(piece)) + `)`
		if _, err := f.tx.Exec(f.ctx, deleteSome+marks, args...); err != nil {
			return err
		}
	}
	f.gone = f.gone[:0]
	return nil
}

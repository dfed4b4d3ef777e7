package assignment

import (
	"context"
	"slices"
	"time"

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
	w := &flattener{ctx: ctx, tx: tx, in: in}
	n, err := flatten(ctx, tx, in, root, ground, w)
	if err == nil {
		err = w.drop()
	}
	return n, err
}

// Flattening hears what becomes of assignments. One that moves may take the place of one that
// has gone before.
type Flattening interface {
	// Counts says that a row counts now; time alone ends that.
	Counts(a Assignment)
	// Gone says that a row goes.
	Gone(a Assignment)
	// Moved says that a row is another from now on; its id stays.
	Moved(before, after Assignment) error
}

// TryFlatten judges Flatten, and makes no change. The transaction may be one that only reads.
func TryFlatten(
	ctx context.Context, tx *database.Tx, in scope.Environment, root hierarchy.ID, ground func(hierarchy.ID) Ground,
	to Flattening,
) (Flattened, error) {
	return flatten(ctx, tx, in, root, ground, to)
}

func flatten(
	ctx context.Context, tx *database.Tx, in scope.Environment, root hierarchy.ID, ground func(hierarchy.ID) Ground,
	to Flattening,
) (Flattened, error) {
	f := &flattening{now: tx.Now, root: root, ground: ground, to: to}
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
			return f.n, f.merge()
		}
		last = some[len(some)-1]
	}
}

// atOnce is how many rows are read, or removed, at a time.
const atOnce = 1000

// flattening judges one row after the other.
type flattening struct {
	now    time.Time
	root   hierarchy.ID
	ground func(hierarchy.ID) Ground
	to     Flattening

	group []Assignment // of one identity and role, as far as they count
	n     Flattened
}

// add looks at one row.
func (f *flattening) add(a Assignment) {
	switch ground := f.ground(a.Node); {
	case ground == Apart:
	case a.Window.At(f.now) == Expired:
		f.n.Expired++
		f.to.Gone(a)
	case ground == Dead:
		f.n.Inactive++
		f.to.Gone(a)
	default:
		f.to.Counts(a)
		f.group = append(f.group, a)
	}
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
		f.to.Gone(a)
	}
	f.group = f.group[:0]
	if one.Node == oldest.Node && one.Window == oldest.Window {
		return nil
	}
	return f.to.Moved(oldest, one)
}

// flattener writes what becomes of assignments.
type flattener struct {
	ctx context.Context //nolint:containedctx // of one use case, which ends with it
	tx  *database.Tx
	in  scope.Environment

	gone []ID // and not yet removed
}

// Counts implements Flattening.
func (*flattener) Counts(Assignment) {}

// Gone implements Flattening.
func (w *flattener) Gone(a Assignment) {
	count(w.tx, w.in, a, -1)
	w.gone = append(w.gone, a.ID)
}

// Moved implements Flattening. One that is merged away may hold the place at the root.
func (w *flattener) Moved(before, after Assignment) error {
	if err := w.drop(); err != nil {
		return err
	}
	count(w.tx, w.in, before, -1)
	count(w.tx, w.in, after, 1)
	_, err := w.tx.Exec(w.ctx, moveAssignment, after.Node, after.Window.From, after.Window.To, w.tx.Now, w.in.ID,
		after.ID)
	return err
}

// drop removes what is gone.
func (w *flattener) drop() error {
	for piece := range slices.Chunk(w.gone, idsAtOnce) {
		args := []any{w.in.ID}
		for _, of := range piece {
			args = append(args, of)
		}
		marks := `(` + database.Marks(2, len(piece)) + `)`
		if _, err := w.tx.Exec(w.ctx, deleteSome+marks, args...); err != nil {
			return err
		}
	}
	w.gone = w.gone[:0]
	return nil
}

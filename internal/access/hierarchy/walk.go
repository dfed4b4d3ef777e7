package hierarchy

import (
	"context"
	"slices"
	"strconv"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Walker is told of a tree as it is read: depth first, siblings in tree order.
type Walker interface {
	// Begin is told a validator of what the walk is going to show, before anything is read: it
	// changes with the Environment and with the passing of time, as far as the walk shows them,
	// and is nobody else's. stop ends the walk without an error.
	Begin(tag string) (stop bool, err error)
	// Enter is told of a node before those below it; first among the siblings that are
	// told, or not.
	Enter(n Node, seen Seen, first bool) error
	// Leave is told of the node after those below it.
	Leave(n Node) error
}

// Walk says what of a tree is read.
type Walk struct {
	View  View
	From  ID   // zero: the root
	Depth int  // levels, the first included; 0: all
	Live  bool // leaves inactive nodes out, with everything below them
	// Accessible has From be a node whose surroundings the caller may see, else it is a
	// fault; without it a node that can't be seen is an empty tree.
	Accessible bool
	// Ordinary leaves out nodes of the product's own types, with everything below them.
	Ordinary bool
	// Counted tells with each node how many hold something there and above it.
	Counted bool
}

// Walk reads a tree and holds a bounded part of it at a time, whatever its size. Faults,
// where the walk wants an accessible node: nodes.node_not_found, auth.permission_denied.
func (s *Service) Walk(ctx context.Context, in scope.Environment, w Walk, to Walker) error {
	ctx = database.Long(ctx)
	walk := func(tx *database.Tx, at revision.At, held Holding) (told bool, err error) {
		if stop, err := to.Begin(w.tag(in, at, held.Turned())); err != nil || stop {
			return false, err
		}
		above, err := s.start(ctx, tx, in, w)
		if err != nil || len(above) == 0 {
			return false, err
		}
		t := &treeWalk{reading: inTree(), ctx: ctx, tx: tx, in: in, w: w, to: to, holders: held.Walk()}
		for _, n := range above[:len(above)-1] {
			t.way = append(t.way, n.ID)
			t.holders.Enter(n.ID)
		}
		return t.visit(&branch{node: above[len(above)-1]}, true)
	}
	var err error
	if w.Counted {
		_, err = counting(ctx, s, in, walk)
	} else {
		_, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (bool, error) {
			return walk(tx, at, nobody{})
		})
	}
	return err
}

// start is the first node of a walk with everything above it; none for an empty tree.
func (s *Service) start(ctx context.Context, tx *database.Tx, in scope.Environment, w Walk) ([]Node, error) {
	if w.Accessible {
		if _, err := s.accessible(ctx, tx, in, w.View, w.From); err != nil {
			return nil, err
		}
	}
	if !w.From.IsZero() {
		return lineageOf(ctx, tx, in, w.From)
	}
	root, err := found(scan(tx.QueryRow(ctx, selectRoot, in.ID)))
	return []Node{root}, err
}

// branch is a node whose children may have been read.
type branch struct {
	node   Node
	loaded bool
	next   []*branch // children that are yet to be visited
	more   bool      // beyond next there are further ones, after last
	last   Node
}

// treeWalk is one walk under way.
type treeWalk struct {
	reading

	ctx context.Context //nolint:containedctx // of one walk, which ends with it
	tx  *database.Tx
	in  scope.Environment
	w   Walk
	to  Walker

	way  []ID      // from the root to the node that is visited
	open []*branch // the same as branches, below where the walk began

	holders HolderWalk // has entered the nodes of way
}

// visit tells of a node and what lies below it; told says whether the caller sees it.
func (t *treeWalk) visit(b *branch, first bool) (told bool, err error) {
	t.way = append(t.way, b.node.ID)
	defer func() { t.way = t.way[:len(t.way)-1] }()
	seen, visible := t.w.View.Of(t.way)
	if !visible || t.w.Live && b.node.Status != Active || t.w.Ordinary && IsReserved(b.node.Type) {
		return false, nil
	}
	direct, inherited := t.holders.Enter(b.node.ID)
	defer t.holders.Leave()
	if seen.State == Accessible {
		seen.Direct, seen.Inherited = direct, inherited
	}
	if err := t.to.Enter(b.node.shownTo(seen), seen, first); err != nil {
		return true, err
	}
	if b.node.Children > 0 && t.reaches(len(t.open)+2) {
		t.open = append(t.open, b)
		if err := t.descend(b); err != nil {
			return true, err
		}
		t.open = t.open[:len(t.open)-1]
	}
	return true, t.to.Leave(b.node)
}

// reaches reports whether the walk goes as deep as a level, of which the first is 1.
func (t *treeWalk) reaches(level int) bool { return t.w.Depth == 0 || level <= t.w.Depth }

func (t *treeWalk) descend(b *branch) error {
	first := true
	for {
		if !b.loaded || len(b.next) == 0 && b.more {
			if err := t.load(b); err != nil {
				return err
			}
		}
		if len(b.next) == 0 {
			return nil
		}
		child := b.next[0]
		b.next[0] = nil // what was visited is let go of
		b.next = b.next[1:]
		told, err := t.visit(child, first)
		if err != nil {
			return err
		}
		first = first && !told
	}
}

const (
	// atOnce is how many nodes one question asks for, but for a family that is larger.
	atOnce = 1000
	// wholeAtOnce is how many, where free JSON comes along.
	wholeAtOnce = 250
	// parentsAtOnce is how many families one question asks for.
	parentsAtOnce = 100
)

// reading is what is read of each node, and how many nodes at once.
type reading struct {
	columns        string
	scan           func(database.Scanner) (Node, error)
	family, atOnce int
}

// inTree reads what a tree shows, whole all there is.
func inTree() reading { return reading{treeColumns, scanTree, family, atOnce} }
func whole() reading  { return reading{wholeColumns, scanWhole, wholeFamily, wholeAtOnce} }

// load reads the children of a branch, and with the same question those of branches that
// come soon: small families would cost a question each.
func (t *treeWalk) load(b *branch) error {
	if b.loaded || b.node.Children > t.family {
		return t.loadPiece(b)
	}
	batch := []*branch{b}
	nodes := b.node.Children
	b.loaded = true
	for i, open := range slices.Backward(t.open) {
		for _, coming := range open.next {
			t.gather(coming, i+2, &batch, &nodes)
		}
	}
	byID := make(map[ID]*branch, len(batch))
	q := list{args: []any{t.in.ID}}
	for _, one := range batch {
		byID[one.node.ID] = one
		one.loaded = true
	}
	marks := q.ids(idsOfBranches(batch))
	return t.tx.Query(t.ctx, func(row database.Scanner) error {
		n, err := t.scan(row)
		parent := byID[n.Parent]
		if err == nil && parent != nil {
			parent.next = append(parent.next, &branch{node: n})
		}
		return err
	}, `SELECT `+t.columns+fromNode+` AND n.parent_id IN (`+marks+`)`+familyOrder, q.args...)
}

func idsOfBranches(list []*branch) []ID {
	ids := make([]ID, len(list))
	for i, b := range list {
		ids[i] = b.node.ID
	}
	return ids
}

// gather adds the branches at or below one whose children are wanted next, in the order in
// which the walk comes to them. level is the branch's own.
func (t *treeWalk) gather(b *branch, level int, batch *[]*branch, nodes *int) {
	switch {
	case len(*batch) >= parentsAtOnce, b.node.Children == 0, t.w.Live && b.node.Status != Active, !t.reaches(level + 1):
	case b.loaded:
		for _, child := range b.next {
			t.gather(child, level+1, batch, nodes)
		}
	case b.node.Children <= t.family && *nodes+b.node.Children <= t.atOnce:
		*batch = append(*batch, b)
		*nodes += b.node.Children
	}
}

// loadPiece reads the next piece of a large family.
func (t *treeWalk) loadPiece(b *branch) error {
	q := list{args: []any{t.in.ID, b.node.ID}}
	where := fromNode + ` AND n.parent_id = $2`
	if b.loaded {
		where += ` AND (n.name_fold, n.id) > (` + q.one(b.last.nameFold) + `, ` + q.one(b.last.ID) + `)`
	}
	b.loaded, b.more, b.next = true, false, nil
	err := t.tx.Query(t.ctx, func(row database.Scanner) error {
		n, err := t.scan(row)
		b.next = append(b.next, &branch{node: n})
		return err
	}, `SELECT `+t.columns+where+treeOrder+` LIMIT `+strconv.Itoa(t.family), q.args...)
	if len(b.next) == t.family {
		b.more, b.last = true, b.next[t.family-1].node
	}
	return err
}

// tag is the validator of a walk. One of live nodes alone changes with the tree.
func (w Walk) tag(in scope.Environment, at revision.At, turned int64) string {
	stands := strconv.FormatUint(at.Revision, 10) + at.Stamp + strconv.FormatInt(turned, 10)
	if w.Live {
		stands = "tree" + strconv.FormatUint(at.Tree, 10) + at.TreeStamp
	}
	return secret.Hash(in.ID.String() + stands + w.View.tag() + w.From.String() + strconv.Itoa(w.Depth))[:22]
}

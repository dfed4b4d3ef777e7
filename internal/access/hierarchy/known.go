package hierarchy

import (
	"context"
	"errors"
	"sync"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/access/hierarchy/names"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/shelf"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

const (
	// fewNames are looked at by the database: memory would save nothing.
	fewNames = 2000
	// namesMemory is how many bytes of names are held in all, of about 1,200,000 nodes.
	namesMemory = 128 << 20
	// bytesOfName is about what a node takes there.
	bytesOfName = 100
	// mostWanted is how many Environments wait to be loaded.
	mostWanted = 16
)

// known are the names that a process holds, of the Environments that were searched last.
type known struct {
	trees shelf.Shelf[scope.EnvironmentID, tree]

	once sync.Once
	want chan scope.Environment
}

// tree is the names of an Environment. Its lock is held over at and index.
type tree struct {
	mu    sync.RWMutex
	at    revision.At
	index *names.Index // nil: it can't be followed any more
}

// wanted gives the queue of Environments to be loaded.
func (k *known) wanted() chan scope.Environment {
	k.once.Do(func() { k.want = make(chan scope.Environment, mostWanted) })
	return k.want
}

// names gives the names of a tree as they are at a revision, to be let go of afterwards; nil
// where the database is to be asked: for a small tree, for one that is not loaded yet, and
// for a moment that has passed.
func (s *Service) names(
	ctx context.Context, tx *database.Tx, in scope.Environment, at revision.At,
) (x *names.Index, free func(), err error) {
	t := s.known.trees.Get(in.ID)
	if t == nil {
		return nil, nil, s.wish(ctx, tx, in)
	}
	for range 2 {
		t.mu.RLock()
		if t.index != nil && t.at.Revision == at.Revision && t.at.Stamp == at.Stamp {
			return t.index, t.mu.RUnlock, nil
		}
		behind := t.index != nil && t.at.Revision < at.Revision
		passed := t.index != nil && t.at.Revision > at.Revision
		t.mu.RUnlock()
		switch {
		case passed:
			return nil, nil, nil
		case !behind:
			s.known.trees.Drop(in.ID, t)
			return nil, nil, s.wish(ctx, tx, in)
		}
		if err := t.follow(ctx, tx, in, at); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, nil
}

// wish has the names of a tree loaded, if they are worth it. Where too many wait, a later
// search wishes again.
func (s *Service) wish(ctx context.Context, tx *database.Tx, in scope.Environment) error {
	n, err := size(ctx, tx, in.ID)
	if err != nil || n <= fewNames || n*bytesOfName > namesMemory {
		return err
	}
	select {
	case s.known.wanted() <- in:
	default:
	}
	return nil
}

// Follow loads the names of trees that were searched, until ctx ends: one after the other.
func (s *Service) Follow(ctx context.Context, failed func(error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case in := <-s.known.wanted():
			if s.known.trees.Get(in.ID) != nil {
				continue
			}
			if err := s.Load(ctx, in); err != nil && ctx.Err() == nil && !errors.Is(err, environment.ErrNotFound) {
				failed(err)
			}
		}
	}
}

// Load holds the names of a tree from now on, as long as there is room.
func (s *Service) Load(ctx context.Context, in scope.Environment) error {
	ctx = database.Long(ctx)
	t, err := environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (*tree, error) {
		nodes, err := database.All(ctx, tx, scanName, selectNames, in.ID)
		if err != nil {
			return nil, err
		}
		return &tree{at: at, index: names.New(nodes)}, nil
	})
	if err == nil {
		bytes := t.index.Bytes() // before others follow it
		s.known.trees.Put(in.ID, t)
		s.known.trees.Weigh(in.ID, t, bytes, namesMemory)
	}
	return err
}

// follow brings the names up to a revision. Where that can't be done they are let go of.
func (t *tree) follow(ctx context.Context, tx *database.Tx, in scope.Environment, at revision.At) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.index == nil || t.at.Revision >= at.Revision {
		return nil // somebody else did it, or found that it can't be done
	}
	changes, followed, err := nodesSince(ctx, tx, in, t.at)
	if err != nil {
		return err // the database did not answer: the names are still those of before
	}
	if !followed {
		t.index = nil
		return nil
	}
	rows, err := namesOf(ctx, tx, in, changes)
	if err != nil {
		return err
	}
	for _, c := range changes {
		switch c := c.(type) {
		case decide.DropNode:
			t.index.Drop(c.ID)
		case decide.PutNode:
			// The row is as it is now, but the parent as it was then: it may have been moved
			// below a node that comes later. Of a row that has gone since only the place counts.
			n := rows[c.ID]
			n.ID, n.Parent = c.ID, c.Parent
			t.index.Put(n)
		}
	}
	t.at = at
	return nil
}

// nodesSince are the changes of nodes since the tree stood somewhere; followed is false
// where they are not known, or too many.
func nodesSince(
	ctx context.Context, tx *database.Tx, in scope.Environment, from revision.At,
) (changes []decide.Change, followed bool, err error) {
	unclear := false
	followed, err = revision.Since(ctx, tx, in, from, func(kind revision.Kind, subject id.ID, body []byte) error {
		change, err := edits.Of(kind, subject, body)
		unclear = unclear || err != nil
		switch change.(type) {
		case decide.PutNode, decide.DropNode:
			changes = append(changes, change)
		}
		return nil
	})
	return changes, followed && !unclear, err
}

// namesOf reads the nodes that were put, as far as they are there.
func namesOf(
	ctx context.Context, tx *database.Tx, in scope.Environment, changes []decide.Change,
) (map[id.ID]names.Node, error) {
	put := map[ID]bool{}
	for _, c := range changes {
		if c, is := c.(decide.PutNode); is {
			put[ID(c.ID)] = true
		}
	}
	found := make(map[id.ID]names.Node, len(put))
	ids := sortedIDs(put)
	for len(ids) > 0 {
		piece := ids[:min(idsAtOnce, len(ids))]
		ids = ids[len(piece):]
		q := list{args: []any{in.ID}}
		err := tx.Query(ctx, func(row database.Scanner) error {
			n, err := scanName(row)
			found[n.ID] = n
			return err
		}, selectSomeNames+` AND n.id IN (`+q.ids(piece)+`)`, q.args...)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

const (
	nameColumns = `SELECT n.id, n.parent_id, n.name_fold, n.slug, n.node_type, n.status, n.created_at`

	selectNames = nameColumns + fromNode

	selectSomeNames = nameColumns + ` FROM node n WHERE` + ofEnvironment + notDeleted
)

func scanName(row database.Scanner) (n names.Node, err error) {
	var status Status
	err = row.Scan(&n.ID, &n.Parent, &n.Fold, &n.Slug, &n.Type, &status, &n.Created)
	n.Active = status == Active
	return n, err
}

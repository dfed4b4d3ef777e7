package hierarchy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Service holds the use cases of trees, one transaction each. It is safe for concurrent
// use.
type Service struct {
	DB *database.DB
	// Dependents go with nodes that are deleted.
	Dependents []Dependent
	// Holders counts who holds something at nodes; nil: nobody does.
	Holders Holders
	// Most is how many nodes an Environment may have; 0 is 1,000,000.
	Most int

	known known
}

// Find reads a node; nodes.node_not_found.
func Find(ctx context.Context, tx *database.Tx, in scope.Environment, of ID) (Node, error) {
	return found(scan(tx.QueryRow(ctx, selectNode, in.ID, of)))
}

func found(n Node, err error) (Node, error) {
	if errors.Is(err, database.ErrNoRows) {
		err = ErrNotFound
	}
	return n, err
}

// named finds a node that a body names; anything that is not an id names nothing.
func named(ctx context.Context, tx *database.Tx, in scope.Environment, text string) (Node, error) {
	of, err := id.Parse[ID](text)
	if err != nil {
		return Node{}, ErrNotFound
	}
	return Find(ctx, tx, in, of)
}

// lineageOf is the node with everything above it, the root first.
func lineageOf(ctx context.Context, tx *database.Tx, in scope.Environment, of ID) ([]Node, error) {
	return database.All(ctx, tx, scan, selectLineage, in.ID, of)
}

func idsOf(lineage []Node) []ID {
	ids := make([]ID, len(lineage))
	for i, n := range lineage {
		ids[i] = n.ID
	}
	return ids
}

func sortedIDs(set map[ID]bool) []ID {
	ids := make([]ID, 0, len(set))
	for of := range set {
		ids = append(ids, of)
	}
	slices.SortFunc(ids, func(a, b ID) int { return slices.Compare(a[:], b[:]) })
	return ids
}

// Create adds a node. d is normalised. Faults: nodes.node_not_found for the parent,
// hierarchy.schema_not_configured, nodes.reserved_type, nodes.invalid_type,
// nodes.root_exists, nodes.invalid_parent, nodes.max_depth_exceeded, nodes.limit_reached,
// nodes.slug_taken. Event: node.created.
func (s *Service) Create(ctx context.Context, by principal.Actor, in scope.Environment, d Draft) (Node, error) {
	metadata := d.Metadata
	if metadata == nil {
		metadata = []byte("{}")
	}
	metadata, err := text.CompactObject(metadata)
	if err != nil {
		return Node{}, err
	}
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, e environment.Environment) (Node, error) {
		parent, depth, err := s.place(ctx, tx, in, e, d)
		if err != nil {
			return Node{}, err
		}
		n := Node{
			ID: id.New[ID](tx.Now), Parent: parent.ID, Type: d.Type, Name: d.Name, Description: d.Description.Value,
			Status: Active, Metadata: metadata, Version: 1, CreatedAt: tx.Now, UpdatedAt: tx.Now,
		}
		if n.Slug, err = freeSlug(ctx, tx, in, n, d.Slug); err != nil {
			return n, err
		}
		if err := insert(ctx, tx, in.ID, n, depth); err != nil {
			return n, err
		}
		if _, err := tx.Exec(ctx, addChildren, 1, in.ID, parent.ID); err != nil {
			return n, err
		}
		revision.AppendTree(tx, in, n.Put())
		told := CreatedPayload{n.Name, n.Type, &n.Parent}
		return n, event.Record(ctx, tx, Created, entry(by, in, n.ID.Any(), n.Name), told)
	})
}

// place finds the parent of a new node, and the depth that the node is going to be at.
func (s *Service) place(
	ctx context.Context, tx *database.Tx, in scope.Environment, e environment.Environment, d Draft,
) (parent Node, depth int, err error) {
	if d.ParentID != nil {
		if parent, err = named(ctx, tx, in, *d.ParentID); err != nil {
			return parent, 0, err
		}
	}
	switch {
	case e.Model == environment.Flat || e.Schema == nil:
		return parent, 0, ErrSchemaNotConfigured
	case IsReserved(d.Type):
		return parent, 0, ErrReservedType
	case !slices.Contains(e.Schema.NodeTypes, d.Type):
		return parent, 0, ErrInvalidType
	case d.ParentID == nil:
		return parent, 0, ErrRootExists
	case !slices.Contains(e.Schema.AllowedChildren[parent.Type], d.Type):
		return parent, 0, ErrInvalidParent
	}
	above, err := lineageOf(ctx, tx, in, parent.ID)
	if err != nil {
		return parent, 0, err
	}
	if depth = len(above) + 1; depth > e.Schema.MaxDepth {
		return parent, depth, ErrMaxDepth
	}
	n, err := size(ctx, tx, in.ID)
	if err == nil && n >= cmp.Or(s.Most, MaxNodes) {
		err = ErrLimitReached
	}
	return parent, depth, err
}

// freeSlug is the chosen slug, if no sibling has it, or a free one made of the name.
func freeSlug(ctx context.Context, tx *database.Tx, in scope.Environment, n Node, chosen *string) (string, error) {
	taken := func(slug string) (bool, error) { return slugTaken(ctx, tx, in, n.Parent, slug, n.ID) }
	if chosen == nil {
		return text.FreeSlug(text.Slug(n.Name, "node"), taken)
	}
	is, err := taken(*chosen)
	if err == nil && is {
		err = ErrSlugTaken
	}
	return *chosen, err
}

// slugTaken reports whether another child of the parent has the slug.
func slugTaken(
	ctx context.Context, tx *database.Tx, in scope.Environment, parent ID, slug string, but ID,
) (is bool, err error) {
	if parent.IsZero() {
		return false, nil
	}
	var n int
	err = tx.QueryRow(ctx, countSlug, in.ID, parent, slug, but).Scan(&n)
	return n > 0, err
}

// Put says what decisions see of the node.
func (n Node) Put() revision.Change { return edits.PutNode(n.Decided()) }

// Decided is the node as decisions see it.
func (n Node) Decided() decide.Node {
	return decide.Node{ID: n.ID.Any(), Parent: n.Parent.Any(), Active: n.Status == Active}
}

// Update changes a node; ifVersion 0 takes any version. A stale one is
// fault.VersionConflict, with the node as view shows it. A change that changes nothing
// writes nothing. Faults: nodes.node_not_found, nodes.root_protected, nodes.reserved_type,
// nodes.slug_taken, and for another parent those of Move. Event: node.updated, or
// node.moved for another parent.
func (s *Service) Update(
	ctx context.Context, by principal.Actor, in scope.Environment, of ID, c Change, ifVersion int, view func(Node) any,
) (Node, error) {
	ctx, err := s.patient(ctx, in, of, c.ParentID != nil)
	if err != nil {
		return Node{}, err
	}
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, e environment.Environment) (Node, error) {
		before, err := Find(ctx, tx, in, of)
		if err != nil {
			return before, err
		}
		to := Node{ID: before.Parent}
		if c.ParentID != nil {
			if to, err = named(ctx, tx, in, *c.ParentID); err != nil {
				return before, err
			}
		}
		moves := c.ParentID != nil && to.ID != before.Parent
		if ifVersion != 0 && ifVersion != before.Version {
			return before, fault.VersionConflict.WithData(view(before))
		}
		if err := before.mayChange(moves, c.Status); err != nil {
			return before, err
		}
		after, differs, err := before.applied(c)
		if err != nil || !differs && !moves {
			return before, err
		}
		if after.Parent = to.ID; moves {
			if err := relocate(ctx, tx, in, e, before, to); err != nil {
				return before, err
			}
		}
		if after, err = after.replace(ctx, tx, in, before); err != nil {
			return before, err
		}
		after.follow(tx, in, before)
		return after, after.recordChange(ctx, tx, by, in, before)
	})
}

// replace keeps the node as it has become, and counts it under its status. Fault:
// nodes.slug_taken.
func (n Node) replace(ctx context.Context, tx *database.Tx, in scope.Environment, before Node) (Node, error) {
	if n.Parent != before.Parent || n.Slug != before.Slug {
		if _, err := freeSlug(ctx, tx, in, n, &n.Slug); err != nil {
			return n, err
		}
	}
	if n.Status != before.Status {
		err := count(ctx, tx, in.ID, counts{{"status", string(before.Status)}: -1, {"status", string(n.Status)}: 1})
		if err != nil {
			return n, err
		}
	}
	return n.save(ctx, tx, in)
}

// follow appends the change to the revision: as one of the tree where its live nodes or
// their order differ. Names are followed too (Names), so every change of a node is told.
func (n Node) follow(tx *database.Tx, in scope.Environment, before Node) {
	if n.Parent != before.Parent || n.Status != before.Status || n.Name != before.Name {
		revision.AppendTree(tx, in, n.Put())
		return
	}
	revision.Append(tx, in, n.Put())
}

// recordChange records the one event of a change.
func (n Node) recordChange(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, before Node,
) error {
	var status *Status
	if n.Status != before.Status {
		status = &n.Status
	}
	about := entry(by, in, n.ID.Any(), n.Name)
	if n.Parent != before.Parent {
		return event.Record(ctx, tx, Moved, about, MovedPayload{n.Name, &n.Parent, status})
	}
	return event.Record(ctx, tx, Updated, about, UpdatedPayload{n.Name, status})
}

// save keeps the node; its version rises by 1.
func (n Node) save(ctx context.Context, tx *database.Tx, in scope.Environment) (Node, error) {
	n.Version, n.UpdatedAt = n.Version+1, tx.Now
	_, err := tx.Exec(ctx, updateNode, n.Parent, n.Type, n.Name, text.Fold(n.Name), n.Slug, n.Description,
		string(n.Status), string(n.Metadata), n.Version, n.UpdatedAt, in.ID, n.ID)
	return n, err
}

// Move puts a node, with everything below it, below another. The current parent again
// writes nothing. Faults: nodes.node_not_found, version_conflict, nodes.root_protected,
// nodes.reserved_type, nodes.cycle, nodes.invalid_parent, nodes.max_depth_exceeded,
// nodes.slug_taken. Event: node.moved.
func (s *Service) Move(
	ctx context.Context, by principal.Actor, in scope.Environment, of ID, m Move, ifVersion int, view func(Node) any,
) (Node, error) {
	return s.Update(ctx, by, in, of, Change{ParentID: &m.ParentID}, ifVersion, view)
}

// mayChange holds the rules of a node that is to be changed: nodes.root_protected,
// nodes.reserved_type.
func (n Node) mayChange(moves bool, to *Status) error {
	switch {
	case n.IsRoot() && (moves || to != nil && *to == Inactive):
		return ErrRootProtected
	case IsReserved(n.Type):
		return ErrReservedType
	}
	return nil
}

// mayLie holds the rules of a node that is to lie below another, whose lineage is given, but
// for the depth: nodes.cycle, hierarchy.schema_not_configured, nodes.invalid_parent.
func (n Node) mayLie(e environment.Environment, above []Node, to Node) error {
	switch {
	case slices.ContainsFunc(above, func(a Node) bool { return a.ID == n.ID }):
		return ErrCycle
	case e.Schema == nil:
		return ErrSchemaNotConfigured
	case !slices.Contains(e.Schema.AllowedChildren[to.Type], n.Type):
		return ErrInvalidParent
	}
	return nil
}

// relocate checks that a node may lie below another, and counts what moves along.
func relocate(
	ctx context.Context, tx *database.Tx, in scope.Environment, e environment.Environment, n, to Node,
) error {
	above, err := lineageOf(ctx, tx, in, to.ID)
	if err == nil {
		err = n.mayLie(e, above, to)
	}
	if err != nil {
		return err
	}
	now, err := lineageOf(ctx, tx, in, n.ID)
	if err != nil {
		return err
	}
	moving, err := below(ctx, tx, in, n)
	if err != nil {
		return err
	}
	by, deepest := counts{}, 0
	for _, m := range moving {
		from, at := len(now)+m.depth, len(above)+1+m.depth
		deepest = max(deepest, at)
		by[[2]string{"depth", strconv.Itoa(from)}] -= m.n
		by[[2]string{"depth", strconv.Itoa(at)}] += m.n
	}
	if deepest > e.Schema.MaxDepth {
		return ErrMaxDepth
	}
	if _, err := tx.Exec(ctx, addChildren, -1, in.ID, n.Parent); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, addChildren, 1, in.ID, to.ID); err != nil {
		return err
	}
	return count(ctx, tx, in.ID, by)
}

// some are nodes of one kind in a subtree, whose top is at depth 0.
type some struct {
	depth    int
	nodeType string
	status   Status
	n        int
}

// below counts a subtree, the node itself included.
func below(ctx context.Context, tx *database.Tx, in scope.Environment, n Node) ([]some, error) {
	if n.Children == 0 {
		return []some{{0, n.Type, n.Status, 1}}, nil
	}
	return database.All(ctx, tx, func(row database.Scanner) (c some, err error) {
		return c, row.Scan(&c.depth, &c.nodeType, &c.status, &c.n)
	}, countSubtree, in.ID, n.ID)
}

// patient gives a write of a node with children, or with much that hangs on it, the time that
// it needs; any other one shares its commit with others and ends soon.
func (s *Service) patient(
	ctx context.Context, in scope.Environment, of ID, large bool,
) (context.Context, error) {
	if !large {
		return ctx, nil
	}
	weight, err := database.Read(ctx, s.DB, func(tx *database.Tx) (int, error) {
		n, err := Find(ctx, tx, in, of)
		weight := n.Children * fewNodes
		for _, d := range s.Dependents {
			if err != nil || weight > 0 {
				break
			}
			weight, err = d.Hanging(ctx, tx, in, of)
		}
		return weight, err
	})
	if err != nil || weight < fewNodes {
		return ctx, err
	}
	return database.Long(ctx), nil
}

package hierarchy

import (
	"context"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Get reads a node as the caller sees it; nodes.node_not_found where not at all.
func (s *Service) Get(ctx context.Context, in scope.Environment, v View, of ID) (n Node, seen Seen, err error) {
	if v.everywhere {
		// The most usual read is one statement. What it does not find, the other way explains.
		n, err := s.getAt(ctx, in, of)
		if !errors.Is(err, database.ErrNoRows) {
			seen, _ = v.Of(nil)
			return n, seen, err
		}
	}
	n, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (Node, error) {
		n, err := Find(ctx, tx, in, of)
		if err != nil {
			return n, err
		}
		seen, err = v.see(ctx, tx, in, of)
		return n.shownTo(seen), err
	})
	return n, seen, err
}

// getAt reads a node together with the Environment's revision, and notes that.
func (s *Service) getAt(ctx context.Context, in scope.Environment, of ID) (Node, error) {
	return database.Ask(ctx, s.DB, func(tx *database.Tx) (n Node, err error) {
		var at uint64
		var metadata string
		err = tx.QueryRow(ctx, selectNodeAt, in.ID, of, in.Application.Account.ID).Scan(
			&n.ID, &n.Parent, &n.Type, &n.Name, &n.nameFold, &n.Slug, &n.Description, &n.Status, &metadata, &n.Children,
			&n.Version, &n.CreatedAt, &n.UpdatedAt, &at)
		n.Metadata = jsontext.Value(metadata)
		if err == nil {
			scope.Note(ctx, at)
		}
		return n, err
	})
}

// see is how the caller sees a node that is there; nodes.node_not_found where not at all.
func (v View) see(ctx context.Context, tx *database.Tx, in scope.Environment, of ID) (Seen, error) {
	way := []ID{of}
	if !v.everywhere {
		above, err := lineageOf(ctx, tx, in, of)
		if err != nil {
			return Seen{}, err
		}
		way = idsOf(above)
	}
	seen, visible := v.Of(way)
	if !visible {
		return seen, ErrNotFound
	}
	return seen, nil
}

// accessible reads a node whose surroundings the caller may see. Faults:
// nodes.node_not_found; auth.permission_denied for one that is only context.
func (s *Service) accessible(
	ctx context.Context, tx *database.Tx, in scope.Environment, v View, of ID,
) (Node, error) {
	n, err := Find(ctx, tx, in, of)
	if err != nil {
		return n, err
	}
	seen, err := v.see(ctx, tx, in, of)
	if err == nil && seen.State == ContextOnly {
		err = fault.PermissionDenied
	}
	return n, err
}

// Ancestors are the nodes above an accessible node, the root first, and the node itself.
// Faults: nodes.node_not_found, auth.permission_denied.
func (s *Service) Ancestors(ctx context.Context, in scope.Environment, v View, of ID) ([]Node, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) ([]Node, error) {
		if _, err := s.accessible(ctx, tx, in, v, of); err != nil {
			return nil, err
		}
		list, err := lineageOf(ctx, tx, in, of)
		way := idsOf(list)
		for i := range list {
			seen, _ := v.Of(way[:i+1])
			list[i] = list[i].shownTo(seen)
		}
		return list, err
	})
}

const (
	// family is how many siblings are read at once.
	family = 500
	// wholeFamily is how many, where free JSON comes along, which may be long.
	wholeFamily = 100
)

// Children hands the children of an accessible node to each, in tree order, as they are
// read. Faults as of Ancestors.
func (s *Service) Children(
	ctx context.Context, in scope.Environment, v View, of ID, each func(Node) error,
) error {
	ctx = database.Long(ctx)
	_, err := environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (struct{}, error) {
		var none struct{}
		if _, err := s.accessible(ctx, tx, in, v, of); err != nil {
			return none, err
		}
		for last := (Node{}); ; {
			q := list{args: []any{in.ID, of}}
			where := fromNode + ` AND n.parent_id = $2`
			if !last.ID.IsZero() {
				where += ` AND (n.name_fold, n.id) > (` + q.one(last.nameFold) + `, ` + q.one(last.ID) + `)`
			}
			limit := ` LIMIT ` + strconv.Itoa(wholeFamily)
			some, err := database.All(ctx, tx, scan, `SELECT `+nodeColumns+where+treeOrder+limit, q.args...)
			if err != nil {
				return none, err
			}
			for _, n := range some {
				if err := each(n); err != nil {
					return none, err
				}
			}
			if len(some) < wholeFamily {
				return none, nil
			}
			last = some[len(some)-1]
		}
	})
	return err
}

// ChildPage is one page of the children of an accessible node, in tree order. Faults as of
// Ancestors.
func (s *Service) ChildPage(
	ctx context.Context, in scope.Environment, v View, of ID, r page.Request,
) (nodes []Node, info page.Info, err error) {
	nodes, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) ([]Node, error) {
		n, err := s.accessible(ctx, tx, in, v, of)
		if err != nil {
			return nil, err
		}
		q := list{args: []any{in.ID, of}}
		if r.Q == "" {
			info = r.Of(n.Children)
			return database.All(ctx, tx, scan, withRows(someChildren(n.Children, r.Offset(), r.Take)), planned(q.args)...)
		}
		where := matching(tx.DB.Engine, &q, r.Q)
		some, err := database.All(ctx, tx, scan, withRows(selectChildIDs+where+treeOrder+r.Limit()), planned(q.args)...)
		if err != nil {
			return nil, err
		}
		total, known := ends(r, len(some))
		if !known {
			err = tx.QueryRow(ctx, `SELECT count(*)`+fromNode+` AND n.parent_id = $2`+where, planned(q.args)...).Scan(&total)
		}
		info = r.Of(total)
		return some, err
	})
	return nodes, info, err
}

// withRows reads the rows of ids that an index alone has found, in tree order.
func withRows(ids string) string {
	return `SELECT ` + nodeColumns + ` FROM (` + ids + `) found
		CROSS JOIN node n WHERE n.id = found.id AND n.environment_id = $1` + treeOrder
}

// matching is the condition that name or slug hold a text. SQLite's LIKE compares letter by
// letter without regard to case, which folded names don't need.
func matching(engine database.Engine, q *list, part string) string {
	if engine == database.SQLite {
		part = q.one(text.Fold(part))
		return ` AND (instr(n.name_fold, ` + part + `) > 0 OR instr(n.slug, ` + part + `) > 0)`
	}
	part = q.one(text.LikePattern(part))
	return ` AND (n.name_fold LIKE ` + part + ` ESCAPE '\' OR n.slug LIKE ` + part + ` ESCAPE '\')`
}

// Row is a node in a list that opens a tree piece by piece.
type Row struct {
	Node
	Live         bool // it and everything above it are active
	SiblingIndex int  // from 0, in tree order; of Path only
	// Identities that hold something at the node, and above it.
	Direct, Inherited int
}

// Branch is a piece of the children of a node, in tree order; the zero id is the root.
// total is how many there are. Fault: nodes.node_not_found.
func (s *Service) Branch(
	ctx context.Context, in scope.Environment, of ID, offset, limit int,
) (rows []Row, total int, err error) {
	rows, err = counting(ctx, s, in, func(tx *database.Tx, _ revision.At, held Holding) ([]Row, error) {
		if of.IsZero() {
			root, err := found(scan(tx.QueryRow(ctx, selectRoot, in.ID)))
			if err != nil {
				return nil, err
			}
			of = root.ID
		}
		above, err := lineageOf(ctx, tx, in, of)
		if err != nil {
			return nil, err
		}
		if len(above) == 0 {
			return nil, ErrNotFound
		}
		live := true
		for _, a := range above {
			live = live && a.Status == Active
		}
		total = above[len(above)-1].Children
		ids := someChildren(total, offset, limit)
		rows, err := database.All(ctx, tx, func(row database.Scanner) (Row, error) {
			n, err := scan(row)
			return Row{Node: n, Live: live && n.Status == Active}, err
		}, withRows(ids), database.PlanAnew, in.ID, of)
		nodes := make([]ID, len(rows))
		for i, r := range rows {
			nodes[i] = r.ID
		}
		direct, inherited := held.Below(idsOf(above), nodes)
		for i := range rows {
			rows[i].Direct, rows[i].Inherited = direct[i], inherited
		}
		return rows, err
	})
	return rows, total, err
}

// someChildren asks for some of so many children, from whichever end is nearer.
func someChildren(total, offset, limit int) string {
	limit = max(0, min(limit, total-offset))
	order, from := treeOrder, offset
	if after := total - offset - limit; limit > 0 && after < offset {
		order, from = ` ORDER BY n.name_fold DESC, n.id DESC`, after
	}
	return selectChildIDs + order + ` LIMIT ` + strconv.Itoa(limit) + ` OFFSET ` + strconv.Itoa(from)
}

// planned has PostgreSQL plan a query for its very arguments.
func planned(args []any) []any { return append([]any{database.PlanAnew}, args...) }

// Path is a node with everything above it, the root first, each with its place among its
// siblings. Fault: nodes.node_not_found.
func (s *Service) Path(ctx context.Context, in scope.Environment, of ID) ([]Row, error) {
	return counting(ctx, s, in, func(tx *database.Tx, at revision.At, held Holding) ([]Row, error) {
		nodes, err := lineageOf(ctx, tx, in, of)
		if err == nil && len(nodes) == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		rows, live := make([]Row, len(nodes)), true
		direct, inherited := held.Along(idsOf(nodes))
		for i, n := range nodes {
			live = live && n.Status == Active
			rows[i] = Row{Node: n, Live: live, Direct: direct[i], Inherited: inherited[i]}
			if n.IsRoot() {
				continue
			}
			if rows[i].SiblingIndex, err = s.before(ctx, tx, in, at, n, nodes[i-1].Children); err != nil {
				return nil, err
			}
		}
		return rows, nil
	})
}

// before is how many siblings come before a node.
func (s *Service) before(
	ctx context.Context, tx *database.Tx, in scope.Environment, at revision.At, n Node, siblings int,
) (before int, err error) {
	if siblings > fewNames {
		x, free, err := s.names(ctx, tx, in, at)
		if err != nil {
			return 0, err
		}
		if x != nil {
			defer free()
			before, _ = x.Before(n.ID.Any())
			return before, nil
		}
	}
	return before, tx.QueryRow(ctx, countBefore, in.ID, n.Parent, n.nameFold, n.ID).Scan(&before)
}

// Summary counts the nodes of a tree.
type Summary struct {
	Total, Active, Inactive int
	Deepest                 int // the root is at depth 1
	ByType                  map[string]int
}

// Summary reads the kept numbers: it costs the same at any size.
func (s *Service) Summary(ctx context.Context, in scope.Environment) (Summary, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (sum Summary, err error) {
		statuses, err := tally(ctx, tx, in.ID, "status")
		if err != nil {
			return sum, err
		}
		sum.Active, sum.Inactive = statuses[string(Active)], statuses[string(Inactive)]
		sum.Total = sum.Active + sum.Inactive
		if sum.ByType, err = tally(ctx, tx, in.ID, "type"); err != nil {
			return sum, err
		}
		depths, err := tally(ctx, tx, in.ID, "depth")
		for item := range depths {
			at, _ := strconv.Atoi(item)
			sum.Deepest = max(sum.Deepest, at)
		}
		return sum, err
	})
}

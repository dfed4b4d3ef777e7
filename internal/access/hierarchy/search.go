package hierarchy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/access/hierarchy/names"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Query says which nodes are looked for; what is zero filters nothing.
type Query struct {
	page.Request
	Type   string
	Status Status
	Under  ID       // that node and everything below it
	IDs    []ID     // only these
	Paths  []string // only those at these slug paths, the root's own slug first
}

// Hit is a node that was found.
type Hit struct {
	Node
	Path    []Node // root first, the node included
	Matched string // the path by which it was found, "" for none
}

// Search finds nodes without walking the tree. The count is exact.
func (s *Service) Search(
	ctx context.Context, in scope.Environment, r Query,
) (hits []Hit, info page.Info, err error) {
	hits, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) ([]Hit, error) {
		nodes, total, answered, err := s.inMemory(ctx, tx, in, at, r)
		if err != nil {
			return nil, err
		}
		if answered {
			info = r.Of(total)
			return withPaths(ctx, tx, in, nodes, nil)
		}
		matched := map[ID]string{}
		if len(r.Paths) > 0 {
			if matched, err = resolve(ctx, tx, in, r.Paths); err != nil {
				return nil, err
			}
		}
		f, err := r.finding(ctx, tx, in, matched)
		if err != nil || f.nothing {
			info = r.Of(0)
			return []Hit{}, err
		}
		nodes, err = database.All(ctx, tx, scan, f.page(r.Request), planned(f.args)...)
		if err != nil {
			return nil, err
		}
		total, known := ends(r.Request, len(nodes))
		if !known {
			if total, err = f.count(ctx, tx, in, r, nodes); err != nil {
				return nil, err
			}
		}
		info = r.Of(total)
		return withPaths(ctx, tx, in, nodes, matched)
	})
	return hits, info, err
}

// inMemory answers what would have the database look at a whole tree, where its names are
// held: it reads the rows of the page alone.
func (s *Service) inMemory(
	ctx context.Context, tx *database.Tx, in scope.Environment, at revision.At, r Query,
) (nodes []Node, total int, answered bool, err error) {
	if len(r.IDs)+len(r.Paths) > 0 || r.Q == "" && r.Under.IsZero() {
		return nil, 0, false, nil
	}
	x, free, err := s.names(ctx, tx, in, at)
	if err != nil || x == nil {
		return nil, 0, false, err
	}
	q := names.Query{
		Part: text.Fold(r.Q), Type: r.Type, Under: r.Under.Any(), ByAge: r.Sort.Key == "created_at", Desc: r.Desc,
		Offset: r.Offset(), Limit: r.Take,
	}
	if r.Status != "" {
		active := r.Status == Active
		q.Status = &active
	}
	ids, total := x.Find(q)
	free()
	if len(ids) == 0 {
		return nil, total, true, nil
	}
	l := list{args: []any{in.ID}}
	of := make([]ID, len(ids))
	for i := range ids {
		of[i] = ID(ids[i])
	}
	nodes, err = database.All(ctx, tx, scan, `SELECT `+nodeColumns+` FROM node n WHERE`+ofEnvironment+notDeleted+
		` AND n.id IN (`+l.ids(of)+`)`+r.OrderBy("n.id"), l.args...)
	return nodes, total, true, err
}

// finding is what the statements of a search have in common: where they look, and the
// condition.
type finding struct {
	list
	with, from, where string
	nothing           bool // nothing can match
	kept              bool // it asks for no more than type or status, of which tally has the number
}

// ends tells how many there are in all where a page with so many is the last one.
func ends(r page.Request, onPage int) (total int, known bool) {
	return r.Offset() + onPage, onPage < r.Take && (onPage > 0 || r.Offset() == 0)
}

// finding is the condition of a query.
func (r Query) finding(
	ctx context.Context, tx *database.Tx, in scope.Environment, matched map[ID]string,
) (*finding, error) {
	f := &finding{
		list: list{args: []any{in.ID}}, from: fromEnvironment, where: notDeleted,
		kept: r.Q == "" && len(r.IDs)+len(r.Paths) == 0 && (r.Type == "" || r.Status == ""),
	}
	if r.Q != "" {
		f.where += matching(tx.DB.Engine, &f.list, r.Q)
	}
	if r.Type != "" {
		f.where += ` AND n.node_type = ` + f.one(r.Type)
	}
	if r.Status != "" {
		f.where += ` AND n.status = ` + f.one(string(r.Status))
	}
	if len(r.IDs)+len(r.Paths) > 0 {
		if f.only(r.only(matched)); f.nothing {
			return f, nil
		}
	}
	if r.Under.IsZero() {
		return f, nil
	}
	return f, f.under(ctx, tx, in, r)
}

// only narrows to some nodes.
func (f *finding) only(ids []ID) {
	if f.nothing = len(ids) == 0; f.nothing {
		return
	}
	f.kept = false
	f.from = ` FROM node n WHERE` + ofEnvironment
	f.where += ` AND n.id IN (` + f.ids(ids) + `)`
}

// only are the nodes that ids and paths leave.
func (r Query) only(matched map[ID]string) []ID {
	if len(r.Paths) == 0 {
		return r.IDs
	}
	at := make(map[ID]bool, len(matched))
	for of := range matched {
		if len(r.IDs) == 0 || slices.Contains(r.IDs, of) {
			at[of] = true
		}
	}
	return sortedIDs(at)
}

const (
	// fewMatches are looked at one by one, before what lies below is counted; of manyMatches
	// never.
	fewMatches, manyMatches = 64, 2000
	// stepsUp is what it costs to look at one match, in nodes that one would walk down.
	stepsUp = 8
)

// under narrows to a node and everything below it: down from the node, or up from what else
// matches, whichever is less.
func (f *finding) under(ctx context.Context, tx *database.Tx, in scope.Environment, r Query) error {
	top, err := Find(ctx, tx, in, r.Under)
	switch {
	case errors.Is(err, ErrNotFound):
		f.nothing = true
		return nil
	case err != nil || top.IsRoot():
		return err
	}
	matches, err := f.count(ctx, tx, in, r, nil)
	if err != nil {
		return err
	}
	f.kept = false
	if matches <= manyMatches {
		below := matches * stepsUp
		if matches > fewMatches {
			if err := tx.QueryRow(ctx, countSubtreeUpTo, in.ID, top.ID, below).Scan(&below); err != nil {
				return err
			}
		}
		if below >= matches*stepsUp {
			ids, err := f.below(ctx, tx, in, top.ID)
			f.only(ids)
			return err
		}
	}
	f.with = strings.ReplaceAll(subtree, "$2", f.one(top.ID))
	f.from = ` FROM (SELECT DISTINCT id FROM down) d CROSS JOIN node n WHERE` + ofEnvironment + ` AND n.id = d.id`
	return nil
}

// below are those of what is found, which is little, that lie at or below a node.
func (f *finding) below(ctx context.Context, tx *database.Tx, in scope.Environment, top ID) ([]ID, error) {
	all, err := database.All(ctx, tx, func(row database.Scanner) (of ID, err error) {
		return of, row.Scan(&of)
	}, `SELECT n.id`+f.from+f.where, planned(f.args)...)
	if err != nil {
		return nil, err
	}
	var found []ID
	for piece := range slices.Chunk(all, idsAtOnce) {
		err := above(ctx, tx, in, piece, func(from ID, n Node) {
			if n.ID == top {
				found = append(found, from)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// page asks for one page: its ids come first, and only their rows are read.
func (f *finding) page(r page.Request) string {
	order := r.OrderBy("n.id")
	return f.with + ` SELECT ` + nodeColumns + ` FROM (SELECT n.id` + f.from + f.where + order + r.Limit() +
		`) found CROSS JOIN node n WHERE n.environment_id = $1 AND n.id = found.id` + order
}

// count is how many nodes match. Of a page by name only what comes after it is counted: the
// page has looked at the rest.
func (f *finding) count(
	ctx context.Context, tx *database.Tx, in scope.Environment, r Query, onPage []Node,
) (n int, err error) {
	if f.kept {
		return kept(ctx, tx, in, r)
	}
	q, before := list{args: slices.Clone(f.args)}, 0
	query := f.with + ` SELECT count(*)` + f.from + f.where
	if len(onPage) > 0 && r.Sort.Key == "name" && f.with == "" {
		before = r.Offset() + len(onPage)
		than, last := ` > `, onPage[len(onPage)-1]
		if r.Desc {
			than = ` < `
		}
		query += ` AND (n.name_fold, n.id)` + than + `(` + q.one(last.nameFold) + `, ` + q.one(last.ID) + `)`
	}
	err = tx.QueryRow(ctx, query, planned(q.args)...).Scan(&n)
	return before + n, err
}

// kept is how many nodes of a type, or a status, or at all there are.
func kept(ctx context.Context, tx *database.Tx, in scope.Environment, r Query) (int, error) {
	switch {
	case r.Type != "":
		types, err := tally(ctx, tx, in.ID, "type")
		return types[r.Type], err
	case r.Status != "":
		statuses, err := tally(ctx, tx, in.ID, "status")
		return statuses[string(r.Status)], err
	}
	return size(ctx, tx, in.ID)
}

// resolve finds the nodes at slug paths, level by level: each level is one question.
func resolve(ctx context.Context, tx *database.Tx, in scope.Environment, paths []string) (map[ID]string, error) {
	root, err := found(scan(tx.QueryRow(ctx, selectRoot, in.ID)))
	if err != nil {
		return nil, err
	}
	matched := map[ID]string{}
	at := map[string]ID{} // how far each path has come
	for _, path := range paths {
		slug, rest, _ := strings.Cut(path, "/")
		switch {
		case slug != root.Slug:
		case rest == "" && path == slug:
			matched[root.ID] = path
		default:
			at[path] = root.ID
		}
	}
	for level := 1; level < maxDepth && len(at) > 0; level++ {
		children, err := stepDown(ctx, tx, in, at, level)
		if err != nil {
			return nil, err
		}
		for path, of := range at {
			slugs := strings.Split(path, "/")
			child, is := children[step{of, slugs[level]}]
			delete(at, path)
			switch {
			case is && level == len(slugs)-1:
				matched[child] = path
			case is:
				at[path] = child
			}
		}
	}
	return matched, nil
}

// step is one level of a path: the slug below a node.
type step struct {
	parent ID
	slug   string
}

func stepDown(
	ctx context.Context, tx *database.Tx, in scope.Environment, at map[string]ID, level int,
) (map[step]ID, error) {
	q := list{args: []any{in.ID}}
	var pairs []string
	for path, of := range at {
		pairs = append(pairs, `(`+q.one(of)+`, `+q.one(strings.Split(path, "/")[level])+`)`)
	}
	children := map[step]ID{}
	return children, tx.Query(ctx, func(row database.Scanner) error {
		var s step
		var of ID
		err := row.Scan(&s.parent, &s.slug, &of)
		children[s] = of
		return err
	}, `SELECT n.parent_id, n.slug, n.id`+fromNode+` AND (n.parent_id, n.slug) IN (VALUES `+strings.Join(pairs, ", ")+`)`,
		q.args...)
}

// withPaths adds to each node what lies above it, by one walk for all.
func withPaths(
	ctx context.Context, tx *database.Tx, in scope.Environment, nodes []Node, matched map[ID]string,
) ([]Hit, error) {
	hits := make([]Hit, len(nodes))
	if len(nodes) == 0 {
		return hits, nil
	}
	paths := make(map[ID][]Node, len(nodes))
	err := above(ctx, tx, in, idsOf(nodes), func(from ID, n Node) { paths[from] = append(paths[from], n) })
	for i, n := range nodes {
		hits[i] = Hit{n, paths[n.ID], matched[n.ID]}
	}
	return hits, err
}

// above walks up from several nodes at once, and gives each of them and what lies above it,
// root first: ids, names and slugs.
func above(ctx context.Context, tx *database.Tx, in scope.Environment, ids []ID, fn func(from ID, n Node)) error {
	q := list{args: []any{in.ID}}
	return tx.Query(ctx, func(row database.Scanner) error {
		var from ID
		var n Node
		err := row.Scan(&from, &n.ID, &n.Name, &n.Slug)
		fn(from, n)
		return err
	}, strings.Replace(lineages, "$ids", q.ids(ids), 1), q.args...)
}

// lineages walks up from several nodes at once.
const lineages = `WITH RECURSIVE up (start_id, id, parent_id, distance) AS (
	SELECT id, id, parent_id, 0 FROM node WHERE` + ofEnvironment + ` AND id IN ($ids)
	UNION ALL SELECT up.start_id, p.id, p.parent_id, up.distance + 1 FROM up
		CROSS JOIN node p WHERE p.id = up.parent_id AND up.distance < 32)
	SELECT up.start_id, n.id, n.name, n.slug FROM up CROSS JOIN node n WHERE n.id = up.id
	ORDER BY up.start_id, up.distance DESC`

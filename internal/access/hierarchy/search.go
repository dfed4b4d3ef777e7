package hierarchy

import (
	"context"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
	"canopy.dev/canopy/internal/tenant/revision"
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
	hits, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) ([]Hit, error) {
		matched := map[ID]string{}
		if len(r.Paths) > 0 {
			if matched, err = resolve(ctx, tx, in, r.Paths); err != nil {
				return nil, err
			}
		}
		with, where, q, none := r.filter(in, matched)
		if none {
			info = r.Of(0)
			return []Hit{}, nil
		}
		var total int
		if err := tx.QueryRow(ctx, with+`SELECT count(*)`+where, q.args...).Scan(&total); err != nil {
			return nil, err
		}
		info = r.Of(total)
		order := r.OrderBy("n.id")
		nodes, err := database.All(ctx, tx, scan, with+`SELECT `+nodeColumns+` FROM (SELECT n.id`+where+order+r.Limit()+
			`) found JOIN node n ON n.id = found.id AND n.environment_id = $1`+order, q.args...)
		if err != nil {
			return nil, err
		}
		return withPaths(ctx, tx, in, nodes, matched)
	})
	return hits, info, err
}

// filter is the condition of a query; none says that nothing can match.
func (r Query) filter(in scope.Environment, matched map[ID]string) (with, where string, q *list, none bool) {
	q = &list{args: []any{in.ID}}
	where = fromNode
	if !r.Under.IsZero() {
		under := q.one(r.Under) // the walk's second argument
		with = strings.ReplaceAll(subtree, "$2", under) + ` `
		where += ` AND n.id IN (SELECT id FROM down)`
	}
	if r.Q != "" {
		where += matching(q, r.Q)
	}
	if r.Type != "" {
		where += ` AND n.node_type = ` + q.one(r.Type)
	}
	if r.Status != "" {
		where += ` AND n.status = ` + q.one(string(r.Status))
	}
	only := r.IDs
	if len(r.Paths) > 0 {
		at := make(map[ID]bool, len(matched))
		for of := range matched {
			at[of] = len(r.IDs) == 0 || slices.Contains(r.IDs, of)
		}
		only = slices.DeleteFunc(sortedIDs(at), func(of ID) bool { return !at[of] })
	}
	if len(r.IDs)+len(r.Paths) == 0 {
		return with, where, q, false
	}
	if len(only) == 0 {
		return with, where, q, true
	}
	return with, where + ` AND n.id IN (` + q.ids(only) + `)`, q, false
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
	ids := idsOf(nodes)
	q := list{args: []any{in.ID}}
	paths := make(map[ID][]Node, len(nodes))
	err := tx.Query(ctx, func(row database.Scanner) error {
		var from ID
		var n Node
		err := row.Scan(&from, &n.ID, &n.Name, &n.Slug)
		paths[from] = append(paths[from], n)
		return err
	}, strings.Replace(lineages, "$ids", q.ids(ids), 1), q.args...)
	for i, n := range nodes {
		hits[i] = Hit{n, paths[n.ID], matched[n.ID]}
	}
	return hits, err
}

// lineages walks up from several nodes at once.
const lineages = `WITH RECURSIVE up (start_id, id, parent_id, distance) AS (
	SELECT id, id, parent_id, 0 FROM node WHERE environment_id = $1 AND id IN ($ids)
	UNION ALL SELECT up.start_id, p.id, p.parent_id, up.distance + 1 FROM up
		JOIN node p ON p.id = up.parent_id AND p.environment_id = $1 WHERE up.distance < 32)
	SELECT up.start_id, n.id, n.name, n.slug FROM up JOIN node n ON n.id = up.id AND n.environment_id = $1
	ORDER BY up.start_id, up.distance DESC`

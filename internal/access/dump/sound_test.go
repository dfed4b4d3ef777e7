package dump_test

import (
	"fmt"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// snapshot is an Environment as its rows have it.
func (w *world) snapshot(in scope.Environment) *decide.Snapshot {
	w.t.Helper()
	b := &decide.Builder{}
	permissions, err := w.roles.Permissions(w.t.Context(), in, "")
	w.must(err)
	for _, p := range permissions {
		b.Permission(p.Key)
	}
	roles, err := w.roles.Roles(w.t.Context(), in, "", true)
	w.must(err)
	for _, r := range roles {
		_, keys, err := w.roles.RoleKeys(w.t.Context(), in, r.ID)
		w.must(err)
		b.Role(decide.Role{ID: r.ID.Any(), Name: r.Name, Active: r.Active, Permissions: keys})
	}
	for _, n := range w.nodes(in) {
		b.Node(decide.Node{ID: n.ID.Any(), Parent: n.Parent.Any(), Active: n.Status == hierarchy.Active})
	}
	seen := map[string]bool{}
	for _, a := range w.assignments(in) {
		who, node, role, of := parse(w, a.identity), parse(w, a.node), parse(w, a.role), parse(w, a.id)
		if !seen[a.identity] {
			b.Member(decide.Member{Identity: who, IdentityActive: true, MembershipActive: true})
		}
		seen[a.identity] = true
		b.Assignment(decide.Assignment{
			ID: of, Identity: who, Node: node, Role: role, From: decide.Instant(a.from), To: decide.Instant(a.to),
		})
	}
	s, problems := b.Build(uint64(w.revision(in)))
	if len(problems) > 0 {
		w.t.Errorf("the rows contradict each other: %v", problems)
	}
	return s
}

func parse(w *world, s string) id.ID {
	of, err := id.Parse[id.ID](s)
	w.must(err)
	return of
}

// follow brings a snapshot up to date by the changes that were kept; nil where they say to
// read everything again.
func (w *world) follow(in scope.Environment, s *decide.Snapshot) *decide.Snapshot {
	w.t.Helper()
	type kept struct {
		revision uint64
		kind     string
		subject  id.ID
		body     *string
	}
	rows := dbtest.Write(w.t, w.db, func(tx *database.Tx) ([]kept, error) {
		return database.All(w.t.Context(), tx, func(row database.Scanner) (k kept, err error) {
			return k, row.Scan(&k.revision, &k.kind, &k.subject, &k.body)
		}, `SELECT revision, kind, subject_id, body FROM change WHERE scope_id = $1 AND revision > $2
			ORDER BY revision, ordinal`, in.ID, s.Revision())
	})
	for _, k := range rows {
		var body []byte
		if k.body != nil {
			body = []byte(*k.body)
		}
		change, err := edits.Of(revision.Kind(k.kind), k.subject, body)
		if k.kind == string(revision.Reload) {
			return nil
		}
		w.must(err)
		e := decide.Edit{Revision: k.revision}
		if change != nil {
			e.Changes = []decide.Change{change}
		}
		var problems []decide.Problem
		if s, problems = s.Apply(e); len(problems) > 0 {
			w.t.Errorf("revision %d, %s %s %s: %v", k.revision, k.kind, k.subject, body, problems)
		}
	}
	return s
}

// shown is what a snapshot decides for whoever has an assignment.
func (w *world) shown(in scope.Environment, s *decide.Snapshot) (list []string) {
	counts := s.Counts()
	list = append(list, fmt.Sprintf("%d nodes, %d roles", counts.Nodes, counts.Roles))
	for _, a := range w.assignments(in) {
		keys, _ := s.Permissions(parse(w, a.identity), decide.Instant(w.db.Now().UnixMicro()))
		for _, n := range w.nodes(in) {
			for _, key := range keys {
				d := s.Evaluate(decide.Question{Identity: parse(w, a.identity), Permission: key, Node: n.ID.Any()},
					decide.Instant(w.db.Now().UnixMicro()), nil)
				list = append(list, fmt.Sprint(a.identity, n.ID, key, d.Allowed, d.GrantingRoles))
			}
		}
	}
	return list
}

// sound holds the rows, and the numbers that are kept, against each other.
func (w *world) sound(in scope.Environment) {
	w.t.Helper()
	for what, query := range map[string]string{
		"roots": `SELECT count(*) - 1 FROM node WHERE environment_id = $1 AND parent_id IS NULL AND deleted_at IS NULL`,
		"parents that are gone": `SELECT count(*) FROM node n JOIN node p ON p.id = n.parent_id
			WHERE n.environment_id = $1 AND n.deleted_at IS NULL
				AND (p.deleted_at IS NOT NULL OR p.environment_id <> n.environment_id)`,
		"wrong child counts": `SELECT count(*) FROM node p WHERE p.environment_id = $1 AND p.deleted_at IS NULL
			AND p.child_count <> (SELECT count(*) FROM node n WHERE n.parent_id = p.id AND n.deleted_at IS NULL)`,
		"deleted nodes with a status": `SELECT count(*) FROM node
			WHERE environment_id = $1 AND (deleted_at IS NULL) = (status = 'deleted')`,
		"slugs and names that were only lent": `SELECT (SELECT count(*) FROM node WHERE environment_id = $1
			AND deleted_at IS NULL AND slug = '~' || id) + (SELECT count(*) FROM role WHERE environment_id = $1
			AND name_fold LIKE '%' || id)`,
		"members": `SELECT count(*) FROM membership m WHERE m.environment_id = $1 AND m.assignment_count <>
			(SELECT count(*) FROM assignment a
			WHERE a.environment_id = m.environment_id AND a.identity_id = m.identity_id)`,
		"places": `SELECT count(*) FROM (SELECT node_id, role_id, sum(n) AS n FROM (
			SELECT node_id, role_id, n FROM assignment_place WHERE environment_id = $1 UNION ALL
			SELECT node_id, role_id, -count(*) FROM assignment WHERE environment_id = $1 GROUP BY 1, 2) p
			GROUP BY 1, 2) q WHERE n <> 0`,
		"assignments": `SELECT (SELECT COALESCE(sum(n), 0) FROM assignment_tally
				WHERE environment_id = $1 AND kind = 'all') -
			(SELECT count(*) FROM assignment WHERE environment_id = $1)`,
		"assignments of what is gone": `SELECT count(*) FROM assignment a WHERE a.environment_id = $1 AND (NOT EXISTS
			(SELECT 1 FROM node n WHERE n.id = a.node_id AND n.deleted_at IS NULL) OR NOT EXISTS
			(SELECT 1 FROM role r WHERE r.id = a.role_id))`,
	} {
		if n := dbtest.Number(w.t, w.db, query, in.ID); n != 0 {
			w.t.Errorf("%s: %d", what, n)
		}
	}
	kept, counted := map[string]int{}, map[string]int{}
	into := func(m map[string]int, query string) {
		dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
			return tx.Query(w.t.Context(), func(row database.Scanner) error {
				var kind, item string
				var n int
				err := row.Scan(&kind, &item, &n)
				m[kind+" "+item] = n
				return err
			}, query, in.ID)
		})
	}
	into(kept, `SELECT kind, item, n FROM tally WHERE environment_id = $1 AND n <> 0`)
	const tree = `WITH RECURSIVE t (id, depth) AS (
		SELECT n.id, 1 FROM node n WHERE n.environment_id = $1 AND n.parent_id IS NULL AND n.deleted_at IS NULL
		UNION ALL SELECT n.id, t.depth + 1 FROM t JOIN node n ON n.parent_id = t.id WHERE n.deleted_at IS NULL)`
	into(counted, tree+` SELECT 'depth', CAST(depth AS TEXT), count(*) FROM t GROUP BY depth`)
	into(counted, `SELECT 'type', node_type, count(*) FROM node WHERE environment_id = $1 AND deleted_at IS NULL
		GROUP BY node_type`)
	into(counted, `SELECT 'status', status, count(*) FROM node WHERE environment_id = $1 AND deleted_at IS NULL
		GROUP BY status`)
	if diff := cmp.Diff(counted, kept); diff != "" {
		w.t.Errorf("(-counted +kept)\n%s", diff)
	}
}

package assignment_test

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// plainRow is an assignment with all that lists look at, read by one plain statement.
type plainRow struct {
	assignment.Listed
	nameFold, search, roleFold string
	counts                     bool
}

// plain is an Environment as a list that knows no index has it.
type plain struct {
	rows   []plainRow
	parent map[hierarchy.ID]hierarchy.ID
	now    time.Time
}

// plain reads the world plainly.
func (w *world) plain() *plain {
	w.t.Helper()
	return dbtest.Write(w.t, w.db, func(tx *database.Tx) (*plain, error) {
		p := &plain{parent: map[hierarchy.ID]hierarchy.ID{}, now: tx.Now}
		err := tx.Query(w.t.Context(), func(row database.Scanner) error {
			var of, parent hierarchy.ID
			err := row.Scan(&of, &parent)
			p.parent[of] = parent
			return err
		}, `SELECT id, parent_id FROM node WHERE environment_id = $1 AND deleted_at IS NULL`, w.in.ID)
		if err != nil {
			return nil, err
		}
		p.rows, err = database.All(w.t.Context(), tx, func(row database.Scanner) (r plainRow, err error) {
			var member bool
			err = row.Scan(&r.ID, &r.Identity, &r.Node, &r.Role, &r.Window.From, &r.Window.To, &r.CreatedAt, &r.UpdatedAt,
				&r.RoleName, &r.roleFold, &r.NodeName, &r.Who.FirstName, &r.Who.LastName, &r.Who.Email, &r.nameFold, &r.search,
				&r.counts, &member)
			r.Who.ID, r.counts = r.Identity, r.counts && member
			r.State = r.Window.At(tx.Now)
			return r, err
		}, `SELECT a.id, a.identity_id, a.node_id, a.role_id, a.effective_from, a.effective_to, a.created_at, a.updated_at,
				r.name, r.name_fold, n.name, i.first_name, i.last_name, i.email, i.name_fold, i.search, i.is_active,
				CASE WHEN m.status = 'active' THEN 1 ELSE 0 END
			FROM assignment a, role r, node n, identity i, membership m
			WHERE a.environment_id = $1 AND r.id = a.role_id AND n.id = a.node_id AND i.id = a.identity_id
				AND m.environment_id = $1 AND m.identity_id = a.identity_id`, w.in.ID)
		return p, err
	})
}

func (p *plain) lineage(of hierarchy.ID) (list []hierarchy.ID) {
	for ; !of.IsZero(); of = p.parent[of] {
		list = append(list, of)
	}
	return list
}

// list is a page of those that fit; at is the node that is asked about, zero for all.
func (p *plain) list(q assignment.Query, at hierarchy.ID) (page []assignment.Listed, total int) {
	var found []plainRow
	for _, r := range p.rows {
		r.Access = assignment.Direct
		if !at.IsZero() {
			switch {
			case !slices.Contains(p.lineage(at), r.Node):
				continue
			case r.Node != at:
				r.Access = assignment.Inherited
			}
		}
		if p.fits(r, q) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b plainRow) int {
		c := cmp.Or(a.compare(b, q.Sort.Key), bytes.Compare(a.ID[:], b.ID[:]))
		if q.Desc {
			return -c
		}
		return c
	})
	for i, r := range found {
		if i >= q.Offset() && i < q.Offset()+q.Take {
			page = append(page, r.Listed)
		}
	}
	return page, len(found)
}

func (p *plain) fits(r plainRow, q assignment.Query) bool {
	ends := r.Window.To != decide.Forever
	return (q.Role.IsZero() || r.Role == q.Role) && (q.State == "" || r.State == q.State) &&
		(q.Node.IsZero() || r.Node == q.Node) && (q.Identity.IsZero() || r.Identity == q.Identity) &&
		(q.Under.IsZero() || slices.Contains(p.lineage(r.Node), q.Under)) && (q.Access == "" || r.Access == q.Access) &&
		(q.EndsBy == nil || ends && r.Window.To <= micro(*q.EndsBy)) && strings.Contains(r.search, text.Fold(q.Q))
}

func (r plainRow) compare(other plainRow, key string) int {
	switch key {
	case "name":
		return cmp.Compare(r.nameFold, other.nameFold)
	case "role":
		return cmp.Compare(r.roleFold, other.roleFold)
	case "access_type":
		return cmp.Compare(r.Access, other.Access)
	case "effective_to":
		return cmp.Compare(r.Window.To, other.Window.To)
	}
	return r.CreatedAt.Compare(other.CreatedAt)
}

// summary counts what reaches a node, or with the zero one everything.
func (p *plain) summary(at hierarchy.ID) (s assignment.Summary) {
	roles := map[string]bool{}
	for _, r := range p.rows {
		if !at.IsZero() && !slices.Contains(p.lineage(at), r.Node) {
			continue
		}
		roles[r.roleFold] = true
		switch r.State {
		case assignment.Scheduled:
			s.Scheduled++
		case assignment.Expired:
			s.Expired++
		case assignment.Active:
			s.Active++
			if r.Window.To != decide.Forever && r.Window.To <= micro(p.now.Add(7*24*time.Hour)) {
				s.EndingSoon++
			}
		}
	}
	s.Roles = len(roles)
	return s
}

// holders counts identities at a node, and above it.
func (p *plain) holders(at hierarchy.ID) (direct, inherited int) {
	here, above := map[principal.IdentityID]bool{}, map[principal.IdentityID]bool{}
	for _, r := range p.rows {
		switch lineage := p.lineage(at); {
		case !r.counts || r.State != assignment.Active:
		case r.Node == at:
			here[r.Identity] = true
		case slices.Contains(lineage, r.Node):
			above[r.Identity] = true
		}
	}
	return len(here), len(above)
}

// recent are the identities with the newest assignments that reach a node.
func (p *plain) recent(at hierarchy.ID) (list []principal.IdentityID) {
	var q assignment.Query
	q.Page, q.Take, q.Desc, q.Sort = 1, 100_000, true, assignment.Sorts[0]
	rows, _ := p.list(q, at)
	for _, r := range rows {
		if len(list) < 5 && !slices.Contains(list, r.Identity) {
			list = append(list, r.Identity)
		}
	}
	return list
}

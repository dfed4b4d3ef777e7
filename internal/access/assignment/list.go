package assignment

import (
	"context"
	"errors"
	"slices"
	"time"

	"canopy.dev/canopy/internal/access/assignment/ledger"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// The sort keys of lists.
var (
	byCreation = page.Sort{Key: "created_at", Column: "a.created_at", Desc: true}
	byName     = page.Sort{Key: "name", Column: "i.name_fold"}
	byRole     = page.Sort{Key: "role", Column: "r.name_fold"}
	byEnd      = page.Sort{Key: "effective_to", Column: "a.effective_to", Desc: true}
	byAccess   = page.Sort{Key: "access_type", Column: "a.node_id"}

	// Sorts are those of List. No end is the latest.
	Sorts = page.Sorts{byCreation, byName, byRole, byEnd}
	// SortsAtNode are those of ListAt: direct comes before inherited.
	SortsAtNode = page.Sorts{byName, byRole, byAccess, byCreation}
)

// keys are the sort keys as the ledger has them.
var keys = map[string]ledger.Key{
	byCreation.Key: ledger.Created, byName.Key: ledger.Name, byRole.Key: ledger.Role, byEnd.Key: ledger.End,
	byAccess.Key: ledger.Access,
}

// states are the states as the ledger has them.
var states = map[State]ledger.State{Active: ledger.Active, Scheduled: ledger.Scheduled, Expired: ledger.Expired}

// Access says whether an assignment was made at a node, or above it.
type Access string

// The ways.
const (
	Direct    Access = "direct"
	Inherited Access = "inherited"
)

// Enum lists them, for schemas.
func (Access) Enum() []string { return []string{string(Direct), string(Inherited)} }

// Query says which assignments are looked for; what is zero filters nothing.
type Query struct {
	page.Request
	Role  rbac.RoleID
	State State
	Node  hierarchy.ID // where it was made

	Identity principal.IdentityID // of List
	Under    hierarchy.ID         // of List: at this node or below
	EndsBy   *time.Time           // of List: it ends then, or before

	Access Access // of ListAt
}

// Listed is an assignment with what lists show of its identity, role and node.
type Listed struct {
	Assignment
	Who      enduser.Named
	RoleName string
	NodeName string
	Access   Access
	State    State
}

// List is one page of the Environment's assignments, in whatever state they are. The count is
// exact.
func (s *Service) List(
	ctx context.Context, in scope.Environment, q Query,
) (rows []Listed, info page.Info, err error) {
	if q.plain() {
		rows, err = s.listPlain(ctx, in, q, &info)
		return rows, info, err
	}
	rows, err = reading(ctx, s, in, func(tx *database.Tx, x *ledger.Index) ([]Listed, error) {
		look := q.look(tx.Now)
		if !q.Node.IsZero() {
			look.Nodes = []id.ID{q.Node.Any()}
		}
		look.Nodes, err = q.under(ctx, tx, in, look.Nodes)
		if err != nil {
			return nil, err
		}
		return q.find(ctx, tx, in, x, look, &info)
	})
	return rows, info, err
}

// ListAt is one page of the assignments that reach a node: those at the node and those above
// it, in whatever state they, their roles and the nodes are. Fault: nodes.node_not_found.
func (s *Service) ListAt(
	ctx context.Context, in scope.Environment, at hierarchy.ID, q Query,
) (rows []Listed, info page.Info, err error) {
	rows, err = reading(ctx, s, in, func(tx *database.Tx, x *ledger.Index) ([]Listed, error) {
		lineage, err := hierarchy.Lineage(ctx, tx, in, at)
		if err != nil {
			return nil, err
		}
		switch q.Access {
		case Direct:
			lineage = lineage[len(lineage)-1:]
		case Inherited:
			lineage = lineage[:len(lineage)-1]
		}
		look := q.look(tx.Now)
		look.Direct = at.Any()
		if !q.Node.IsZero() {
			look.Nodes = []id.ID{q.Node.Any()}
		}
		look.Nodes = among(look.Nodes, lineage)
		rows, err := q.find(ctx, tx, in, x, look, &info)
		for i := range rows {
			if rows[i].Node != at {
				rows[i].Access = Inherited
			}
		}
		return rows, err
	})
	return rows, info, err
}

// look is what the ledger is asked, but for nodes.
func (q Query) look(now time.Time) ledger.Query {
	look := ledger.Query{
		Part: text.Fold(q.Q), Identity: q.Identity.Any(), Role: q.Role.Any(), State: states[q.State],
		Now: now.UnixMicro(), By: keys[q.Sort.Key], Desc: q.Desc, Offset: q.Offset(), Limit: q.Take,
	}
	if q.EndsBy != nil {
		until := q.EndsBy.UnixMicro()
		look.Until = &until
	}
	return look
}

// under leaves of some nodes, of which nil are all, those at or below the one that is asked for.
func (q Query) under(
	ctx context.Context, tx *database.Tx, in scope.Environment, nodes []id.ID,
) ([]id.ID, error) {
	if q.Under.IsZero() {
		return nodes, nil
	}
	top, err := hierarchy.Find(ctx, tx, in, q.Under)
	switch {
	case errors.Is(err, hierarchy.ErrNotFound):
		return []id.ID{}, nil
	case err != nil:
		return nil, err
	case top.IsRoot():
		return nodes, nil
	}
	below, err := hierarchy.Under(ctx, tx, in, q.Under)
	return among(nodes, below), err
}

// among are those of some nodes that one asks for; nil asks for all.
func among(asked []id.ID, some []hierarchy.ID) []id.ID {
	of := make([]id.ID, 0, len(some))
	for _, one := range some {
		if asked == nil || slices.Contains(asked, one.Any()) {
			of = append(of, one.Any())
		}
	}
	return of
}

// find reads the page that the ledger finds.
func (q Query) find(
	ctx context.Context, tx *database.Tx, in scope.Environment, x *ledger.Index, look ledger.Query, info *page.Info,
) ([]Listed, error) {
	if look.By == ledger.Role {
		order, err := rbac.RoleOrder(ctx, tx, in)
		if err != nil {
			return nil, err
		}
		for _, of := range order {
			look.RoleOrder = append(look.RoleOrder, of.Any())
		}
	}
	ids, total := x.Find(look)
	*info = q.Of(total)
	of := make([]ID, len(ids))
	for i := range ids {
		of[i] = ID(ids[i])
	}
	return listed(ctx, tx, in, of)
}

// plain reports whether an index of the database serves the query, and a number that is kept.
func (q Query) plain() bool {
	conditions := 0
	for _, is := range []bool{!q.Role.IsZero(), !q.Node.IsZero(), !q.Identity.IsZero()} {
		if is {
			conditions++
		}
	}
	return conditions <= 1 && q.Sort.Key == byCreation.Key && q.Q == "" && q.State == "" && q.Under.IsZero() &&
		q.EndsBy == nil
}

// listPlain is List of a plain query: it needs nothing in memory.
func (s *Service) listPlain(
	ctx context.Context, in scope.Environment, q Query, info *page.Info,
) ([]Listed, error) {
	return view(ctx, s.DB, in, func(tx *database.Tx) ([]Listed, error) {
		query, args := selectIDs, []any{database.PlanAnew, in.ID}
		switch {
		case !q.Role.IsZero():
			query, args = selectIDsOfRole, append(args, q.Role)
		case !q.Node.IsZero():
			query, args = selectIDsAtNode, append(args, q.Node)
		case !q.Identity.IsZero():
			// What one person has is read whole: by the order SQLite would choose another index.
			query, args = selectIDsOfIdentity, append(args, q.Identity)
			q.Sort.Column = "a.created_at + 0"
		}
		total, err := q.countPlain(ctx, tx, in)
		if err != nil {
			return nil, err
		}
		*info = q.Of(total)
		ids, err := database.All(ctx, tx, func(row database.Scanner) (of ID, err error) {
			return of, row.Scan(&of)
		}, query+q.OrderBy("a.id")+q.Limit(), args...)
		if err != nil {
			return nil, err
		}
		return listed(ctx, tx, in, ids)
	})
}

// countPlain is how many there are of a plain query: a number that is kept, but for those of
// one person, who are few.
func (q Query) countPlain(ctx context.Context, tx *database.Tx, in scope.Environment) (n int, err error) {
	switch {
	case !q.Role.IsZero():
		return kept(ctx, tx, in.ID, tallyRole, q.Role.String())
	case !q.Node.IsZero():
		return n, tx.QueryRow(ctx, countPlaces, in.ID, q.Node).Scan(&n)
	case !q.Identity.IsZero():
		return n, tx.QueryRow(ctx, countOfIdentity, in.ID, q.Identity).Scan(&n)
	}
	return kept(ctx, tx, in.ID, tallyAll, "")
}

// listed reads the rows of a page, in the order of their ids.
func listed(ctx context.Context, tx *database.Tx, in scope.Environment, of []ID) ([]Listed, error) {
	if len(of) == 0 {
		return nil, nil
	}
	args := []any{in.ID}
	places := make(map[ID]int, len(of))
	for i, one := range of {
		args = append(args, one)
		places[one] = i
	}
	rows := make([]Listed, len(of))
	return rows, tx.Query(ctx, func(row database.Scanner) error {
		l := Listed{Access: Direct}
		err := row.Scan(append([]any{
			&l.ID, &l.Identity, &l.Node, &l.Role, &l.Window.From, &l.Window.To, &l.CreatedAt, &l.UpdatedAt, &l.RoleName,
			&l.NodeName,
		}, enduser.FieldsOf(&l.Who)...)...)
		l.State = l.Window.At(tx.Now)
		rows[places[l.ID]] = l
		return err
	}, selectListed+`(`+database.Marks(2, len(of))+`)`, args...)
}

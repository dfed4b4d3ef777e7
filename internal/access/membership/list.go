package membership

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
	"canopy.dev/canopy/internal/tenant/revision"
)

// Sorts are the sort keys of lists of identities. Each list stays inside one index of its
// tier, which holds all that it filters and sorts by.
var Sorts = page.Sorts{
	{Key: "created_at", Column: "m.created_at", Desc: true},
	{Key: "email", Column: "m.email"},
	{Key: "name", Column: "m.name_fold"},
}

// Activity filters a list of identities by their switch.
type Activity string

// The filters; "" is any.
const (
	SwitchedOn  Activity = "active"
	SwitchedOff Activity = "inactive"
)

// Query says which identities are looked for; what is zero filters nothing.
type Query struct {
	page.Request
	Only Activity
	// Unassigned leaves those who have no assignment in the Environment.
	Unassigned bool
}

// Service holds what is read of memberships. It is safe for concurrent use.
type Service struct{ DB *database.DB }

// List gives one page of the Environment's members.
func (s *Service) List(
	ctx context.Context, in scope.Environment, q Query,
) (list []enduser.Identity, info page.Info, err error) {
	list, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) ([]enduser.Identity, error) {
		list, info, err = Members(ctx, tx, in, q)
		return list, err
	})
	return list, info, err
}

// Members is List in a transaction.
func Members(
	ctx context.Context, tx *database.Tx, in scope.Environment, q Query,
) ([]enduser.Identity, page.Info, error) {
	l := looking{from: fromMembers, id: "m.identity_id", args: []any{database.PlanAnew, in.ID}}
	if q.Unassigned {
		l.from += ` AND m.assignment_count = 0`
	}
	return l.page(ctx, tx, q)
}

// Summary counts the Environment's members.
type Summary struct{ Total, Assigned int }

// Summary counts the Environment's members, and those of them who have any assignment there.
func (s *Service) Summary(ctx context.Context, in scope.Environment) (Summary, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (n Summary, err error) {
		return n, tx.QueryRow(ctx, selectSummary, in.ID).Scan(&n.Total, &n.Assigned)
	})
}

// Get reads a member of the Environment; identities.not_found.
func (s *Service) Get(ctx context.Context, in scope.Environment, who enduser.ID) (enduser.Identity, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (enduser.Identity, error) {
		return Member(ctx, tx, in, who)
	})
}

// Member is Get in a transaction.
func Member(
	ctx context.Context, tx *database.Tx, in scope.Environment, who enduser.ID,
) (enduser.Identity, error) {
	return found(enduser.Scan(tx.QueryRow(ctx, selectMember, in.ID, who)))
}

// AppMember reads somebody who has an active place in an Application; identities.not_found.
func AppMember(
	ctx context.Context, tx *database.Tx, in scope.Application, who enduser.ID,
) (enduser.Identity, error) {
	return found(enduser.Scan(tx.QueryRow(ctx, selectAppMember, in.Account.ID, in.ID, who)))
}

func found(i enduser.Identity, err error) (enduser.Identity, error) {
	if errors.Is(err, database.ErrNoRows) {
		err = enduser.ErrNotFound
	}
	return i, err
}

// AppMembers gives one page of those who have an active place in an Application.
func AppMembers(
	ctx context.Context, tx *database.Tx, in scope.Application, q Query,
) ([]enduser.Identity, page.Info, error) {
	l := looking{from: fromAppMembers, id: "m.identity_id", args: []any{database.PlanAnew, in.Account.ID, in.ID}}
	return l.page(ctx, tx, q)
}

// looking is what the statements of a list have in common: a page and a count, which
// together look at each row of an index once at most.
type looking struct {
	from string // up to the condition of its tier, with the row as m
	id   string // the column of the identity
	args []any  // PlanAnew, which takes no placeholder, comes first
}

// one is the placeholder of a further argument.
func (l *looking) one(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args)-1)
}

// page reads one page.
func (l looking) page(
	ctx context.Context, tx *database.Tx, q Query,
) (list []enduser.Identity, info page.Info, err error) {
	if q.Only != "" {
		l.from += ` AND m.is_active = ` + l.one(q.Only == SwitchedOn)
	}
	if q.Q != "" {
		l.from += ` AND m.search LIKE ` + l.one(text.LikePattern(q.Q)) + ` ESCAPE '\'`
	}
	order := q.OrderBy(l.id)
	query := `SELECT ` + enduser.Columns + ` FROM (SELECT ` + l.id + ` AS on_page` + l.from + order + q.Limit() +
		`) AS p` + enduser.JoinIdentity + `on_page` + strings.ReplaceAll(strings.ReplaceAll(order, l.id, "i.id"), "m.", "i.")
	list, err = database.All(ctx, tx, func(row database.Scanner) (enduser.Identity, error) {
		return enduser.Scan(row)
	}, query, slices.Clone(l.args)...)
	if err != nil {
		return nil, info, err
	}
	count, err := l.count(ctx, tx, q, list)
	return list, q.Of(count), err
}

// count is how many there are on all pages: what comes after the page's last row is counted,
// the page has looked at the rest.
func (l looking) count(ctx context.Context, tx *database.Tx, q Query, list []enduser.Identity) (int, error) {
	seen := q.Offset() + len(list)
	switch {
	case len(list) > 0 && len(list) < q.Take, len(list) == 0 && seen == 0:
		return seen, nil
	case len(list) == 0: // past the end
		seen = 0
	default:
		than := ` > `
		if q.Desc {
			than = ` < `
		}
		last := list[len(list)-1]
		l.from += ` AND (` + q.Sort.Column + `, ` + l.id + `)` + than + `(` + l.one(sortedBy(q.Sort, last)) + `, ` +
			l.one(last.ID) + `)`
	}
	var rest int
	err := tx.QueryRow(ctx, `SELECT count(*)`+l.from, l.args...).Scan(&rest)
	return seen + rest, err
}

// sortedBy is what a list has in the column of the sort.
func sortedBy(by page.Sort, i enduser.Identity) any {
	switch by.Key {
	case "email":
		return i.Email
	case "name":
		return i.NameFold()
	}
	return i.CreatedAt
}

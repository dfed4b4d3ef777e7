package membership

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
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
	// Holding leaves those who hold something there: a condition on the column of the
	// identity, whose arguments it adds by one. nil for none.
	Holding func(identity string, one func(any) string, in scope.Environment) string
}

// Service holds what is read of memberships. It is safe for concurrent use.
type Service struct{ DB *database.DB }

// List gives one page of those who are seen from the place.
func (s *Service) List(
	ctx context.Context, at Place, q Query,
) (list []enduser.Identity, info page.Info, err error) {
	list, err = Read(ctx, s.DB, at, func(tx *database.Tx) ([]enduser.Identity, error) {
		list, info, err = at.Members(ctx, tx, q)
		return list, err
	})
	return list, info, err
}

// Get reads one who is seen from the place; identities.not_found.
func (s *Service) Get(ctx context.Context, at Place, who enduser.ID) (enduser.Identity, error) {
	return Read(ctx, s.DB, at, func(tx *database.Tx) (enduser.Identity, error) { return at.Find(ctx, tx, who) })
}

// Members gives one page of those who are seen from an Environment or an Application.
func (p Place) Members(
	ctx context.Context, tx *database.Tx, q Query,
) ([]enduser.Identity, page.Info, error) {
	l := &looking{
		in: p.account.ID, from: fromMembers, id: "m.identity_id", args: []any{database.PlanAnew, p.environment.ID},
	}
	if app, is := p.AboveEnvironments(); is {
		l.from, l.args = fromAppMembers, []any{database.PlanAnew, p.account.ID, app.ID}
	}
	switch in, _ := p.Environment(); {
	case q.Unassigned && !p.environment.ID.IsZero():
		l.from += ` AND m.assignment_count = 0`
	case q.Unassigned:
		l.from += ` AND NOT EXISTS (SELECT 1 FROM membership here WHERE here.environment_id = ` + l.one(in.ID) + `
			AND here.identity_id = m.identity_id AND here.status = 'active' AND here.assignment_count > 0)`
	case q.Holding != nil:
		l.from += q.Holding(l.id, l.one, in)
	}
	return l.page(ctx, tx, q)
}

// Summary counts members.
type Summary struct{ Total, Assigned int }

// Summary counts the place's members, and those of them who have any assignment: from an
// Application in its default Environment.
func (s *Service) Summary(ctx context.Context, at Place) (Summary, error) {
	return Read(ctx, s.DB, at, func(tx *database.Tx) (n Summary, err error) {
		if app, is := at.AboveEnvironments(); is {
			in, _ := at.Environment()
			row := tx.QueryRow(ctx, selectAppSummary, at.account.ID, app.ID, in.ID)
			return n, row.Scan(&n.Total, &n.Assigned)
		}
		return n, tx.QueryRow(ctx, selectSummary, at.environment.ID).Scan(&n.Total, &n.Assigned)
	})
}

// Assignments are the numbers of assignments that people have in the Environment.
func Assignments(
	ctx context.Context, tx *database.Tx, in scope.Environment, of []enduser.ID,
) (map[enduser.ID]int, error) {
	n := make(map[enduser.ID]int, len(of))
	if len(of) == 0 {
		return n, nil
	}
	args := []any{in.ID}
	for _, one := range of {
		args = append(args, one)
	}
	return n, tx.Query(ctx, func(row database.Scanner) error {
		var who enduser.ID
		var count int
		err := row.Scan(&who, &count)
		n[who] = count
		return err
	}, selectCounts+`(`+database.Marks(2, len(of))+`)`, args...)
}

// findMember reads a member of an Environment.
func findMember(
	ctx context.Context, tx *database.Tx, in scope.Environment, who enduser.ID,
) (enduser.Identity, error) {
	return found(enduser.Scan(tx.QueryRow(ctx, selectMember, in.ID, who)))
}

// findAppMember reads somebody who has an active place in an Application.
func findAppMember(
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

// looking is what the statements of a list have in common: a page and a count, which
// together look at each row of an index once at most.
type looking struct {
	in   scope.AccountID
	from string // up to the condition of its tier, with the row as m
	id   string // the column of the identity
	args []any  // PlanAnew, which takes no placeholder, comes first
}

// one is the placeholder of a further argument.
func (l *looking) one(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args)-1)
}

// mostSkipped is how many rows before a page are read to know how many there are: what is
// found on the way to a page past the end needs no second look.
const mostSkipped = 10_000

// page reads one page.
func (l *looking) page(
	ctx context.Context, tx *database.Tx, q Query,
) (list []enduser.Identity, info page.Info, err error) {
	if q.Only != "" {
		l.from += ` AND m.is_active = ` + l.one(q.Only == SwitchedOn)
	}
	if q.Q != "" {
		l.from += ` AND m.search LIKE ` + l.one(text.LikePattern(q.Q)) + ` ESCAPE '\'`
	}
	skipped, upTo := 0, q.Offset()+q.Take
	if q.Offset() > mostSkipped {
		skipped = q.Offset()
	} else if q.Q != "" || q.Unassigned || q.Holding != nil {
		upTo = max(upTo, mostSkipped) // it may be that there are no more
	}
	limit := ` LIMIT ` + strconv.Itoa(upTo-skipped) + ` OFFSET ` + strconv.Itoa(skipped)
	found, err := database.All(ctx, tx, func(row database.Scanner) (of enduser.ID, err error) {
		return of, row.Scan(&of)
	}, `SELECT `+l.id+l.from+q.OrderBy(l.id)+limit, slices.Clone(l.args)...)
	if err != nil {
		return nil, info, err
	}
	onPage := found[min(len(found), q.Offset()-skipped):]
	list, err = enduser.FindAll(ctx, tx, l.in, onPage[:min(len(onPage), q.Take)])
	if err != nil {
		return nil, info, err
	}
	count, err := l.count(ctx, tx, q, skipped, upTo, found)
	return list, q.Of(count), err
}

// count is how many there are on all pages, of which some were skipped and some found, up to
// some number: what comes after the last of them is counted.
func (l *looking) count(
	ctx context.Context, tx *database.Tx, q Query, skipped, upTo int, found []enduser.ID,
) (int, error) {
	seen := skipped + len(found)
	switch {
	case len(found) == 0 && skipped > 0: // past the end
		seen = 0
	case seen < upTo:
		return seen, nil
	default:
		than := ` > `
		if q.Desc {
			than = ` < `
		}
		last, err := enduser.Find(ctx, tx, l.in, found[len(found)-1])
		if err != nil {
			return 0, err
		}
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

package identityinvite

import (
	"context"
	"slices"
	"strconv"
	"time"

	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// Query says which invites are looked for; what is zero filters nothing.
type Query struct {
	page.Request
	Status      Status
	Environment scope.EnvironmentID // only those into it
	Directory   bool                // only those that lead into no Environment
}

// List gives one page of the invites that are seen from the place, sorted by one of Sorts.
func (s *Service) List(
	ctx context.Context, at membership.Place, q Query,
) (list []Invite, info page.Info, err error) {
	list, err = membership.Read(ctx, s.DB, at, func(tx *database.Tx) ([]Invite, error) {
		l := looking(at, q, tx.Now)
		list, err := database.All(ctx, tx, func(row database.Scanner) (Invite, error) {
			i, err := scan(row)
			return i.at(tx.Now), err
		}, l.onPage(q.Request), slices.Clone(l.args)...)
		if err != nil {
			return nil, err
		}
		count, rest := q.Offset()+len(list), 0
		switch {
		case len(list) == q.Take:
			err = tx.QueryRow(ctx, l.afterPage(q.Request, list[len(list)-1]), l.args...).Scan(&rest)
		case len(list) == 0 && q.Offset() > 0: // past the end
			count, err = 0, tx.QueryRow(ctx, `SELECT count(*)`+l.from, l.args...).Scan(&rest)
		}
		info = q.Of(count + rest)
		return list, err
	})
	return list, info, err
}

// looked is what the statements of a list have in common: a page and a count, which together
// look at each invite of the place once at most.
type looked struct {
	from string
	args []any // PlanAnew, which takes no placeholder, comes first
}

// one is the placeholder of a further argument.
func (l *looked) one(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args)-1)
}

func looking(at membership.Place, q Query, now time.Time) *looked {
	tier, of := tierOf(at)
	l := &looked{tier, []any{database.PlanAnew, of}}
	if q.Directory {
		l.from += ` AND v.environment_id IS NULL`
	}
	if !q.Environment.IsZero() {
		l.from += ` AND v.environment_id = ` + l.one(q.Environment)
	}
	switch q.Status {
	case Pending:
		l.from += ` AND v.status = 'pending' AND v.expires_at > ` + l.one(now)
	case Expired:
		l.from += ` AND (v.status = 'expired' OR v.status = 'pending' AND v.expires_at <= ` + l.one(now) + `)`
	case Accepted, Revoked:
		l.from += ` AND v.status = ` + l.one(string(q.Status))
	}
	if q.Q != "" {
		l.from += ` AND v.search LIKE ` + l.one(text.LikePattern(q.Q)) + ` ESCAPE '\'`
	}
	return l
}

// onPage reads a page.
func (l *looked) onPage(r page.Request) string {
	return `SELECT ` + columns + l.from + r.OrderBy("v.id") + r.Limit()
}

// afterPage counts what comes after the page's last row.
func (l *looked) afterPage(r page.Request, last Invite) string {
	var key any
	switch r.Sort.Key {
	case "created_at":
		key = last.CreatedAt
	case "expires_at":
		key = last.ExpiresAt
	case "email":
		key = last.Email
	case "name":
		key = folded(last.FirstName, last.LastName)
	}
	than := " > "
	if r.Desc {
		than = " < "
	}
	return `SELECT count(*)` + l.from + ` AND (` + r.Sort.Column + `, v.id)` + than +
		`(` + l.one(key) + `, ` + l.one(last.ID) + `)`
}

package event

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// Filter says which rows of an Account are meant, hidden ones never. Zero fields ask nothing.
type Filter struct {
	Account scope.AccountID // must be given
	On      Surfaces        // rows of any of these; must be given
	From    time.Time       // inclusive; must be given
	To      time.Time       // inclusive; must be given

	Application  scope.ApplicationID
	Environment  scope.EnvironmentID
	Actions      []string // any of these
	Category     Category
	Severity     Severity
	Outcome      Outcome
	ActorType    string
	ResourceType string
	ActorID      id.ID
	ResourceID   id.ID
	Correlation  string
	Q            string // part of a label or of a value of the payload, whatever its case
}

// Mark is where a page ends: at a row. The zero Mark is before all.
type Mark struct {
	At time.Time
	ID RowID
}

// MarkOf is the place of a row.
func MarkOf(r *Row) Mark { return Mark{r.CreatedAt, r.ID} }

// Order is that of a list of rows, by instant and id.
type Order bool

// The orders.
const (
	NewestFirst Order = false
	OldestFirst Order = true
)

// Find gives the first rows behind a place that a filter means.
//
// Rows are of few kinds: each combination of action, category, severity, outcome, type of actor
// and resource, and surfaces is one. Which kinds there are is found by leaping through the
// index from one to the next; those that are meant are read in order, merged. So a page costs
// a leap for each kind and each row of it, whatever is asked and however rare it is. Of several
// ids the one that should have the fewest rows is looked up, and the others are compared.
func Find(ctx context.Context, tx *database.Tx, f Filter, behind Mark, limit int, order Order) ([]Row, error) {
	w := f.way()
	kinds, err := f.kinds(ctx, tx, w)
	if err != nil || len(kinds) == 0 {
		return []Row{}, err
	}
	list, err := json.Marshal(kinds)
	if err != nil {
		return nil, err
	}
	b := &finder{filter: f, way: w, order: order}
	statement := b.merged(tx.DB.Engine, string(list), behind, limit)
	return database.All(ctx, tx, scanRow, statement, append([]any{database.PlanAnew}, b.args...)...)
}

// One gives a row of an Account, hidden or not; ErrNoRows.
func One(ctx context.Context, tx *database.Tx, in scope.AccountID, of RowID) (Row, error) {
	return scanRow(tx.QueryRow(ctx, selectOne, in, of))
}

const selectOne = `SELECT ` + rowColumns + ` FROM audit_event e WHERE account_id = $1 AND id = $2`

// Matches reports whether the filter means a row; of the window nothing is asked.
func (f *Filter) Matches(r *Row) bool {
	ids := r.Account == f.Account &&
		(f.Application.IsZero() || r.Application == f.Application) &&
		(f.Environment.IsZero() || r.Environment == f.Environment) &&
		(f.ActorID.IsZero() || r.ActorID == f.ActorID) && (f.ResourceID.IsZero() || r.ResourceID == f.ResourceID) &&
		(f.Correlation == "" || r.Correlation == f.Correlation)
	return ids && f.means(kindOf(r)) &&
		(f.Q == "" || strings.Contains(searched(r.ActorLabel, r.ResourceLabel, r.Metadata), text.Fold(f.Q)))
}

// way is the index by which rows are found.
type way struct {
	column string
	index  string // SQLite is told its name
	is     any
}

func (f *Filter) way() way {
	switch {
	case f.Correlation != "":
		return way{"correlation_id", "audit_event_correlation", f.Correlation}
	case !f.ResourceID.IsZero():
		return way{"resource_id", "audit_event_resource", f.ResourceID}
	case !f.ActorID.IsZero():
		return way{"actor_id", "audit_event_actor", f.ActorID}
	case !f.Environment.IsZero():
		return way{"environment_id", "audit_event_environment", f.Environment}
	case !f.Application.IsZero():
		return way{"application_id", "audit_event_application", f.Application}
	}
	return way{"account_id", "audit_event_kind", f.Account}
}

// kind is what all rows of a kind have in common.
type kind struct {
	action, resource string
	category         Category
	outcome          Outcome
	severity         Severity
	actor            principal.Kind
	surfaces         Surfaces
	visible          bool
}

func kindOf(r *Row) kind {
	return kind{r.Action, r.ResourceType, r.Category, r.Outcome, r.Severity, r.ActorType, r.Surfaces, !r.Hidden}
}

// number is the kind in the store: equal for equal kinds. Another number for the same kind does
// no harm, as rows of before an upgrade have it.
func (k kind) number() int64 {
	// FNV-1a, without the sign.
	h := uint64(14695981039346656037)
	for _, word := range []string{
		k.action, k.resource, string(k.category), string(k.outcome), string(k.severity), string(k.actor),
		strconv.Itoa(int(k.surfaces)), strconv.FormatBool(k.visible),
	} {
		for i := range len(word) {
			h = (h ^ uint64(word[i])) * 1099511628211
		}
		h *= 1099511628211 // the word's end
	}
	return int64(h >> 1) //nolint:gosec // 63 bits
}

// means reports whether the filter may mean rows of a kind.
func (f *Filter) means(k kind) bool {
	return k.visible && k.surfaces&f.On != 0 &&
		(len(f.Actions) == 0 || slices.Contains(f.Actions, k.action)) &&
		(f.Category == "" || f.Category == k.category) && (f.Severity == "" || f.Severity == k.severity) &&
		(f.Outcome == "" || f.Outcome == k.outcome) && (f.ActorType == "" || f.ActorType == string(k.actor)) &&
		(f.ResourceType == "" || f.ResourceType == k.resource)
}

// kinds are those of the rows on a way that the filter means.
func (f *Filter) kinds(ctx context.Context, tx *database.Tx, w way) (list []int64, err error) {
	statement := `WITH RECURSIVE found(kind) AS (
			SELECT min(kind) FROM audit_event WHERE ` + w.column + ` = $1
			UNION ALL
			SELECT (SELECT min(kind) FROM audit_event WHERE ` + w.column + ` = $1 AND kind > found.kind)
				FROM found WHERE found.kind IS NOT NULL
		)
		SELECT found.kind, e.action, COALESCE(e.resource_type, ''), e.category, e.outcome, e.severity, e.actor_type,
			e.surfaces, e.customer_visible
		FROM found CROSS JOIN audit_event e WHERE found.kind IS NOT NULL
			AND e.id = (SELECT id FROM audit_event WHERE ` + w.column + ` = $1 AND kind = found.kind LIMIT 1)`
	err = tx.Query(ctx, func(row database.Scanner) error {
		var number int64
		var k kind
		err := row.Scan(&number, &k.action, &k.resource, &k.category, &k.outcome, &k.severity, &k.actor, &k.surfaces,
			&k.visible)
		if err == nil && f.means(k) {
			list = append(list, number)
		}
		return err
	}, statement, w.is)
	return list, err
}

// finder puts a statement together.
type finder struct {
	filter Filter
	way    way
	order  Order
	args   []any
}

// one adds an argument, and gives its place.
func (b *finder) one(arg any) string {
	b.args = append(b.args, arg)
	return "$" + strconv.Itoa(len(b.args))
}

// merged is the statement that reads the rows of some kinds in order.
func (b *finder) merged(engine database.Engine, kinds string, behind Mark, limit int) string {
	f := &b.filter
	begin, end := Mark{f.To, afterAll}, f.From
	upTo, beyond, until, direction := "<=", "<", ">=", " DESC"
	if b.order == OldestFirst {
		begin, end = Mark{f.From, RowID{}}, f.To
		upTo, beyond, until, direction = ">=", ">", "<=", ""
	}
	if behind != (Mark{}) {
		begin = behind
	}
	is, list, most := b.one(b.way.is), b.one(kinds), b.one(limit)
	at, of, last := b.one(begin.At), b.one(begin.ID.String()), b.one(end)
	others, from := b.others(), `audit_event`
	if engine == database.SQLite {
		from += ` INDEXED BY ` + b.way.index
	}
	// next are the rows of a kind behind a place. Its instant alone bounds them, as indexes want
	// it; a row value would have SQLite read on beyond the window.
	next := func(column, kind, at, of, most string) string {
		return `SELECT ` + column + ` FROM ` + from + ` WHERE ` + b.way.column + ` = ` + is + ` AND kind = ` + kind + `
			AND created_at ` + upTo + ` ` + at + ` AND created_at ` + until + ` ` + last + `
			AND (created_at <> ` + at + ` OR id ` + beyond + ` ` + of + `)` + others + `
			ORDER BY created_at` + direction + `, id` + direction + ` LIMIT ` + most
	}
	account := ` WHERE e.account_id = ` + b.one(f.Account) + ` ORDER BY e.created_at` + direction + `, e.id` + direction
	if engine == database.Postgres {
		return `SELECT ` + rowColumns + ` FROM audit_event e JOIN (
			SELECT r.id FROM json_array_elements_text(CAST(` + list + ` AS JSON)) AS k
			CROSS JOIN LATERAL (` + next("id, created_at", "CAST(k.value AS BIGINT)", at, of, most) + `) AS r
			ORDER BY r.created_at` + direction + `, r.id` + direction + ` LIMIT ` + most + `
		) AS found USING (id)` + account
	}
	// SQLite keeps the heads of all kinds in a queue, and goes on behind the first.
	return `WITH RECURSIVE walk(at, row, kind) AS (
			SELECT e.created_at, e.id, e.kind FROM json_each(` + list + `) AS k CROSS JOIN audit_event e
				WHERE e.rowid = (` + next("rowid", "k.value", at, of, "1") + `)
			UNION ALL
			SELECT e.created_at, e.id, e.kind FROM walk CROSS JOIN audit_event e
				WHERE e.rowid = (` + next("rowid", "walk.kind", "walk.at", "walk.row", "1") + `)
			ORDER BY 1` + direction + `, 2` + direction + ` LIMIT ` + most + `
		)
		SELECT ` + rowColumns + ` FROM walk CROSS JOIN audit_event e ON e.id = walk.row` + account
}

// afterAll is an id behind that of every row.
var afterAll = RowID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// others are the conditions on what is not looked up. They are written so that no index
// answers them: the way is chosen here, and not by what the store believes of its rows.
func (b *finder) others() (conditions string) {
	f := &b.filter
	for _, o := range []struct {
		column string
		is     id.ID
	}{
		{"resource_id", f.ResourceID},
		{"actor_id", f.ActorID},
		{"environment_id", f.Environment.Any()},
		{"application_id", f.Application.Any()},
		{"account_id", f.Account.Any()},
	} {
		if !o.is.IsZero() && o.column != b.way.column {
			conditions += ` AND ` + o.column + ` || '' = ` + b.one(o.is)
		}
	}
	if f.Q != "" {
		conditions += ` AND search LIKE ` + b.one(text.LikePattern(f.Q)) + ` ESCAPE '\'`
	}
	return conditions
}

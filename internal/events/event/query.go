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
	Account scope.AccountID // zero: the rows without one
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
// ids the one that should have the fewest rows is looked up, and the others are compared. A text
// alone is looked for in every row of the window.
func Find(ctx context.Context, tx *database.Tx, f Filter, behind Mark, limit int, order Order) ([]Row, error) {
	fresh, err := f.fresh(ctx, tx, behind, limit, order)
	if err != nil {
		return nil, err
	}
	indexed, err := f.indexed(ctx, tx, behind, limit, order)
	return order.merge(fresh, indexed, limit), err
}

// indexed is Find among the rows that indexes lead to.
func (f *Filter) indexed(ctx context.Context, tx *database.Tx, behind Mark, limit int, order Order) ([]Row, error) {
	w := f.way()
	kinds, err := f.kinds(ctx, tx, w)
	if err != nil || len(kinds) == 0 {
		return []Row{}, err
	}
	list, err := json.Marshal(kinds)
	if err != nil {
		return nil, err
	}
	b := &finder{filter: *f, way: w, engine: tx.DB.Engine}
	b.between(behind, order)
	var statement string
	if f.Q != "" && w.wide {
		statement = b.searched(string(list), limit)
	} else {
		statement = b.merged(string(list), limit)
	}
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
	wide   bool   // it leads to very many rows
	is     any
}

func (f *Filter) way() way {
	switch {
	case f.Correlation != "":
		return way{"correlation_id", "audit_index_correlation", false, f.Correlation}
	case !f.ResourceID.IsZero():
		return way{"resource_id", "audit_index_resource", false, f.ResourceID}
	case !f.ActorID.IsZero():
		return way{"actor_id", "audit_index_actor", false, f.ActorID}
	case !f.Environment.IsZero():
		return way{"environment_id", "audit_index_environment", true, f.Environment}
	case !f.Application.IsZero():
		return way{"application_id", "audit_index_application", true, f.Application}
	}
	return way{"account_id", "audit_index_kind", true, SealedIn(f.Account)}
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
	return int64(h >> 1)
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
			SELECT min(kind) FROM audit_index WHERE ` + w.column + ` = $1
			UNION ALL
			SELECT (SELECT min(kind) FROM audit_index WHERE ` + w.column + ` = $1 AND kind > found.kind)
				FROM found WHERE found.kind IS NOT NULL
		)
		SELECT found.kind, e.action, COALESCE(e.resource_type, ''), e.category, e.outcome, e.severity, e.actor_type,
			e.surfaces, e.customer_visible
		FROM found CROSS JOIN audit_event e WHERE found.kind IS NOT NULL
			AND e.id = (SELECT id FROM audit_index WHERE ` + w.column + ` = $1 AND kind = found.kind
				ORDER BY created_at LIMIT 1)`
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
	engine database.Engine
	args   []any

	at, of, last               string // arguments: the place behind which rows are, and the window's other end
	upTo, beyond, until, order string // words
}

// one adds an argument, and gives its place.
func (b *finder) one(arg any) string {
	b.args = append(b.args, arg)
	return "$" + strconv.Itoa(len(b.args))
}

// between says where in the window rows are.
func (b *finder) between(behind Mark, order Order) {
	begin, end := Mark{b.filter.To, afterAll}, b.filter.From
	b.upTo, b.beyond, b.until, b.order = "<=", "<", ">=", " DESC"
	if order == OldestFirst {
		begin, end = Mark{b.filter.From, RowID{}}, b.filter.To
		b.upTo, b.beyond, b.until, b.order = ">=", ">", "<=", ""
	}
	if behind != (Mark{}) {
		begin = behind
	}
	b.at, b.of, b.last = b.one(begin.At), b.one(begin.ID.String()), b.one(end)
}

// behind is the condition of rows behind a place, up to the window's end. The instant alone
// bounds them, as indexes want it; a row value would have SQLite read on beyond the window.
func (b *finder) behind(at, of string) string {
	return ` AND created_at ` + b.upTo + ` ` + at + ` AND created_at ` + b.until + ` ` + b.last + `
		AND (created_at <> ` + at + ` OR id ` + b.beyond + ` ` + of + `)`
}

// from is the table, read by an index.
func (b *finder) from(index string) string {
	if b.engine == database.SQLite {
		return `audit_index INDEXED BY ` + index
	}
	return `audit_index`
}

// ordered ends a statement about rows e.
func (b *finder) ordered() string {
	return ` ORDER BY e.created_at` + b.order + `, e.id` + b.order
}

// merged is the statement that reads the rows of some kinds in order.
func (b *finder) merged(kinds string, limit int) string {
	is, list, most := b.one(b.way.is), b.one(kinds), b.one(limit)
	others, from := b.others(), b.from(b.way.index)
	// next are the rows of a kind behind a place.
	next := func(column, kind, at, of, most string) string {
		return `SELECT ` + column + ` FROM ` + from + ` WHERE ` + b.way.column + ` = ` + is + ` AND kind = ` + kind +
			b.behind(at, of) + others + ` ORDER BY created_at` + b.order + `, id` + b.order + ` LIMIT ` + most
	}
	if b.engine == database.Postgres {
		return `SELECT ` + rowColumns + ` FROM audit_event e JOIN (
			SELECT r.id FROM json_array_elements_text(CAST(` + list + ` AS JSON)) AS k
			CROSS JOIN LATERAL (` + next("id, created_at", "CAST(k.value AS BIGINT)", b.at, b.of, most) + `) AS r
			ORDER BY r.created_at` + b.order + `, r.id` + b.order + ` LIMIT ` + most + `
		) AS found USING (id)` + b.ordered()
	}
	// SQLite keeps the heads of all kinds in a queue, and goes on behind the first.
	return `WITH RECURSIVE walk(at, row, kind) AS (
			SELECT x.created_at, x.id, x.kind FROM json_each(` + list + `) AS k CROSS JOIN audit_index x
				WHERE x.rowid = (` + next("rowid", "k.value", b.at, b.of, "1") + `)
			UNION ALL
			SELECT x.created_at, x.id, x.kind FROM walk CROSS JOIN audit_index x
				WHERE x.rowid = (` + next("rowid", "walk.kind", "walk.at", "walk.row", "1") + `)
			ORDER BY 1` + b.order + `, 2` + b.order + ` LIMIT ` + most + `
		)
		SELECT ` + rowColumns + ` FROM walk CROSS JOIN audit_event e ON e.id = walk.row` + b.ordered()
}

// searched is the statement that reads the window in order, and looks into each row. What is
// asked besides is looked at in rows alone that have the text: there SQLite's index holds it,
// and reads of the rows themselves are many times as slow.
func (b *finder) searched(kinds string, limit int) string {
	given := b.one(kinds)
	list := `SELECT value FROM json_each(` + given + `)`
	if b.engine == database.Postgres {
		list = `SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(` + given + ` AS JSON))`
	}
	text, most := b.text(), b.one(limit)
	b.filter.Q = ""
	b.way.column = "account_id"
	return `SELECT ` + rowColumns + ` FROM (
			SELECT id AS hit FROM ` + b.from("audit_index_account") + ` WHERE account_id = ` + b.one(b.filter.Account) +
		b.behind(b.at, b.of) + ` AND CASE WHEN ` + text + ` THEN kind IN (` + list + `)` + b.others() + ` ELSE ` +
		b.no() + ` END
			ORDER BY created_at` + b.order + `, id` + b.order + ` LIMIT ` + most + `
		) AS found CROSS JOIN audit_event e WHERE e.id = found.hit` + b.ordered()
}

// no is false.
func (b *finder) no() string {
	if b.engine == database.SQLite {
		return `0`
	}
	return `FALSE`
}

// text is the condition of rows that hold the text. Both sides are folded, and no character has
// a meaning of its own.
func (b *finder) text() string {
	q := b.one(text.Fold(b.filter.Q))
	if b.engine == database.SQLite {
		return `instr(search, ` + q + `) > 0`
	}
	return `strpos(search, ` + q + `) > 0`
}

// afterAll is an id behind that of every row.
var afterAll = RowID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// others are the conditions on what is not looked up. They are written so that no index
// answers them, and that PostgreSQL still knows how many rows they leave: the way is chosen
// here.
func (b *finder) others() string {
	f := &b.filter
	var conditions strings.Builder
	if b.way.column != "account_id" {
		conditions.WriteString(` AND (account_id = ` + b.one(SealedIn(f.Account)) + `) IS TRUE`)
	}
	for _, o := range []struct {
		column string
		is     id.ID
	}{
		{"resource_id", f.ResourceID},
		{"actor_id", f.ActorID},
		{"environment_id", f.Environment.Any()},
		{"application_id", f.Application.Any()},
	} {
		if !o.is.IsZero() && o.column != b.way.column {
			conditions.WriteString(` AND (` + o.column + ` = ` + b.one(o.is) + `) IS TRUE`)
		}
	}
	if f.Q != "" {
		conditions.WriteString(` AND ` + b.text())
	}
	return conditions.String()
}

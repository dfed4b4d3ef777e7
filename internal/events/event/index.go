package event

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// What rows are found by is in audit_index. A row comes there when it is sealed, so that its
// write pays for no index; a row that is not there yet is fresh, and looked at itself. Sealing
// adds to the one what it takes from the other: who reads what is fresh first misses nothing.

const (
	insertIndexed = `INSERT INTO audit_index (id, account_id, application_id, environment_id, actor_id, resource_id,
		correlation_id, created_at, kind, search) VALUES `
	indexedValues = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	// againIndexed: it was erased meanwhile.
	againIndexed = ` ON CONFLICT (id) DO UPDATE SET search = excluded.search`

	selectFresh = `SELECT ` + rowColumns + ` FROM audit_event e WHERE created_at >= $2 AND created_at <= $3 AND id IN (
		SELECT u.event_id FROM audit_unsealed u WHERE u.account_id = $1
			AND NOT EXISTS (SELECT 1 FROM audit_index x WHERE x.id = u.event_id))`

	selectIndexed = `SELECT id, application_id, environment_id, actor_id, resource_id, COALESCE(correlation_id, ''),
		created_at, kind, search FROM audit_index WHERE account_id = $1 AND id IN (`
)

// Index has rows be found by what they hold.
func Index(ctx context.Context, tx *database.Tx, rows map[RowID]Row) error {
	for piece := range slices.Chunk(slices.SortedFunc(maps.Values(rows), OldestFirst.compare), database.Piece) {
		var args []any
		for i := range piece {
			r := &piece[i]
			args = append(args, r.ID, SealedIn(r.Account), r.Application, r.Environment, r.ActorID, r.ResourceID,
				orNull(r.Correlation), r.CreatedAt, kindOf(r).number(), searched(r.ActorLabel, r.ResourceLabel, r.Metadata))
		}
		statement := insertIndexed + database.Rows(indexedValues, 0, len(piece)) + againIndexed
		if _, err := tx.Exec(ctx, statement, args...); err != nil {
			return err
		}
	}
	return nil
}

// Filing checks what rows are found by. It is for one goroutine.
type Filing struct{ kinds map[int64]kind }

// Misfiled are those of some rows of an Account, by id, that would not be found by all that they
// hold: behind the server's back somebody has taken them out of the index, or changed them there.
func (g *Filing) Misfiled(
	ctx context.Context, tx *database.Tx, in scope.AccountID, rows map[RowID]Row,
) (wrong []RowID, err error) {
	if g.kinds == nil {
		g.kinds = map[int64]kind{}
	}
	right := map[RowID]bool{}
	err = database.Name(slices.Collect(maps.Keys(rows)), func(marks string, args []any) error {
		return tx.Query(ctx, func(row database.Scanner) error {
			var x Row
			var number int64
			var search string
			err := row.Scan(&x.ID, &x.Application, &x.Environment, &x.ActorID, &x.ResourceID, &x.Correlation,
				&x.CreatedAt, &number, &search)
			r := rows[x.ID]
			is, known := g.kinds[number]
			if !known {
				is = kindOf(&r) // whatever its number, all of it are of one kind
				g.kinds[number] = is
			}
			right[x.ID] = is == kindOf(&r) && x.Application == r.Application && x.Environment == r.Environment &&
				x.ActorID == r.ActorID && x.ResourceID == r.ResourceID && x.Correlation == r.Correlation &&
				x.CreatedAt.Equal(r.CreatedAt) && r.isSearched(search)
			return err
		}, selectIndexed+marks+`)`, args...)
	}, SealedIn(in))
	for of := range rows {
		if !right[of] {
			wrong = append(wrong, of)
		}
	}
	return wrong, err
}

// isSearched reports whether a text is what a search looks into; rows of before an upgrade have
// another.
func (r *Row) isSearched(in string) bool {
	return in == searched(r.ActorLabel, r.ResourceLabel, r.Metadata) ||
		text.Fold(in) == text.Fold(r.ActorLabel+" "+r.ResourceLabel+" "+string(r.Metadata))
}

// fresh are the rows behind a place that a filter means and that no index leads to yet, the
// first of them in order.
func (f *Filter) fresh(
	ctx context.Context, tx *database.Tx, behind Mark, limit int, order Order,
) (list []Row, err error) {
	cut := func() {
		slices.SortFunc(list, order.compare)
		list = list[:min(len(list), limit)]
	}
	err = tx.Query(ctx, func(row database.Scanner) error {
		r, err := scanRow(row)
		if err == nil && f.Matches(&r) && (behind == Mark{} || order.marks(MarkOf(&r), behind) > 0) {
			list = append(list, r)
		}
		if len(list) > 2*limit { // of very many only the first are kept
			cut()
		}
		return err
	}, selectFresh, SealedIn(f.Account), f.From, f.To)
	cut()
	return list, err
}

// marks compares two places in an order.
func (o Order) marks(a, b Mark) int {
	by := a.At.Compare(b.At)
	if by == 0 {
		by = bytes.Compare(a.ID[:], b.ID[:])
	}
	if o == NewestFirst {
		return -by
	}
	return by
}

func (o Order) compare(a, b Row) int { return o.marks(MarkOf(&a), MarkOf(&b)) }

// merge puts two lists in order into one, in which no row is twice.
func (o Order) merge(a, b []Row, limit int) []Row {
	if len(a) == 0 {
		return b
	}
	all := slices.Concat(a, b)
	slices.SortFunc(all, o.compare)
	all = slices.CompactFunc(all, func(a, b Row) bool { return a.ID == b.ID })
	return all[:min(len(all), limit)]
}

// searched is what a search looks into: the labels and the values of the payload, a line each,
// folded. Names of members are not values.
func searched(actor, resource string, metadata jsontext.Value) string {
	var b strings.Builder
	b.WriteString(actor)
	b.WriteByte('\n')
	b.WriteString(resource)
	d := jsontext.NewDecoder(strings.NewReader(string(metadata)))
	for {
		kind, length := d.StackIndex(d.StackDepth())
		token, err := d.ReadToken()
		if err != nil {
			break // at the end: it was marshalled by us
		}
		if name := kind == '{' && length%2 == 0; name {
			continue
		}
		if kind := token.Kind(); kind == '"' || kind == '0' || kind == 't' || kind == 'f' {
			b.WriteByte('\n')
			b.WriteString(token.String())
		}
	}
	return text.Fold(b.String())
}

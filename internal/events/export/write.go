package export

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/text"
)

// writer writes rows in a format.
type writer interface {
	// begin writes what comes before the rows.
	begin() error
	row(r *event.Row) error
}

func newWriter(f Format, to *bytes.Buffer) writer {
	if f == NDJSON {
		return &lines{to, jsontext.NewEncoder(to, codec)}
	}
	return &table{to, csv.NewWriter(to), make([]string, 0, len(columns))}
}

// codec writes rows as answers do: instants in milliseconds.
var codec = json.JoinOptions(json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, t time.Time) error {
	return e.WriteToken(jsontext.String(text.InstantOf(t)))
})), json.Deterministic(true))

// lines is NDJSON.
type lines struct {
	to *bytes.Buffer
	e  *jsontext.Encoder
}

func (*lines) begin() error { return nil }

// row writes a line; the encoder ends it.
func (w *lines) row(r *event.Row) error { return json.MarshalEncode(w.e, event.Shown(*r), codec) }

// columns are the members of a row, in their order.
var columns = []string{
	"id", "account_id", "application_id", "environment_id", "actor_id", "actor_type", "action", "resource_type",
	"resource_id", "metadata", "created_at", "actor_label", "resource_label", "correlation_id", "outcome", "category",
	"severity", "customer_visible", "identity_visible",
}

// table is CSV.
type table struct {
	to    *bytes.Buffer
	csv   *csv.Writer
	cells []string
}

func (w *table) begin() error { return w.line(columns) }

func (w *table) row(r *event.Row) error {
	w.cells = append(w.cells[:0],
		r.ID.String(), named(r.Account), named(r.Application), named(r.Environment), named(r.ActorID), string(r.ActorType),
		r.Action, r.ResourceType, named(r.ResourceID), string(r.Metadata), text.InstantOf(r.CreatedAt), r.ActorLabel,
		r.ResourceLabel, r.Correlation, string(r.Outcome), string(r.Category), string(r.Severity),
		strconv.FormatBool(!r.Hidden), strconv.FormatBool(r.IdentityVisible))
	for i := range w.cells {
		w.cells[i] = harmless(w.cells[i])
	}
	return w.line(w.cells)
}

// line ends in CR LF, as RFC 4180 wants it. The library's own way would change line ends within
// cells, too.
func (w *table) line(cells []string) error {
	if err := w.csv.Write(cells); err != nil {
		return err
	}
	w.csv.Flush()
	w.to.Truncate(w.to.Len() - 1)
	w.to.WriteString("\r\n")
	return w.csv.Error()
}

// harmless is a cell that no program takes for a formula.
func harmless(cell string) string {
	if cell != "" {
		switch cell[0] {
		case '=', '+', '-', '@', '\t', '\r':
			return "'" + cell
		}
	}
	return cell
}

// named is an id in a cell; none is an empty one.
func named[I interface {
	IsZero() bool
	String() string
}](of I) string {
	if of.IsZero() {
		return ""
	}
	return of.String()
}

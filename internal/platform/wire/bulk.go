package wire

import (
	"net/http"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/text"
)

// Rows are the rows of a bulk call, each to become a T by itself: a bad row fails
// alone. The call as a whole takes any rows; the document shows rows of T.
type Rows[T any] []jsontext.Value

// Bulk is the answer of a bulk call: 200 when every row succeeded, else 207.
type Bulk[T any] struct {
	Summary BulkSummary  `json:"summary"`
	Results []BulkRow[T] `json:"results" doc:"One entry per row, in the order of the rows."`
}

// BulkSummary counts the rows.
type BulkSummary struct {
	Total     int `json:"total"     doc:"Rows in all."         example:"2"`
	Succeeded int `json:"succeeded" doc:"Rows that were done." example:"1"`
	Failed    int `json:"failed"    doc:"Rows that were not."  example:"1"`
}

// BulkStatus says how one row ended.
type BulkStatus string

// Enum lists the statuses, for schemas.
func (BulkStatus) Enum() []string { return []string{"success", "error"} }

// BulkRow is how one row ended.
type BulkRow[T any] struct {
	Index  int            `json:"index"           doc:"Which row, from 0." example:"0"`
	Status BulkStatus     `json:"status"          doc:"How it ended."`
	Code   int            `json:"code"            doc:"The HTTP status that the row would have had alone." example:"201"`
	Data   *T             `json:"data,omitempty"  doc:"What was made, with success."`
	Input  jsontext.Value `json:"input,omitempty" doc:"The row without secrets, with error; left out beyond 1 KiB."`
	Error  *BulkFault     `json:"error,omitempty" doc:"What was wrong, with error."`
}

// BulkFault is what was wrong with a row.
type BulkFault struct {
	Code    string   `json:"code"    doc:"Stable, for programs." example:"invites.already_pending" maxLength:"100"`
	Message string   `json:"message" doc:"One English sentence." example:"A pending invite for this e-mail already exists" maxLength:"1000"`
	Details []string `json:"details,omitempty" doc:"With validation: one sentence per problem."`
	Data    any      `json:"data,omitempty" doc:"Further facts, where the operation says so."`
}

// HTTPStatus is 207 once a row has failed.
func (b Bulk[T]) HTTPStatus() int {
	if b.Summary.Failed > 0 {
		return http.StatusMultiStatus
	}
	return http.StatusOK
}

// EachRow decodes each row and runs fn on it, which answers 201 or a fault. Any
// other error ends the call: rows that are stored stay stored, so the caller
// sends the batch again and the stored ones answer that they exist.
func EachRow[Row, T any](c *Call, rows Rows[Row], fn func(row Row) (T, error)) (Bulk[T], error) {
	b := Bulk[T]{Summary: BulkSummary{Total: len(rows)}, Results: []BulkRow[T]{}}
	for i, raw := range rows {
		row, err := Decode[Row](c.rt.bodies, raw)
		var made T
		if err == nil {
			made, err = fn(row)
		}
		if err == nil {
			b.Summary.Succeeded++
			b.Results = append(b.Results, BulkRow[T]{Index: i, Status: "success", Code: http.StatusCreated, Data: &made})
			continue
		}
		f := fault.As(err)
		if f == nil {
			return b, err
		}
		b.Summary.Failed++
		b.Results = append(b.Results, BulkRow[T]{
			Index: i, Status: "error", Code: statuses[f.Kind], Input: withoutSecrets[Row](c.rt.bodies, raw),
			Error: &BulkFault{f.Code, f.Message, f.Details, f.Data},
		})
	}
	return b, nil
}

// maxEcho is how large a row may be that is told again. One that could be taken is
// smaller; answers of others would fill what keeps them for repeats.
const maxEcho = 1 << 10

// withoutSecrets is a row with the fields that its type declares, passwords left
// out: an unknown field may hold anything. It is nothing where that is large.
func withoutSecrets[Row any](b bodies, raw jsontext.Value) jsontext.Value {
	var object map[string]jsontext.Value
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		if len(raw) > maxEcho {
			return nil
		}
		return raw
	}
	var rules map[string]text.Rule
	if ruled, ok := any(new(Row)).(text.Ruled); ok {
		rules = text.Describe(ruled)
	}
	known := b.registry.Schema(reflect.TypeFor[Row](), false, "").Properties
	for name := range object {
		if known[name] == nil || rules[name].Format == "password" {
			delete(object, name)
		}
	}
	clean, err := json.Marshal(object, json.Deterministic(true))
	if err != nil || len(clean) > maxEcho {
		return nil
	}
	return clean
}

// rowType is the type of the rows that a field holds; false for other fields.
func rowType(field reflect.Type) (reflect.Type, bool) {
	rows, ok := reflect.TypeAssert[interface{ rowType() reflect.Type }](reflect.Zero(field))
	if !ok {
		return nil, false
	}
	return rows.rowType(), true
}

func (Rows[T]) rowType() reflect.Type { return reflect.TypeFor[T]() }

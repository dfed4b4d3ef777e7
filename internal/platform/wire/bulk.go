package wire

import (
	"net/http"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
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
	b := newBulk[T](len(rows))
	for i, raw := range rows {
		row, err := Decode[Row](c.rt.bodies, raw)
		var made T
		if err == nil {
			made, err = fn(row)
		}
		input := func() jsontext.Value { return withoutSecrets[Row](c.rt.bodies, raw) }
		if err := b.add(i, made, err, input); err != nil {
			return b, err
		}
	}
	return b, nil
}

// Outcome is how one row of a call ended that does its rows together.
type Outcome[T any] struct {
	Made T
	Err  error // a fault, where it was not made
}

// AllRows decodes each row and has fn do those that are good together, given in their order;
// it answers of each what was made, or a fault. An error of fn ends the call, which then has
// done nothing. check refuses a row before; it may be nil.
func AllRows[Row, T any](
	c *Call, rows Rows[Row], check func(row Row) error, fn func(rows []Row) ([]Outcome[T], error),
) (Bulk[T], error) {
	b, bad, good := newBulk[T](len(rows)), make([]error, len(rows)), []Row{}
	for i, raw := range rows {
		row, err := Decode[Row](c.rt.bodies, raw)
		if err == nil && check != nil {
			err = check(row)
		}
		switch {
		case err == nil:
			good = append(good, row)
		case fault.As(err) == nil:
			return b, err
		}
		bad[i] = err
	}
	done, err := fn(good)
	if err != nil {
		return b, err
	}
	for i, raw := range rows {
		o := Outcome[T]{Err: bad[i]}
		if o.Err == nil {
			o, done = done[0], done[1:]
		}
		input := func() jsontext.Value { return withoutSecrets[Row](c.rt.bodies, raw) }
		if err := b.add(i, o.Made, o.Err, input); err != nil {
			return b, err
		}
	}
	return b, nil
}

// AllIDs is AllRows for rows that are ids, without secrets: what is no id reaches fn as the
// zero one, which names nothing.
func AllIDs[I ~[16]byte, T any](ids []string, fn func(ids []I) ([]Outcome[T], error)) (Bulk[T], error) {
	b, of := newBulk[T](len(ids)), make([]I, len(ids))
	for i, text := range ids {
		if v, err := id.Parse[I](text); err == nil {
			of[i] = v
		}
	}
	done, err := fn(of)
	if err != nil {
		return b, err
	}
	for i, o := range done {
		input := func() jsontext.Value {
			raw, err := json.Marshal(ids[i])
			if err != nil || len(raw) > maxEcho {
				return nil
			}
			return raw
		}
		if err := b.add(i, o.Made, o.Err, input); err != nil {
			return b, err
		}
	}
	return b, nil
}

func newBulk[T any](rows int) Bulk[T] {
	return Bulk[T]{Summary: BulkSummary{Total: rows}, Results: []BulkRow[T]{}}
}

// add tells how a row ended; an error that is no fault is given back.
func (b *Bulk[T]) add(i int, made T, err error, input func() jsontext.Value) error {
	if err == nil {
		b.Summary.Succeeded++
		b.Results = append(b.Results, BulkRow[T]{Index: i, Status: "success", Code: http.StatusCreated, Data: &made})
		return nil
	}
	f := fault.As(err)
	if f == nil {
		return err
	}
	b.Summary.Failed++
	b.Results = append(b.Results, BulkRow[T]{
		Index: i, Status: "error", Code: statuses[f.Kind], Input: input(),
		Error: &BulkFault{f.Code, f.Message, f.Details, f.Data},
	})
	return nil
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

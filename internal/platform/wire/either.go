package wire

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Either is one of two objects, as an operation answers that can also be tried.
type Either[A, B any] struct {
	first  *A
	second *B
}

// First is the first of the two, Second the other.
func First[A, B any](v A) Either[A, B] { return Either[A, B]{first: &v} }

// Second is the second of the two.
func Second[A, B any](v B) Either[A, B] { return Either[A, B]{second: &v} }

// MarshalJSONTo implements json.MarshalerTo.
func (e Either[A, B]) MarshalJSONTo(to *jsontext.Encoder) error {
	if e.second != nil {
		return json.MarshalEncode(to, e.second)
	}
	return json.MarshalEncode(to, e.first)
}

// Schema implements huma.SchemaProvider.
func (Either[A, B]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[A](), true, ""), r.Schema(reflect.TypeFor[B](), true, ""),
	}}
}

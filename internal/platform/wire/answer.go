package wire

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/page"
)

// Data is the envelope of one object.
type Data[T any] struct {
	Data T `json:"data"`
}

// Of wraps an object, or passes the error on.
func Of[T any](v T, err error) (Data[T], error) { return Data[T]{v}, err }

// OfVersion is Of for a versioned object; its version goes into the ETag.
func OfVersion[T any](c *Call, v T, version int, err error) (Data[T], error) {
	if err == nil {
		c.SetVersion(version)
	}
	return Data[T]{v}, err
}

// Items is the envelope of a list that is not paged.
type Items[T any] struct {
	Items []T `json:"items"`
}

// ItemsOf makes an unpaged list of what view shows of each, or passes the error on.
func ItemsOf[S, T any](list []S, err error, view func(S) T) (Items[T], error) {
	return Items[T]{views(list, view)}, err
}

// Shown makes of a view what a use case can put into a refusal: which view a door has, no
// room knows.
func Shown[S, T any](view func(S) T) func(S) any { return func(of S) any { return view(of) } }

// ShownIn is Shown for a view that depends on where the thing is.
func ShownIn[P, S, T any](in P, view func(P, S) T) func(S) any {
	return func(of S) any { return view(in, of) }
}

// Page is the envelope of one page of a list.
type Page[T any] struct {
	Items      []T       `json:"items" maxItems:"100"`
	Pagination page.Info `json:"pagination"`
}

// PageOf makes a page of what view shows of each, or passes the error on.
func PageOf[S, T any](list []S, info page.Info, err error, view func(S) T) (Page[T], error) {
	return Page[T]{views(list, view), info}, err
}

// views is never nil: an empty list is [] and not null.
func views[S, T any](list []S, view func(S) T) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = view(v)
	}
	return out
}

// Message is the answer of calls that have nothing else to say.
type Message struct {
	Message string `json:"message" doc:"One English sentence." example:"Invite resent" maxLength:"1000"`
}

// Say answers a sentence, or passes the error on.
func Say(sentence string, err error) (Data[Message], error) {
	return Data[Message]{Message{sentence}}, err
}

// codec writes every instant the one way the contract knows: UTC, milliseconds.
var codec = json.JoinOptions(json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, t time.Time) error {
	return e.WriteToken(jsontext.String(Instant(t)))
})), json.Deterministic(true))

// Instant is t as answers spell it.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Encode is v as the body of an answer.
func Encode(v any) ([]byte, error) { return json.Marshal(v, codec) }

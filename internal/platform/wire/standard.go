package wire

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"
)

// Standard is a set of routes of an Environment that speak a standard of others, for those
// whom the public API admits. Answers echo X-Request-Id as it was sent, whatever it holds.
type Standard struct{ group Group[By] }

// Standard is such a set; prefix is the whole of it.
func (rt *Router) Standard(prefix string, tag Tag) Standard {
	rt.echoing = append(rt.echoing, prefix+"/")
	return Standard{Group[By]{rt: rt, prefix: prefix, tag: tag, access: rt.publicAccess(), prove: rt.inPublic}}
}

// HandleStandard registers a route of the set.
func HandleStandard[In, Out any](
	g Standard, route Route, fn func(ctx context.Context, c *Call, by By, in In) (Out, error),
) {
	Handle(g.group, Twins{public: g.group}.inPublic(route), fn)
}

// maxEchoed is how long an X-Request-Id may be that is echoed as it was sent.
const maxEchoed = 255

// echoed is the X-Request-Id of an answer: what was sent, where a standard asks for that,
// else the id of the request.
func (rt *Router) echoed(r *http.Request, own string) string {
	sent := r.Header.Get("X-Request-Id")
	invisible := func(c rune) bool { return c < '!' || c > '~' }
	if sent == "" || len(sent) > maxEchoed || strings.ContainsFunc(sent, invisible) {
		return own
	}
	for _, prefix := range rt.echoing {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return sent
		}
	}
	return own
}

// Loose is a member of a body that its handler reads by itself, as it came: nothing of it is
// judged before. T is what the document says of it. It is nil when absent.
type Loose[T any] struct{ jsontext.Value }

// Schema implements huma.SchemaProvider: bodies are judged as if it were anything.
func (Loose[T]) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

func (Loose[T]) looseType() reflect.Type { return reflect.TypeFor[T]() }

// looseType is what the document says of a field that is Loose; false for other fields.
func looseType(field reflect.Type) (reflect.Type, bool) {
	of, is := reflect.TypeAssert[interface{ looseType() reflect.Type }](reflect.Zero(field))
	if !is {
		return nil, false
	}
	return of.looseType(), true
}

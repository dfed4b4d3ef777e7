package wire

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"canopy.dev/canopy/internal/fault"
)

var segment = regexp.MustCompile(`\{(\w+)\}`)

// Document is the OpenAPI 3.1 description of every registered route.
func (rt *Router) Document(version string) ([]byte, error) {
	doc := &huma.OpenAPI{OpenAPI: "3.1.0", Info: &huma.Info{Title: "Canopy", Version: version,
		Description: "Hierarchical identity and access management for B2B SaaS."},
		Components: &huma.Components{Schemas: rt.bodies.registry, SecuritySchemes: map[string]*huma.SecurityScheme{
			"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
		}}}
	failure := rt.bodies.registry.Schema(reflect.TypeFor[struct {
		Error errorBody `json:"error"`
	}](), true, "Error")
	for _, e := range rt.routes {
		doc.AddOperation(rt.describe(e, failure))
	}
	return doc.MarshalJSON()
}

func (rt *Router) describe(e entry, failure *huma.Schema) *huma.Operation {
	op := &huma.Operation{Method: e.Method, Path: e.Path, OperationID: e.ID, Summary: e.Summary, Responses: map[string]*huma.Response{}}
	for _, m := range segment.FindAllStringSubmatch(e.Path, -1) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: m[1], In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	for _, q := range e.Query {
		op.Parameters = append(op.Parameters, &huma.Param{Name: q.Name, In: "query", Description: q.Doc, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	if e.Idempotent {
		op.Parameters = append(op.Parameters, &huma.Param{Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString}})
	}
	if e.in != reflect.TypeFor[None]() {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: rt.bodies.registry.Schema(e.in, true, e.ID+"Request")},
		}}
	}
	ok := &huma.Response{Description: http.StatusText(e.Status)}
	if e.Status != http.StatusNoContent {
		ok.Content = map[string]*huma.MediaType{"application/json": {Schema: rt.bodies.registry.Schema(e.out, true, e.ID+"Answer")}}
	}
	op.Responses[strconv.Itoa(e.Status)] = ok
	faults := slices.Clone(e.Faults)
	if e.in != reflect.TypeFor[None]() || len(e.Query) > 0 {
		faults = append(faults, fault.Validation)
	}
	if e.Access != Public {
		op.Security = []map[string][]string{{"bearer": {}}}
		faults = append(faults, rt.InvalidToken, ErrWrongPrincipal)
	}
	if e.Cookie {
		faults = append(faults, ErrOriginRefused)
	}
	for _, f := range faults {
		if f == nil {
			continue
		}
		status := strconv.Itoa(statuses[f.Kind])
		r := op.Responses[status]
		if r == nil {
			r = &huma.Response{Content: map[string]*huma.MediaType{"application/json": {Schema: failure}}}
			op.Responses[status] = r
		} else {
			r.Description += "; "
		}
		r.Description += f.Code + ": " + f.Message
	}
	return op
}

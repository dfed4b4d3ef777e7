package wire

import (
	"net/http"
	"reflect"
	"regexp"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"canopy.dev/canopy/internal/foundation/fault"
)

var segment = regexp.MustCompile(`\{(\w+)\}`)

// Document is the OpenAPI 3.1 description of every registered route.
func (rt *Router) Document(version string) ([]byte, error) {
	doc := &huma.OpenAPI{OpenAPI: "3.1.0", Info: &huma.Info{Title: "Canopy", Version: version,
		Description: "Hierarchical identity and access management for B2B SaaS."},
		Components: &huma.Components{Schemas: rt.bodies.registry, SecuritySchemes: map[string]*huma.SecurityScheme{
			"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
		}}}
	doc.Extensions = map[string]any{"x-errors": rt.Errors()}
	failures := map[string]*huma.Schema{
		"application/json": rt.bodies.registry.Schema(reflect.TypeFor[struct {
			Error errorBody `json:"error"`
		}](), true, "Error"),
		"application/problem+json": rt.bodies.registry.Schema(reflect.TypeFor[problem](), true, ""),
	}
	doc.Components.Examples = map[string]*huma.Example{}
	for _, e := range rt.routes {
		doc.AddOperation(rt.describe(e, failures, doc.Components.Examples))
	}
	return doc.MarshalJSON()
}

// problemSuffix tells the two examples of one code apart.
const problemSuffix = ".problem"

func (rt *Router) describe(e entry, failures map[string]*huma.Schema, examples map[string]*huma.Example) *huma.Operation {
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
	if e.Access != Public {
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	refuse := func(status int) *huma.Response {
		key := strconv.Itoa(status)
		r := op.Responses[key]
		if r == nil {
			r = &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{}}
			op.Responses[key] = r
		}
		for media, schema := range failures {
			switch m := r.Content[media]; {
			case m == nil:
				r.Content[media] = &huma.MediaType{Schema: schema}
			case m.Schema.Ref != schema.Ref && len(m.Schema.AnyOf) == 0:
				m.Schema = &huma.Schema{AnyOf: []*huma.Schema{m.Schema, schema}}
			}
		}
		return r
	}
	if e.in != reflect.TypeFor[None]() {
		schema := rt.bodies.registry.Schema(e.in, true, e.ID+"Request")
		op.RequestBody = &huma.RequestBody{Required: len(rt.bodies.registry.Schema(e.in, false, "").Required) > 0,
			Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
		refuse(http.StatusRequestEntityTooLarge)
		refuse(http.StatusUnsupportedMediaType)
	}
	for _, status := range append([]int{e.Status}, e.Also...) {
		ok := &huma.Response{Description: http.StatusText(status)}
		if status != http.StatusNoContent {
			ok.Content = map[string]*huma.MediaType{"application/json": {Schema: rt.bodies.registry.Schema(e.out, true, e.ID+"Answer")}}
		}
		op.Responses[strconv.Itoa(status)] = ok
	}
	codes := []string{}
	for _, f := range rt.faults(e) {
		codes = append(codes, f.Code)
		for media, m := range refuse(statuses[f.Kind]).Content {
			name := f.Code
			if media == "application/problem+json" {
				name += problemSuffix
			}
			if examples[name] == nil {
				examples[name] = &huma.Example{Summary: f.Message, Value: example(f, e, media)}
			}
			if m.Examples == nil {
				m.Examples = map[string]*huma.Example{}
			}
			m.Examples[f.Code] = &huma.Example{Ref: "#/components/examples/" + name}
		}
	}
	op.Extensions = map[string]any{"x-error-codes": codes}
	return op
}

// example is a fault as an operation would answer it.
func example(f *fault.Error, e entry, media string) any {
	const at = "2026-04-21T09:15:00.000Z"
	var details []string
	if f.Code == fault.Validation.Code {
		details = []string{"first_name must be 1 to 100 characters"}
	}
	if media == "application/problem+json" {
		return problem{"urn:canopy:error:" + f.Code, f.Message, statuses[f.Kind], e.Path, &f.Code, at, e.Method, details, nil}
	}
	return struct {
		Error errorBody `json:"error"`
	}{errorBody{statuses[f.Kind], &f.Code, f.Message, details, at, e.Path, e.Method, nil}}
}

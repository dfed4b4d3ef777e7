package wire

import (
	"cmp"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// The names of the security schemes.
const (
	SchemeUser    = "user"    // the access token of a portal user
	SchemePreAuth = "preAuth" // the pre-auth token of one
	SchemeKey     = "apiKey"  // an API key
)

// About is what the document says of the whole.
type About struct {
	Version   string
	ServerURL string // where the API is served
	// Surface chooses paths; nil is all of them.
	Surface func(path string) bool
	// Payloads are what is sent to webhooks.
	Payloads []Payload
}

// document is one OpenAPI document while it is put together.
type document struct {
	*huma.OpenAPI
	schemas  huma.Registry
	failures map[string]*huma.Schema // by media type
	typed    map[reflect.Type]bool   // whose schemas are complete
}

// Document is the OpenAPI 3.1 description of every registered route.
func (rt *Router) Document(about About) ([]byte, error) {
	schemas := documentRegistry{newRegistry()}
	d := &document{
		schemas: schemas, typed: map[reflect.Type]bool{},
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Canopy", Version: about.Version,
				Description: introduction,
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Servers: []*huma.Server{{URL: about.ServerURL, Description: "This server."}},
			Components: &huma.Components{
				Schemas: schemas, Examples: map[string]*huma.Example{}, Headers: headers(),
				SecuritySchemes: map[string]*huma.SecurityScheme{},
			},
			Extensions: map[string]any{"x-errors": rt.Errors()},
		},
	}
	d.failures = map[string]*huma.Schema{
		mediaJSON:    d.schema(reflect.TypeFor[Error](), "Error"),
		mediaProblem: d.schema(reflect.TypeFor[problem](), ""),
	}
	for _, op := range rt.operations {
		if about.Surface != nil && !about.Surface(op.pattern) {
			continue
		}
		d.secure(op)
		if !slices.ContainsFunc(d.Tags, func(t *huma.Tag) bool { return t.Name == op.tag.Name }) {
			d.Tags = append(d.Tags, &huma.Tag{Name: op.tag.Name, Description: op.tag.About})
		}
		d.AddOperation(d.operation(op))
	}
	d.webhooks(about.Payloads)
	return d.MarshalJSON()
}

const introduction = "Hierarchical identity and access management for B2B SaaS.\n\n" +
	"Canopy keeps the people of your customers, the tree of units they work in and the roles they hold there, " +
	"and answers one question: may this identity do this, at this place?\n\n" +
	"Sign in with login, send the access token as Authorization: Bearer, and renew it with refresh, " +
	"which reads a cookie. Every error has a stable code; all of them stand in x-errors. " +
	"Lists are paged by page and take. Creating calls take an Idempotency-Key, " +
	"and versioned objects an If-Match with their version.\n\n" +
	"What lies in an Environment has two doors: /api/v1 for programs, with X-API-Key, " +
	"and the path of the Environment under /portal/v1 for portal users. Their answers carry Canopy-Revision, " +
	"a number that grows with every change of the Environment."

// schema is the complete schema of a type, or a reference to it.
func (d *document) schema(t reflect.Type, hint string) *huma.Schema {
	s := d.schemas.Schema(t, true, hint)
	describeTypes(d.schemas, t, d.typed)
	return s
}

// documented is the type of the answer.
func (op *operation) documented() reflect.Type {
	if s, is := reflect.TypeAssert[stream](reflect.Zero(op.out)); is {
		return s.documented()
	}
	if e, is := reflect.TypeAssert[following](reflect.Zero(op.out)); is {
		return e.documentedEvent()
	}
	return op.out
}

// secure adds the security schemes that an operation needs.
func (d *document) secure(op *operation) {
	all := map[string]*huma.SecurityScheme{
		SchemeUser: {
			Type: "http", Scheme: "bearer", BearerFormat: "JWT",
			Description: "The access token of a portal user, from login, select-application or refresh.",
		},
		SchemePreAuth: {
			Type: "http", Scheme: "bearer", BearerFormat: "JWT",
			Description: "The pre-auth token of a login that leaves a choice; it is good for select-application alone.",
		},
		SchemeKey: {
			Type: "apiKey", In: "header", Name: "X-API-Key",
			Description: "An API key, which is good for one Environment.",
		},
	}
	for _, name := range op.access.schemes {
		d.Components.SecuritySchemes[name] = all[name]
	}
	if op.Cookie.Name != "" {
		d.Components.SecuritySchemes[op.Cookie.Name] = &huma.SecurityScheme{
			Type: "apiKey", In: "cookie", Name: op.Cookie.Name, Description: op.Cookie.About,
		}
	}
}

func (d *document) operation(op *operation) *huma.Operation {
	o := &huma.Operation{
		Method: op.Method, Path: op.pattern, OperationID: op.ID, Summary: op.Summary, Description: op.About,
		Tags: []string{op.tag.Name}, Parameters: d.parameters(op), Responses: map[string]*huma.Response{},
		Security: []map[string][]string{}, // not null: none is needed
	}
	for _, name := range op.access.schemes {
		o.Security = append(o.Security, map[string][]string{name: {}})
	}
	if op.CookieAuth {
		o.Security = append(o.Security, map[string][]string{op.Cookie.Name: {}})
	}
	if op.in != reflect.TypeFor[None]() {
		o.RequestBody = d.body(op)
	}
	if hasBody(op.Method) {
		d.refusal(o, http.StatusRequestEntityTooLarge)
		d.refusal(o, http.StatusUnsupportedMediaType)
	}
	for _, status := range append([]int{op.Status}, op.Also...) {
		o.Responses[strconv.Itoa(status)] = d.success(op, status)
	}
	if op.Validator {
		o.Responses[strconv.Itoa(http.StatusNotModified)] = &huma.Response{
			Description: http.StatusText(http.StatusNotModified), Headers: d.answerHeaders(op),
		}
	}
	if !anyHost(op.pattern) {
		d.refusal(o, http.StatusMisdirectedRequest)
	}
	codes := d.refusals(o, op)
	o.Extensions = map[string]any{"x-error-codes": codes, "x-body-limit": int64(op.Body)}
	if op.Needs != "" {
		o.Extensions["x-permission"] = op.Needs
	}
	if op.Or != "" {
		o.Extensions["x-permission-or"] = op.Or
	}
	if op.And != "" {
		o.Extensions["x-permission-and"] = op.And
	}
	if len(op.Limits) > 0 {
		o.Extensions["x-limits"] = names(op.Limits, func(l Limit) string { return string(l.Name) })
	}
	if len(op.Writes) > 0 {
		o.Extensions["x-events"] = names(op.Writes, EventType.Name)
	}
	return o
}

func names[T any](list []T, name func(T) string) []string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = name(v)
	}
	return words
}

func (d *document) parameters(op *operation) []*huma.Param {
	var list []*huma.Param
	for _, m := range segment.FindAllStringSubmatch(op.pattern, -1) {
		if slug := slugs[m[1]]; slug != nil {
			list = append(list, slug)
		}
	}
	for _, p := range op.params {
		list = append(list, &huma.Param{
			Name: p.name, In: p.in, Description: p.about, Required: p.required,
			Schema: &p.schema, Example: exampleOf(d.schemas, &p.schema),
		})
	}
	if op.Browser.Name != "" {
		list = append(list, browserCookie(op.Browser))
	}
	if op.Idempotent {
		list = append(list, idempotencyKey)
	}
	if op.IfMatch {
		list = append(list, ifMatch)
	}
	if op.Validator {
		list = append(list, ifNoneMatch)
	}
	if op.access.header {
		list = append(list, environmentSlug)
	}
	if op.Consistent {
		list = append(list, consistency)
	}
	return list
}

func (d *document) body(op *operation) *huma.RequestBody {
	in, about := op.in, "At most "+strconv.FormatInt(int64(op.Body)>>10, 10)+" KiB."
	if op.rawOf != nil {
		in, about = op.rawOf, about+" It may be packed by gzip (Content-Encoding); the limit is that of what is unpacked."
	}
	schema := d.schema(in, op.ID+"Request")
	return &huma.RequestBody{
		Required:    len(d.schemas.Schema(in, false, "").Required) > 0,
		Description: about,
		Content:     map[string]*huma.MediaType{mediaJSON: {Schema: schema, Example: exampleOf(d.schemas, schema)}},
	}
}

func (d *document) success(op *operation, status int) *huma.Response {
	r := &huma.Response{Description: http.StatusText(status), Headers: d.answerHeaders(op)}
	switch status {
	case http.StatusNoContent:
	default:
		if op.isFile() {
			r.Content = map[string]*huma.MediaType{}
			for _, media := range op.Media {
				r.Content[media] = &huma.MediaType{} // bytes have no schema (OpenAPI 3.1)
			}
			break
		}
		schema := d.schema(op.documented(), op.ID+"Answer")
		media := mediaJSON
		if op.isEvents() {
			media = mediaEvents
		}
		r.Content = map[string]*huma.MediaType{media: {Schema: schema, Example: exampleOf(d.schemas, schema)}}
	}
	return r
}

// refusal is the answer of a status other than success.
func (d *document) refusal(o *huma.Operation, status int) *huma.Response {
	key := strconv.Itoa(status)
	r := o.Responses[key]
	if r == nil {
		r = &huma.Response{
			Description: http.StatusText(status), Content: map[string]*huma.MediaType{}, Headers: refusalHeaders(status),
		}
		o.Responses[key] = r
	}
	for media, schema := range d.failures {
		switch m := r.Content[media]; {
		case m == nil:
			r.Content[media] = &huma.MediaType{Schema: schema}
		case m.Schema.Ref != schema.Ref && len(m.Schema.AnyOf) == 0:
			m.Schema, m.Example = &huma.Schema{AnyOf: []*huma.Schema{m.Schema, schema}}, nil
		}
	}
	return r
}

// problemSuffix tells the two examples of one code apart.
const problemSuffix = ".problem"

// refusals adds an answer and an example for each code; the codes are the result.
func (d *document) refusals(o *huma.Operation, op *operation) []string {
	codes := []string{}
	for _, f := range op.faults() {
		codes = append(codes, f.Code)
		example := failure{statuses[f.Kind], f}
		if f.Code == "validation" {
			example.Error = f.WithDetails("first_name must be 1 to 100 characters")
		}
		for media, m := range d.refusal(o, statuses[f.Kind]).Content {
			name, value := f.Code, example.told(op.pattern, op.Method, exampleTime)
			if media == mediaProblem {
				name, value = f.Code+problemSuffix, example.problem(op.pattern, op.Method, exampleTime)
			}
			d.Components.Examples[name] = cmp.Or(d.Components.Examples[name], &huma.Example{Summary: f.Message, Value: value})
			if m.Examples == nil {
				m.Examples = map[string]*huma.Example{}
			}
			m.Examples[f.Code] = &huma.Example{Ref: "#/components/examples/" + name}
		}
	}
	return codes
}

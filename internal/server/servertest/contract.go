package servertest

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server"
)

// contract is our own OpenAPI document, which every answer that a Client gets is
// held against.
type contract struct {
	doc *openapi3.T
	mux *http.ServeMux // finds the operation of a request as the server does

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // kept by place, since compiling one takes longer than a call
}

var ours = sync.OnceValues(func() (*contract, error) {
	raw, err := server.Document(wire.About{Version: "test", ServerURL: "http://localhost:8080"})
	if err != nil {
		return nil, err
	}
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(raw)
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	c := &contract{
		doc: doc, mux: http.NewServeMux(),
		compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{},
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(place, whole); err != nil {
		return nil, err
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			c.mux.HandleFunc(method+" "+path, func(http.ResponseWriter, *http.Request) {})
		}
	}
	return c, nil
})

// hold tells where an answer is not what the document promises. Pages and
// unknown routes are no operations; unknown routes still answer in our envelope.
func (c *contract) hold(r *http.Request, a Answer) error {
	if r.Method == http.MethodHead {
		return nil // nothing is promised, and there is no body
	}
	media, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	_, pattern := c.mux.Handler(r)
	if pattern == "" {
		unknown := a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed
		if unknown && media == "application/json" {
			return c.body("#/components/schemas/Error", a)
		}
		return nil
	}
	method, path, _ := strings.Cut(pattern, " ")
	op := c.doc.Paths.Value(path).GetOperation(method)
	response := op.Responses.Status(a.Status)
	if response == nil {
		return fmt.Errorf("status %d is not one of %v", a.Status, slices.Sorted(maps.Keys(op.Responses.Map())))
	}
	codes, _ := op.Extensions["x-error-codes"].([]any)
	if code := a.Code(); code != "" && !slices.Contains(codes, any(code)) {
		return fmt.Errorf("code %s is not one of %v", code, codes)
	}
	content := response.Value.Content
	if len(content) == 0 {
		if a.Raw != "" {
			return fmt.Errorf("there is a body: %s", a.Raw)
		}
		return nil
	}
	if slices.Contains(unread, media) && content[media] != nil {
		return nil // it is not read here
	}
	if content[media] == nil {
		return fmt.Errorf("content type %q is not one of %v", media, slices.Sorted(maps.Keys(content)))
	}
	slash := strings.NewReplacer("~", "~0", "/", "~1")
	return c.body(fmt.Sprintf("#/paths/%s/%s/responses/%d/content/%s/schema",
		slash.Replace(path), strings.ToLower(method), a.Status, slash.Replace(media)), a)
}

// unread are the media types of answers that are no JSON value.
var unread = []string{"text/event-stream", "text/csv", "application/x-ndjson"}

// place is the document's own address.
const place = "https://canopy.test/openapi.json"

// body tells where an answer is not what a schema of the document says.
func (c *contract) body(pointer string, a Answer) error {
	schema, err := c.schema(pointer)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(a.Raw))
	if err != nil {
		return err
	}
	if err := schema.Validate(v); err != nil {
		return fmt.Errorf("%w in %s", err, a.Raw)
	}
	return nil
}

func (c *contract) schema(pointer string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.schemas[pointer]; known != nil {
		return known, nil
	}
	made, err := c.compiler.Compile(place + escaped(pointer))
	if err == nil {
		c.schemas[pointer] = made
	}
	return made, err
}

// escaped is a pointer as a fragment of a URL (RFC 6901, section 6).
func escaped(pointer string) string { return (&url.URL{Fragment: pointer[1:]}).String() }

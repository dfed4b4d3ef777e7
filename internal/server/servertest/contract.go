package servertest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server"
)

// contract is our own OpenAPI document, which every answer that a Client gets is
// held against.
type contract struct {
	doc *openapi3.T
	mux *http.ServeMux // finds the operation of a request as the server does
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
	c := &contract{doc: doc, mux: http.NewServeMux()}
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
			return c.body(c.doc.Components.Schemas["Error"], a)
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
	if content[media] == nil {
		return fmt.Errorf("content type %q is not one of %v", media, slices.Sorted(maps.Keys(content)))
	}
	return c.body(content[media].Schema, a)
}

func (c *contract) body(schema *openapi3.SchemaRef, a Answer) error {
	var v any
	if err := json.Unmarshal([]byte(a.Raw), &v); err != nil {
		return err
	}
	if err := schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020(), openapi3.VisitAsResponse()); err != nil {
		return fmt.Errorf("%w in %s", err, a.Raw)
	}
	return nil
}

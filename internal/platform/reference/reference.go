// Package reference renders an OpenAPI document as one HTML page: the API
// reference at /docs. It needs no script, no font and no other file, so it works
// offline and under the strictest policy. It knows OpenAPI and nothing of Canopy.
package reference

import (
	"bytes"
	"cmp"
	_ "embed"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

//go:embed page.html
var page string

type document struct {
	Info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	} `json:"info"`
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string                `json:"operationId"`
	Summary     string                `json:"summary"`
	Description string                `json:"description"`
	Tags        []string              `json:"tags"`
	Parameters  []parameter           `json:"parameters"`
	Body        *content              `json:"requestBody"`
	Responses   map[string]content    `json:"responses"`
	Security    []map[string][]string `json:"security"`
}

type parameter struct {
	Name        string `json:"name"`
	In          string `json:"in"`
	Required    bool   `json:"required"`
	Description string `json:"description"`
}

type content struct {
	Description string `json:"description"`
	Content     map[string]struct {
		Schema schema `json:"schema"`
	} `json:"content"`
}

type schema struct {
	Ref         string            `json:"$ref"`
	Type        any               `json:"type"` // a word, or several
	Format      string            `json:"format"`
	Description string            `json:"description"`
	Properties  map[string]schema `json:"properties"`
	Required    []string          `json:"required"`
	Items       *schema           `json:"items"`
	Enum        []any             `json:"enum"`
}

// group is what serves one task: the operations of a tag.
type group struct {
	Name, About string
	Operations  []view
}

type view struct {
	ID, Method, Path, Summary, About string
	Token                            bool
	Parameters                       []parameter
	Body                             []field
	Answers                          []answer
}

type answer struct {
	Status string
	Notes  []string
	Fields []field
}

type field struct {
	Depth       int
	Name, Type  string
	Required    bool
	Description string
}

// Handler renders the document once and serves the page. An error says that it
// is no OpenAPI document.
func Handler(openapi []byte) (http.Handler, error) {
	var doc document
	if err := json.Unmarshal(openapi, &doc); err != nil {
		return nil, err
	}
	t, err := template.New("page").Parse(page)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, map[string]any{"Info": doc.Info, "Groups": doc.groups()}); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(out.Bytes())
	}), nil
}

func (d document) groups() []group {
	by := map[string][]view{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			v := view{
				ID: op.ID, Method: strings.ToUpper(method), Path: path, Summary: op.Summary, About: op.Description,
				Token: len(op.Security) > 0, Parameters: op.Parameters,
			}
			if op.Body != nil {
				v.Body = d.fields(*op.Body)
			}
			for status, res := range op.Responses {
				a := answer{Status: status, Notes: strings.Split(res.Description, "\n")}
				if status < "300" {
					a.Fields = d.fields(res)
				}
				v.Answers = append(v.Answers, a)
			}
			slices.SortFunc(v.Answers, func(a, b answer) int { return cmp.Compare(a.Status, b.Status) })
			for _, tag := range op.Tags {
				by[tag] = append(by[tag], v)
			}
		}
	}
	list := make([]group, 0, len(d.Tags))
	for _, tag := range d.Tags {
		operations := by[tag.Name]
		slices.SortFunc(operations, func(a, b view) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(order(a.Method), order(b.Method)))
		})
		list = append(list, group{tag.Name, tag.Description, operations})
	}
	return list
}

// order puts reading before changing.
func order(method string) int {
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	return slices.Index(methods, method)
}

// fields lists a JSON body's members, the inner ones after their parent.
func (d document) fields(c content) []field {
	var list []field
	for _, media := range c.Content {
		d.walk(media.Schema, 0, &list)
	}
	return list
}

const deepest = 6

func (d document) walk(s schema, depth int, list *[]field) {
	s = d.resolve(s)
	if s.Items != nil {
		s = d.resolve(*s.Items)
	}
	if depth > deepest {
		return
	}
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		inner := d.resolve(s.Properties[name])
		*list = append(*list, field{
			depth, name, d.typeOf(inner), slices.Contains(s.Required, name),
			cmp.Or(s.Properties[name].Description, inner.Description),
		})
		d.walk(inner, depth+1, list)
	}
}

func (d document) resolve(s schema) schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.Components.Schemas[name]
	}
	return s
}

func (d document) typeOf(s schema) string {
	var words []string
	switch t := s.Type.(type) {
	case string:
		words = append(words, t)
	case []any:
		for _, word := range t {
			if w, ok := word.(string); ok {
				words = append(words, w)
			}
		}
	}
	text := strings.Join(words, " or ")
	if s.Items != nil {
		text = "list of " + d.typeOf(d.resolve(*s.Items))
	}
	if s.Format != "" {
		text += " (" + s.Format + ")"
	}
	return text
}

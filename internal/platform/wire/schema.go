package wire

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"canopy.dev/canopy/internal/foundation/text"
)

var (
	segment  = regexp.MustCompile(`\{(\w+)\}`)
	typeName = regexp.MustCompile(`(?:[\w.-]+/)*(\w+)\.(\w+)`)
)

// documentRegistry holds the schemas of the document, which say more than those
// of validation.
type documentRegistry struct{ huma.Registry }

// MarshalJSON implements json.Marshaler: the schemas by name.
func (r documentRegistry) MarshalJSON() ([]byte, error) { return json.Marshal(r.Map()) }

// schemaName names the schema of a type: bare for the types of doors and of wire,
// with the room in front for a room's, so that two rooms may both have a Draft.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Name() == "" {
		return hint
	}
	var b strings.Builder
	for _, m := range typeName.FindAllStringSubmatch(t.PkgPath()+"."+t.Name(), -1) {
		pkg, name := m[1], title(m[2])
		switch {
		case strings.HasSuffix(pkg, "api"), pkg == "wire", pkg == "page", pkg == "server":
		case strings.HasPrefix(name, title(pkg)):
		default:
			b.WriteString(title(pkg))
		}
		b.WriteString(name)
	}
	return b.String()
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// describeTypes puts into the schemas of a type and of all inside it what Huma
// can't know: the rules of its fields, its enums and its ids.
func describeTypes(r huma.Registry, t reflect.Type, done map[reflect.Type]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || done[t] || t.Name() == "Time" {
		return
	}
	done[t] = true
	schema := r.Schema(t, false, "")
	var rules map[string]text.Rule
	if ruled, ok := reflect.TypeAssert[text.Ruled](reflect.New(t)); ok {
		rules = text.Describe(ruled)
	}
	for _, f := range reflect.VisibleFields(t) { // those of embedded structs too
		if f.Name == "_" {
			continue // says something of the whole
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if p := schema.Properties[name]; p != nil {
			describeField(p, f)
			if rule, ruled := rules[name]; ruled {
				describeRule(p, rule)
			}
			if row, ok := rowType(f.Type); ok {
				p.Items = r.Schema(row, true, "")
				describeTypes(r, row, done)
			}
			if of, loose := looseType(f.Type); loose {
				describeTypes(r, of, done)
				ref := r.Schema(of, true, "")
				ref.Description = p.Description
				schema.Properties[name] = ref
				continue
			}
		}
		if !f.Anonymous {
			describeTypes(r, f.Type, done)
		}
	}
}

func describeField(p *huma.Schema, f reflect.StructField) {
	t := f.Type
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if of, is := p.AdditionalProperties.(*huma.Schema); is && of.Type == huma.TypeArray {
		of.Items.MaxLength = new(maxSentence) // such lists hold texts
	}
	if of, is := p.AdditionalProperties.(*huma.Schema); is && of.Type == huma.TypeString && of.MaxLength == nil {
		of.MaxLength = new(mostPayload) // such objects hold header fields
	}
	if p.Type == huma.TypeArray && t.Kind() == reflect.Slice && p.Items.Type == huma.TypeString {
		p.Items.MaxLength = new(maxSentence)
		p, t = p.Items, t.Elem()
	}
	if e, ok := reflect.TypeAssert[interface{ Enum() []string }](reflect.Zero(t)); ok {
		p.Enum = enumSchema(e.Enum()).Enum
		if p.Nullable {
			p.Enum = append(p.Enum, nil) // null is a value, so it is one of them
		}
	}
	if f.Type.Kind() == reflect.Pointer && p.Ref != "" && f.Tag.Get("nullable") != "false" {
		p.AnyOf = []*huma.Schema{{Ref: p.Ref}, {Type: "null"}} // Huma has no word for it
		p.Ref = ""
	}
	if kind := f.Tag.Get("type"); kind != "" { // of free JSON
		p.Type = kind
	}
	if t.Kind() == reflect.Array && t.Len() == 16 {
		p.Type, p.Format, p.Items, p.ContentEncoding = huma.TypeString, "uuid", nil, ""
		p.Nullable = f.Type.Kind() == reflect.Pointer && f.Tag.Get("nullable") != "false"
		if len(p.Examples) == 0 {
			p.Examples = []any{exampleID}
		}
	}
}

func describeRule(p *huma.Schema, r text.Rule) {
	p.Format, p.Pattern = r.Format, r.Pattern
	if r.MinLength > 0 {
		p.MinLength = &r.MinLength
	}
	if r.MaxLength > 0 {
		p.MaxLength = &r.MaxLength
	}
	if r.Example != "" && len(p.Examples) == 0 {
		p.Examples = []any{r.Example}
	}
}

// maxSentence is more than any sentence of ours has.
const maxSentence = 1000

const (
	exampleID   = "019daf52-4e20-7f58-a04d-ba41ecccc3fc"
	exampleTime = "2026-04-21T09:15:00.000Z"
)

// exampleOf makes an example of a schema from those of its fields.
func exampleOf(r huma.Registry, s *huma.Schema) any { return exampleWithin(r, s, nil) }

// exampleWithin is exampleOf inside other schemas, given by their names: a list of one of
// them, such as the nodes below a node, is empty.
func exampleWithin(r huma.Registry, s *huma.Schema, outer []string) any {
	if s.Ref != "" {
		outer = append(slices.Clip(outer), s.Ref)
		s = r.SchemaFromRef(s.Ref)
	}
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return exampleWithin(r, s.AnyOf[0], outer)
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for name, p := range s.Properties {
			object[name] = exampleWithin(r, p, outer)
		}
		return object
	case huma.TypeArray:
		if slices.Contains(outer, s.Items.Ref) || s.MaxItems != nil && *s.MaxItems == 0 {
			return []any{}
		}
		return []any{exampleWithin(r, s.Items, outer)}
	case huma.TypeString:
		switch s.Format {
		case "date-time":
			return exampleTime
		case "uuid":
			return exampleID
		case "uri":
			return nil // addresses of pictures, which nobody has
		}
		return "text"
	case huma.TypeInteger, huma.TypeNumber:
		return 1
	case huma.TypeBoolean:
		return true
	}
	return map[string]any{}
}

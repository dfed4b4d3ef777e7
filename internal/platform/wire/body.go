package wire

import (
	"bytes"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/text"
)

// bodies keeps the JSON schema of each request type and holds bodies against it.
type bodies struct {
	registry huma.Registry
	schemas  *sync.Map // *huma.Schema by reflect.Type: the registry spells its name out on each call
}

// setHuma: field names match exactly, case included, and a list is never null.
// These switches are variables of Huma's package; nothing else uses it.
var setHuma = sync.OnceFunc(func() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
})

func newBodies() bodies {
	setHuma()
	return bodies{newRegistry(), &sync.Map{}}
}

// schema is that of a request type.
func (b bodies) schema(t reflect.Type) *huma.Schema {
	if known, is := b.schemas.Load(t); is {
		schema, _ := known.(*huma.Schema)
		return schema
	}
	made := b.registry.Schema(t, true, "")
	b.schemas.Store(t, made)
	return made
}

func newRegistry() huma.Registry {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[jsontext.Value](), reflect.TypeFor[any]())
	registry.RegisterTypeAlias(reflect.TypeFor[text.Clearable](), reflect.TypeFor[*string]())
	return registry
}

// register makes the schema of a request type now, so that a type Huma can't
// describe fails the start and not a request. What tags say for the document is
// taken out of it: values are judged by their Rules alone, in our words.
func (b bodies) register(t reflect.Type) {
	b.registry.Schema(t, true, "")
	if t.Kind() == reflect.Struct {
		for f := range t.Fields() {
			if row, ok := rowType(f.Type); ok { // read one by one, while others are read
				b.registry.Schema(row, true, "")
			}
		}
	}
	for _, s := range b.registry.Map() {
		onlyTypes(s)
	}
}

func onlyTypes(s *huma.Schema) {
	if s == nil {
		return
	}
	s.Enum, s.Pattern, s.Format = nil, "", ""
	s.MinLength, s.MaxLength, s.MinItems, s.MaxItems = nil, nil, nil, nil
	s.Minimum, s.Maximum = nil, nil
	onlyTypes(s.Items)
	for _, p := range s.Properties {
		onlyTypes(p)
	}
}

// maxProblems is how many broken rules one answer tells.
const maxProblems = 50

// Decode reads one JSON value into a T and lists the problems, up to maxProblems:
// unknown, missing and mistyped fields, and what T's own Rules refuse. The error
// is fault.Validation.
func Decode[T any](b bodies, raw []byte) (T, error) {
	var v T
	parsed, err := parse(raw)
	if err != nil {
		return v, fault.Validation.WithDetails(syntax(err))
	}
	if bytes.Contains(raw, []byte(`\u0000`)) {
		if problems := withNUL(parsed); len(problems) > 0 {
			return v, told(problems)
		}
	}
	schema := b.schema(reflect.TypeFor[T]())
	if problems := b.strangers(schema, parsed); len(problems) > maxProblems {
		return v, told(problems) // before anything is made of each of them
	}
	result := &huma.ValidateResult{}
	huma.Validate(b.registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, parsed, result)
	problems := b.nulls(schema, parsed, "")
	for _, e := range result.Errors {
		problems = append(problems, sentence(e))
	}
	if _, object := parsed.(map[string]any); !object {
		return v, told(problems)
	}
	// Fields of the right type are read even where others are wrong, so that
	// their values are judged in the same answer.
	mistyped := topLevel(result.Errors)
	if err := json.Unmarshal(without(raw, mistyped), &v); err != nil && len(problems) == 0 {
		return v, fault.Validation.WithDetails(unreadable(err))
	}
	if ruled, ok := any(&v).(text.Ruled); ok {
		for _, m := range text.Normalize(ruled) {
			field, _, _ := strings.Cut(m, " ")
			if !mistyped[topName(field)] &&
				!slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, field+" ") }) {
				problems = append(problems, m)
			}
		}
	}
	return v, told(problems)
}

// parse reads JSON for the look at its types. Numbers beyond float64 are as large as it
// goes: what is kept of a free value is its text.
func parse(raw []byte) (parsed any, err error) {
	err = json.Unmarshal(raw, &parsed)
	if _, beyond := errors.AsType[*json.SemanticError](err); !beyond {
		return parsed, err
	}
	large := json.UnmarshalFromFunc(func(d *jsontext.Decoder, v *any) error {
		if d.PeekKind() != '0' {
			return errors.ErrUnsupported
		}
		number, err := d.ReadToken()
		if err == nil {
			*v = math.MaxFloat64
			if f, tooLarge := strconv.ParseFloat(number.String(), 64); tooLarge == nil {
				*v = f
			}
		}
		return err
	})
	parsed = nil
	return parsed, json.Unmarshal(raw, &parsed, json.WithUnmarshalers(large))
}

// unreadable words a value that has the right type and can't be read into ours.
func unreadable(err error) string {
	field := "body"
	if s, ok := errors.AsType[*json.SemanticError](err); ok && s.JSONPointer != "" {
		field = strings.ReplaceAll(strings.TrimPrefix(string(s.JSONPointer), "/"), "/", ".")
	}
	return excerpt(field) + " is not valid"
}

// told is nil without problems, else validation with the first of them, sorted.
func told(problems fault.Problems) error {
	slices.Sort(problems)
	problems = problems[:min(len(problems), maxProblems)]
	return problems.Err()
}

// strangers are the members of an object that its schema does not know.
func (b bodies) strangers(schema *huma.Schema, parsed any) fault.Problems {
	object, ok := parsed.(map[string]any)
	if !ok {
		return nil
	}
	if schema.Ref != "" {
		schema = b.registry.SchemaFromRef(schema.Ref)
	}
	if open, _ := schema.AdditionalProperties.(bool); open {
		return nil
	}
	var problems fault.Problems
	for name := range object {
		if schema.Properties[name] == nil {
			problems = append(problems, notAllowed(name))
		}
	}
	return problems
}

func notAllowed(name string) string { return "property " + excerpt(name) + " is not allowed" }

// excerpt is the beginning of a name that a caller made up.
func excerpt(name string) string {
	const most = 200
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return name
}

// withNUL tells the members of a body that hold U+0000.
func withNUL(parsed any) fault.Problems {
	var problems fault.Problems
	object, ok := parsed.(map[string]any)
	if !ok && holdsNUL(parsed) {
		problems.Add("body", noNUL)
	}
	for name, v := range object {
		if holdsNUL(name) {
			problems.Add("body", noNUL)
		} else if holdsNUL(v) {
			problems.Add(excerpt(name), noNUL)
		}
	}
	return problems
}

const noNUL = "must not hold the character U+0000"

// holdsNUL reports whether a text or a name in v holds U+0000, which PostgreSQL
// can't keep.
func holdsNUL(v any) bool {
	switch t := v.(type) {
	case string:
		return strings.ContainsRune(t, 0)
	case []any:
		return slices.ContainsFunc(t, holdsNUL)
	case map[string]any:
		for name, inner := range t {
			if holdsNUL(name) || holdsNUL(inner) {
				return true
			}
		}
	}
	return false
}

// topLevel are the members of a body that the schema refused, or something in them.
func topLevel(errs []error) map[string]bool {
	names := map[string]bool{}
	for _, e := range errs {
		if d, ok := errors.AsType[*huma.ErrorDetail](e); ok && d.Location != "" {
			names[topName(d.Location)] = true
		}
	}
	return names
}

// topName is the member of the body in which a place lies: permissions of
// permissions[3].key.
func topName(place string) string {
	if i := strings.IndexAny(place, ".["); i >= 0 {
		return place[:i]
	}
	return place
}

// without is an object without some members. What is left is as it came: numbers keep
// their digits.
func without(raw []byte, names map[string]bool) []byte {
	if len(names) == 0 {
		return raw
	}
	var object map[string]jsontext.Value
	if err := json.Unmarshal(raw, &object); err != nil {
		return []byte("{}")
	}
	for name := range names {
		delete(object, name)
	}
	left, err := json.Marshal(object)
	if err != nil {
		return []byte("{}")
	}
	return left
}

// nulls are the members that may be absent, and are null where only a value is allowed.
func (b bodies) nulls(schema *huma.Schema, parsed any, at string) (problems fault.Problems) {
	if schema.Ref != "" {
		schema = b.registry.SchemaFromRef(schema.Ref)
	}
	switch v := parsed.(type) {
	case map[string]any:
		for name, inner := range v {
			p := schema.Properties[name]
			switch {
			case p == nil:
			case inner != nil:
				problems = append(problems, b.nulls(p, inner, at+name+".")...)
			case p.Type != "" && !p.Nullable && !slices.Contains(schema.Required, name):
				problems.Add(at+name, "must not be null")
			}
		}
	case []any:
		if schema.Items == nil {
			break
		}
		for i, inner := range v {
			problems = append(problems, b.nulls(schema.Items, inner, strings.TrimSuffix(at, ".")+"["+strconv.Itoa(i)+"].")...)
		}
	}
	return problems
}

func syntax(err error) string {
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		name := ""
		if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			name = s.JSONPointer.LastToken()
		}
		return "property " + excerpt(name) + " must not be given twice"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "body must be complete JSON"
	}
	return "body must be valid JSON in UTF-8"
}

// sentence words a problem the schema found, field first.
func sentence(err error) string {
	d, ok := errors.AsType[*huma.ErrorDetail](err)
	if !ok {
		return "body is not valid"
	}
	field := d.Location
	if name, ok := between(d.Message, validation.MsgExpectedRequiredProperty); ok {
		if field != "" {
			return field + "." + name + " is required"
		}
		return name + " is required"
	}
	if field == "" {
		field = "body"
	}
	switch d.Message {
	case validation.MsgUnexpectedProperty:
		return notAllowed(field)
	case validation.MsgExpectedString:
		return field + " must be a string"
	case validation.MsgExpectedBoolean:
		return field + " must be true or false"
	case validation.MsgExpectedInteger, validation.MsgExpectedNumber:
		return field + " must be a whole number"
	case validation.MsgExpectedArray:
		return field + " must be an array"
	case validation.MsgExpectedObject:
		return field + " must be an object"
	}
	return field + " is not valid: " + d.Message
}

func between(s, format string) (string, bool) {
	before, after, _ := strings.Cut(format, "%s")
	rest, ok := strings.CutPrefix(s, before)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, after)
}

// read takes the whole body, bounded, and judges its media type.
func read(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, unread(err)
	}
	if len(raw) == 0 {
		return raw, nil
	}
	packed := r.Header.Get("Content-Encoding")
	if !isJSON(r) || packed != "" && !strings.EqualFold(packed, "identity") {
		return nil, errMedia
	}
	return raw, nil
}

// isJSON reports whether the media type of a body is JSON in UTF-8.
func isJSON(r *http.Request) bool {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := strings.ToLower(params["charset"])
	return err == nil && media == "application/json" && (charset == "" || charset == "utf-8")
}

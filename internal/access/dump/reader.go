package dump

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/text"
)

// maxProblems is how many broken rules a refusal of the body's form tells.
const maxProblems = 50

// reader reads the JSON of a dump, value by value, and notes which rules of form it breaks:
// unknown, missing and mistyped members, and values that break the rules of their field.
type reader struct {
	raw      []byte
	dec      *jsontext.Decoder
	problems fault.Problems
	noted    int // problems in all, also those that are not kept
	begun    int // how many there were before the element that is read
}

func newReader(raw []byte) *reader {
	return &reader{raw: raw, dec: jsontext.NewDecoder(bytes.NewBuffer(raw))}
}

// err is validation with what was noted, if anything.
func (r *reader) err() error { return r.problems.Err() }

// broken is a body that is no JSON.
func broken(err error) error {
	return fault.Validation.WithDetails("body must be complete and valid JSON").WithCause(err)
}

func (r *reader) note(field, rule string) {
	r.noted++
	if len(r.problems) < maxProblems {
		r.problems.Add(field, rule)
	}
}

// form is what an object may hold.
type form []member

type member struct {
	name     string
	kind     jsontext.Kind // 't' for either truth value
	required bool
	null     bool // may be null
}

var kinds = map[jsontext.Kind]string{
	'"': "must be a string", '{': "must be an object", '[': "must be an array", 't': "must be true or false",
	'0': "must be a whole number",
}

// object reads the members of an object into values, in the order of the form: nil for what
// is absent, null or of the wrong type. at comes before the names of members. They are
// pieces of the body.
func (r *reader) object(f form, values []jsontext.Value, at func() string) error {
	clear(values)
	if r.dec.PeekKind() != '{' {
		r.note(strings.TrimSuffix(at(), "."), kinds['{'])
		return r.dec.SkipValue()
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	var given uint32
	for r.dec.PeekKind() != '}' {
		token, err := r.dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		i := slices.IndexFunc(f, func(m member) bool { return m.name == name })
		if i < 0 {
			r.note("property", at()+excerpt(name)+" is not allowed")
			if err := r.dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		given |= 1 << i
		v, err := r.value()
		if err != nil {
			return err
		}
		switch kind := normal(v.Kind()); {
		case kind == 'n' && f[i].null:
		case kind != f[i].kind:
			r.note(at()+name, kinds[f[i].kind])
		default:
			values[i] = v
		}
	}
	for i, m := range f {
		if m.required && given&(1<<i) == 0 {
			r.note(at()+m.name, "is required")
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

func normal(k jsontext.Kind) jsontext.Kind {
	if k == 'f' {
		return 't'
	}
	return k
}

// value reads the next value as it stands in the body.
func (r *reader) value() (jsontext.Value, error) {
	v, err := r.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := r.dec.InputOffset()
	return r.raw[end-int64(len(v)) : end], nil
}

// text is the string of a member, "" for none.
func (r *reader) text(v jsontext.Value, at func() string, name string) string {
	if v == nil {
		return ""
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1])
	}
	s, err := jsontext.AppendUnquote(nil, v)
	if err != nil || bytes.IndexByte(s, 0) >= 0 {
		r.note(at()+name, noNUL)
		return ""
	}
	return string(s)
}

func (r *reader) clearable(v jsontext.Value, at func() string, name string) text.Clearable {
	if v == nil {
		return text.Clearable{}
	}
	s := r.text(v, at, name)
	return text.Clearable{Given: true, Value: &s}
}

const noNUL = "must not hold the character U+0000"

// free notes the character that no text may hold, in free JSON and the names of its members.
func (r *reader) free(v jsontext.Value, at func() string, name string) {
	if !bytes.Contains(v, []byte(`\u0000`)) {
		return
	}
	for dec := newReader(v).dec; ; {
		token, err := dec.ReadToken()
		if err != nil {
			return
		}
		if token.Kind() == '"' && strings.ContainsRune(token.String(), 0) {
			r.note(at()+name, noNUL)
			return
		}
	}
}

// excerpt is the beginning of a name that a caller made up.
func excerpt(name string) string {
	const most = 200
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return name
}

// held notes the broken rules of a value's fields.
func (r *reader) held(v text.Ruled, at func() string) {
	for _, p := range text.Normalize(v) {
		r.noted++
		if len(r.problems) < maxProblems {
			r.problems = append(r.problems, at()+p)
		}
	}
}

// good is held for an element of which nothing was noted yet, and reports whether that is
// so afterwards.
func (r *reader) good(v text.Ruled, at func() string) bool {
	if r.noted == r.begun {
		r.held(v, at)
	}
	return r.noted == r.begun
}

// element is the beginning of the names of what an element of a list holds.
func element(name string, i int) func() string {
	return func() string { return name + "[" + strconv.Itoa(i) + "]." }
}

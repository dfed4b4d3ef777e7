package wire

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
)

// QueryNumber is a query parameter with a whole number; absent when it does not come. Where
// that is below the least it means that there is none.
func QueryNumber(name, about string, absent, least, most int) Value[int] {
	d := number(name, about, absent, least, most)
	if absent < least {
		d.schema.Default, d.schema.Examples = nil, []any{least}
	}
	return Value[int]{d}
}

// QueryFlag is a query parameter that is true or false; false when absent.
func QueryFlag(name, about string) Value[bool] {
	return Value[bool]{declaration{
		name: name, in: "query", about: about, absent: false,
		schema: huma.Schema{Type: huma.TypeBoolean, Default: false, Examples: []any{true}},
		parse: func(raw string) (any, string) {
			if raw != "true" && raw != "false" {
				return false, "must be true or false"
			}
			return raw == "true", ""
		},
	}}
}

// QueryFilter is a query parameter with a text, "" when absent.
func QueryFilter(name, about string, most int, example string) Value[string] {
	return Value[string]{declaration{
		name: name, in: "query", about: about, absent: "",
		schema: huma.Schema{Type: huma.TypeString, MaxLength: &most, Examples: []any{example}},
		parse: func(raw string) (any, string) {
			if len(raw) > most {
				return "", "is too long"
			}
			return raw, ""
		},
	}}
}

// QuerySearch is a query parameter with a text to look for; spaces around it don't count, and
// "" is absence.
func QuerySearch(name, about string, most int, example string) Value[string] {
	return Value[string]{declaration{
		name: name, in: "query", about: about, absent: "",
		schema: huma.Schema{Type: huma.TypeString, MaxLength: &most, Examples: []any{example}},
		parse: func(raw string) (any, string) {
			q := strings.TrimSpace(raw)
			if utf8.RuneCountInString(q) > most || !utf8.ValidString(q) {
				return "", "must be at most " + strconv.Itoa(most) + " characters"
			}
			return q, ""
		},
	}}
}

// QueryID is a query parameter that names a thing by its id, zero when absent. What is not
// an id is refused.
func QueryID[I ~[16]byte](name, about string) Value[I] {
	return Value[I]{declaration{
		name: name, in: "query", about: about, absent: I{},
		schema: huma.Schema{Type: huma.TypeString, Format: "uuid", Examples: []any{exampleID}},
		parse: func(raw string) (any, string) {
			v, err := id.Parse[I](raw)
			if err != nil || v == (I{}) { // the zero id is how absence is told
				return v, "must be an id"
			}
			return v, ""
		},
	}}
}

// QueryAnyID is QueryID for a thing that need not be there: what is not an id is one that
// nothing has.
func QueryAnyID[I ~[16]byte](name, about string) Value[I] {
	return Value[I]{declaration{
		name: name, in: "query", about: about, absent: I{},
		schema: huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(255), Examples: []any{exampleID}},
		parse: func(raw string) (any, string) {
			v, err := id.Parse[I](raw)
			if n := utf8.RuneCountInString(raw); n < 1 || n > 255 {
				return v, "must be 1 to 255 characters"
			}
			if err != nil || v == (I{}) { // the zero id is how absence is told
				return nothing[I](), ""
			}
			return v, ""
		},
	}}
}

// nothing is an id that nothing has: no id of its version is made.
func nothing[I ~[16]byte]() (v I) {
	for i := range v {
		v[i] = 0xff
	}
	return v
}

// IDOrWord is an id, or a word that stands in its place; zero when absent.
type IDOrWord[I ~[16]byte] struct {
	ID   I
	Word bool
}

// QueryIDOr is QueryID for a parameter that takes a word, too.
func QueryIDOr[I ~[16]byte](name, about, word string) Value[IDOrWord[I]] {
	return Value[IDOrWord[I]]{declaration{
		name: name, in: "query", about: about, absent: IDOrWord[I]{},
		schema: huma.Schema{Type: huma.TypeString, MaxLength: new(36), Examples: []any{word}},
		parse: func(raw string) (any, string) {
			v, err := id.Parse[I](raw)
			if raw != word && (err != nil || v == (I{})) {
				return IDOrWord[I]{}, "must be an id or " + word
			}
			return IDOrWord[I]{v, raw == word}, ""
		},
	}}
}

// PathWord is a path segment that names a thing by its id, or by a word. What is neither
// names nothing, so missing is answered.
func PathWord(name, about, word string, missing *fault.Error) Value[string] {
	return Value[string]{declaration{
		name: name, in: "path", about: about, required: true, missing: missing,
		schema: huma.Schema{Type: huma.TypeString, MaxLength: new(36), Examples: []any{word}},
		parse: func(raw string) (any, string) {
			if v, err := id.Parse[id.ID](raw); (err != nil || v.IsZero()) && raw != word {
				return raw, "must be an id or " + word
			}
			return raw, ""
		},
	}}
}

// QueryIDs is a query parameter with ids, comma-separated, at most so many.
func QueryIDs[I ~[16]byte](name, about string, most int) Value[[]I] {
	return Value[[]I]{listed(name, about, most, exampleID, func(one string) (I, bool) {
		v, err := id.Parse[I](one)
		return v, err == nil && v != (I{})
	})}
}

// QueryTexts is a query parameter with texts, comma-separated, at most so many.
func QueryTexts(name, about string, most int, example string) Value[[]string] {
	return Value[[]string]{listed(name, about, most, example, func(one string) (string, bool) {
		return one, one != "" && len(one) <= 1100
	})}
}

func listed[T any](name, about string, most int, example string, parse func(string) (T, bool)) declaration {
	return declaration{
		name: name, in: "query", about: about, absent: []T(nil), list: true,
		schema: huma.Schema{Type: huma.TypeString, MaxLength: new(most * 1100), Examples: []any{example}},
		parse: func(raw string) (any, string) {
			parts := strings.Split(raw, ",")
			if len(parts) > most {
				return []T(nil), "must be at most " + strconv.Itoa(most)
			}
			list := make([]T, len(parts))
			for i, part := range parts {
				v, ok := parse(part)
				if !ok {
					return []T(nil), "must be a comma-separated list such as " + example
				}
				list[i] = v
			}
			return list, ""
		},
	}
}

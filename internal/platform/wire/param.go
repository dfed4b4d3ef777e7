package wire

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
)

// Parameter is a parameter of path or query, or several that belong together. A
// route lists it, the router checks it before the handler runs, and the handler
// reads it with its Of.
type Parameter interface {
	declared() []declaration
}

type declaration struct {
	name, in, about string
	required        bool
	list            bool // comma-separated: all that came count, else the first
	schema          huma.Schema
	// parse gives the value of what came in, or the rule it breaks.
	parse func(raw string) (value any, broken string)
	// absent is the value when nothing came in.
	absent any
	// missing answers a path parameter that names nothing.
	missing *fault.Error
}

// Value is a parameter with a value of type T.
type Value[T any] struct{ declaration }

func (v Value[T]) declared() []declaration { return []declaration{v.declaration} }

// Of is the parameter's value in a call. The route must list the parameter.
func (v Value[T]) Of(c *Call) T { return value[T](c, v.name) }

// PathID is a path segment that names a thing by its id. What is not an id names
// nothing, so missing is answered.
func PathID[I ~[16]byte](name, about string, missing *fault.Error) Value[I] {
	return Value[I]{declaration{
		name: name, in: "path", about: about, required: true, missing: missing,
		schema: huma.Schema{Type: huma.TypeString, Format: "uuid", Examples: []any{exampleID}},
		parse: func(raw string) (any, string) {
			v, err := id.Parse[I](raw)
			if err != nil {
				return v, "must be an id"
			}
			return v, ""
		},
	}}
}

// QueryText is a query parameter that has to be given.
func QueryText(name, about string, most int, example string) Value[string] {
	return Value[string]{declaration{
		name: name, in: "query", about: about, required: true,
		schema: huma.Schema{Type: huma.TypeString, MaxLength: &most, Examples: []any{example}},
		parse: func(raw string) (any, string) {
			if raw == "" {
				return "", "is required"
			}
			return raw, ""
		},
	}}
}

// QueryEnum is a query parameter that takes a few words only; "" when absent.
func QueryEnum[T ~string](name, about string, words ...T) Value[T] {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return Value[T]{declaration{
		name: name, in: "query", about: about, absent: T(""),
		schema: enumSchema(list),
		parse: func(raw string) (any, string) {
			if !slices.Contains(list, raw) {
				return T(""), "must be one of " + strings.Join(list, ", ")
			}
			return T(raw), ""
		},
	}}
}

func enumSchema(words []string) huma.Schema {
	s := huma.Schema{Type: huma.TypeString}
	for _, w := range words {
		s.Enum = append(s.Enum, w)
	}
	return s
}

// Paging are the parameters of a paged list.
type Paging struct{ sorts page.Sorts }

// Paged makes the parameters of a list with these sort keys.
func Paged(sorts page.Sorts) Paging { return Paging{sorts} }

// Of is the page that a call asks for.
func (p Paging) Of(c *Call) page.Request {
	sort, order := value[page.Sort](c, "sort_by"), value[string](c, "order")
	return page.Request{
		Page: value[int](c, "page"), Take: value[int](c, "take"), Q: value[string](c, "q"),
		Sort: sort, Desc: order == "desc" || order == "" && sort.Desc,
	}
}

func (p Paging) declared() []declaration {
	return []declaration{
		number("page", "Which page, from 1.", 1, 1, 1<<31-1),
		number("take", "How many items a page holds.", 20, 1, 100),
		QuerySearch("q", "Part of the text to look for, without regard to case.", 200, "dana").declaration,
		p.sortBy(),
		QueryEnum("order", "The direction; descending for times and ascending for the rest when absent.", "asc", "desc").
			declaration,
	}
}

// Pages are the parameters of a paged list with one order, which is not searched.
type Pages struct{ sort page.Sort }

// PagedBy makes the parameters of such a list.
func PagedBy(sort page.Sort) Pages { return Pages{sort} }

// Of is the page that a call asks for.
func (p Pages) Of(c *Call) page.Request {
	order := value[string](c, "order")
	return page.Request{
		Page: value[int](c, "page"), Take: value[int](c, "take"), Sort: p.sort,
		Desc: order == "desc" || order == "" && p.sort.Desc,
	}
}

func (p Pages) declared() []declaration {
	return slices.DeleteFunc(Paging{page.Sorts{p.sort}}.declared(), func(d declaration) bool {
		return d.name == "q" || d.name == "sort_by"
	})
}

func (p Paging) sortBy() declaration {
	keys := p.sorts.Keys()
	schema := enumSchema(keys)
	schema.Default = keys[0]
	return declaration{
		name: "sort_by", in: "query", about: "What the list is sorted by; equal values are ordered by id.",
		absent: p.sorts[0], schema: schema,
		parse: func(raw string) (any, string) {
			sort, ok := p.sorts.Find(raw)
			if !ok {
				return sort, "must be one of " + strings.Join(keys, ", ")
			}
			return sort, ""
		},
	}
}

func number(name, about string, absent, least, most int) declaration {
	low, high := float64(least), float64(most)
	return declaration{
		name: name, in: "query", about: about, absent: absent,
		schema: huma.Schema{
			Type: huma.TypeInteger, Format: "int32", Minimum: &low, Maximum: &high, Default: absent, Examples: []any{absent},
		},
		parse: func(raw string) (any, string) {
			n, err := strconv.Atoi(raw)
			if err != nil || n < least || n > most {
				return absent, "must be a whole number from " + strconv.Itoa(least) + " to " + strconv.Itoa(most)
			}
			return n, ""
		},
	}
}

// query reads the query parameters of a call; every problem is told at once.
func (c *Call) query() error {
	if len(c.op.params) == 0 {
		return nil
	}
	var problems fault.Problems
	given, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		// What can't be read would be left out, and a filter that is left out widens an answer.
		problems.Add("query", "must be pairs of names and values, with ; and % encoded")
	}
	for _, p := range c.op.params {
		if p.in != "query" {
			continue
		}
		value, broken := p.read(given)
		if raw := given.Get(p.name); !utf8.ValidString(raw) || strings.ContainsRune(raw, 0) {
			broken = "must be UTF-8 without the character U+0000"
		}
		problems.Add(p.name, broken)
		c.values[p.name] = value
	}
	return problems.Err()
}

func (d declaration) read(given url.Values) (value any, broken string) {
	if !given.Has(d.name) && !d.required {
		return d.absent, ""
	}
	if d.list {
		return d.parse(strings.Join(given[d.name], ","))
	}
	return d.parse(given.Get(d.name))
}

// path reads the path parameters of a call.
func (c *Call) path() error {
	for _, p := range c.op.params {
		if p.in != "path" {
			continue
		}
		value, broken := p.parse(c.r.PathValue(p.name))
		if broken != "" {
			return p.missing
		}
		c.values[p.name] = value
	}
	return nil
}

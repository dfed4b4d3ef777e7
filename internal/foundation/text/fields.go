package text

import (
	"strconv"

	"canopy.dev/canopy/internal/foundation/fault"
)

// Rule is the rule of one kind of value: how it is normalised, and what a schema
// can say of it. Lengths are in characters; 0 is no limit.
type Rule struct {
	Normalize            func(string) (kept, broken string)
	Format               string // JSON Schema's word, such as "email"
	Pattern              string // of JSON Schema
	MinLength, MaxLength int
	Example              string
}

// The rules that every area shares.
var (
	EmailRule = Rule{
		Normalize: Email, Format: "email", MinLength: 3, MaxLength: 254, Example: "dana@acme.example",
	}
	NameRule           = Rule{Normalize: Name, MinLength: 1, MaxLength: 100, Example: "Acme Realty"}
	FirstNameRule      = Rule{Normalize: Name, MinLength: 1, MaxLength: 100, Example: "Dana"}
	LastNameRule       = Rule{Normalize: Name, MinLength: 1, MaxLength: 100, Example: "Cole"}
	PortalPasswordRule = Rule{
		Normalize: PortalPassword, Format: "password", MinLength: 8, MaxLength: 128, Example: "Correct-Horse-7",
	}
	CurrentPasswordRule = Rule{
		Normalize: CurrentPassword, Format: "password", MinLength: 1, MaxLength: 128, Example: "Correct-Horse-7",
	}
	// IdentityPasswordRule is for new passwords of identities.
	IdentityPasswordRule = Rule{
		Normalize: IdentityPassword, Format: "password", MinLength: 8, MaxLength: 64, Example: "correct horse battery",
	}
	// SlugRule is for a slug that the caller chooses.
	SlugRule = Rule{
		Normalize: func(s string) (string, string) {
			if !IsSlug(s) {
				return "", "must be 1 to 63 lower-case letters, digits and dashes, with no dash at either end"
			}
			return s, ""
		},
		Pattern: `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, MinLength: 1, MaxLength: 63, Example: "lease-desk",
	}
	// DescriptionRule is for free text of several lines.
	DescriptionRule = Rule{Normalize: Description, MaxLength: 1000, Example: "Signs leases of one region"}
	// InstantRule is for an instant of RFC 3339, which is kept in UTC and milliseconds.
	InstantRule = Rule{Normalize: Instant, Format: "date-time", MaxLength: 64, Example: "2027-01-01T00:00:00.000Z"}
	// IDRule is for an id that is looked up: what is none names nothing.
	IDRule = Rule{
		Normalize: func(s string) (string, string) { return s, "" }, Format: "uuid",
		Example: "019daf52-4e20-7f58-a04d-ba41ecccc3fc",
	}
	// TokenRule is for tokens from mails, whose every other spelling is simply
	// unknown: nothing is refused here.
	TokenRule = Rule{
		Normalize: func(s string) (string, string) { return s, "" },
		MaxLength: 43, Example: "mZ0k1Yq3vN8pT5wXc7RdLgJ2hS4bF6aE9uKiOoPxQyM",
	}
)

// Ruled is a value whose fields have rules. Rules names each field once, with its
// rule; Normalize and Describe go through that one list.
type Ruled interface {
	Rules(f *Fields)
}

// Fields is handed to Ruled.Rules. It is not for concurrent use.
type Fields struct {
	problems  fault.Problems
	within    string          // before the names of fields: "permissions[3]."
	described map[string]Rule // nil: normalise
}

// Field puts the normalised value into the field, or notes the broken rule.
func (f *Fields) Field(name string, value *string, r Rule) {
	if f.described != nil {
		f.described[name] = r
		return
	}
	kept, broken := r.Normalize(*value)
	f.problems.Add(f.within+name, broken)
	if broken == "" {
		*value = kept
	}
}

// Optional is Field for a value that may be absent, which nil says.
func (f *Fields) Optional(name string, value *string, r Rule) {
	if value != nil || f.described != nil {
		f.Field(name, value, r)
	}
}

// Check notes a rule that no Rule can say, when it is broken: "must hold 1 to 200
// rows".
func (f *Fields) Check(name string, holds bool, rule string) {
	if f.described == nil && !holds {
		f.problems.Add(f.within+name, rule)
	}
}

// Each goes through the rules of one value of a list.
func (f *Fields) Each(name string, i int, v Ruled) {
	before := f.within
	f.within += name + "[" + strconv.Itoa(i) + "]."
	v.Rules(f)
	f.within = before
}

// Within goes through the rules of an object inside.
func (f *Fields) Within(name string, v Ruled) {
	if f.described != nil {
		return // it is described by itself
	}
	before := f.within
	f.within += name + "."
	v.Rules(f)
	f.within = before
}

// Normalize brings v's fields into the form that is kept and gives what is wrong
// with them, a sentence each that begins with the field's name.
func Normalize(v Ruled) fault.Problems {
	f := &Fields{}
	v.Rules(f)
	return f.problems
}

// Describe gives the rules of v's fields by name, whatever v holds.
func Describe(v Ruled) map[string]Rule {
	f := &Fields{described: map[string]Rule{}}
	v.Rules(f)
	return f.described
}

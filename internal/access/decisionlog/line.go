package decisionlog

import (
	"cmp"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// append writes the entry as one line.
func (e *Entry) append(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = e.At.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","environment_id":"`...)
	b, _ = e.In.AppendText(b)
	b = append(b, `","revision":"`...)
	b = strconv.AppendUint(b, e.Revision, 10)
	b = member(b, `","kind":`, string(cmp.Or(e.Kind, Decision)))
	if e.AsOf != nil {
		b = e.AsOf.UTC().AppendFormat(append(b, `,"as_of":"`...), "2006-01-02T15:04:05.000Z")
		b = append(b, '"')
	}
	b = named(b, `,"identity_id":`, e.Question.Identity)
	if e.Question.Permission == "" {
		b = append(b, `,"permission":null`...)
	} else {
		b = member(b, `,"permission":`, e.Question.Permission)
	}
	if e.Question.Scope == decide.AtNode {
		b = named(b, `,"scope":"node","node_id":`, e.Question.Node)
	} else {
		b = append(b, `,"scope":"app_wide","node_id":null`...)
	}
	if e.Kind.list() {
		b = strconv.AppendInt(append(b, `,"found":`...), int64(e.Found), 10)
	} else {
		b = strconv.AppendBool(append(b, `,"allowed":`...), e.Decision.Allowed)
	}
	if e.Decision.Reason == decide.None {
		b = append(b, `,"denial_reason":null`...)
	} else {
		b = member(b, `,"denial_reason":`, e.Decision.Reason.String())
	}
	if !e.Kind.list() {
		b = append(b, `,"granting_roles":[`...)
		for i, name := range e.Decision.GrantingRoles {
			if i > 0 {
				b = append(b, ',')
			}
			b = member(b, "", name)
		}
		b = append(b, ']')
	}
	b = member(b, `,"caller":`, string(e.By.Kind))
	b = named(b, `,"caller_id":`, e.By.ID)
	b = member(b, `,"request_id":`, e.By.Request.ID)
	return append(b, "}\n"...)
}

// named writes an id behind a name; null for none.
func named(b []byte, name string, of id.ID) []byte {
	b = append(b, name...)
	if of.IsZero() {
		return append(b, "null"...)
	}
	b, _ = of.AppendText(append(b, '"'))
	return append(b, '"')
}

// member writes a text behind a name.
func member(b []byte, name, s string) []byte {
	b = append(b, name...)
	quoted, err := jsontext.AppendQuote(b, s)
	if err != nil { // not UTF-8, which nothing gets here
		return append(b, `""`...)
	}
	return quoted
}

package authzenapi

import (
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/wire"
)

// What the document says of the parts of a question: they are read by hand, since an item
// that is malformed fails alone.

type subject struct {
	_ struct{} `additionalProperties:"true"`

	Type string `json:"type" doc:"identity or user, which mean the same." maxLength:"255" example:"identity"`
	ID   string `json:"id"   doc:"The identity's id; an unknown one is denied." maxLength:"255" example:"019db0aa-0202-76fd-aeeb-975729fae923"`
}

type subjects struct {
	_ struct{} `additionalProperties:"true"`

	Type string `json:"type" doc:"identity or user: that of the results." maxLength:"255" example:"identity"`
}

type action struct {
	_ struct{} `additionalProperties:"true"`

	Name string `json:"name" doc:"A key of the catalogue of permissions; an unknown one is denied." maxLength:"255" example:"lease.approve"`
}

type resource struct {
	_ struct{} `additionalProperties:"true"`

	Type string `json:"type"         doc:"application asks whether anywhere; any other type asks about a node." maxLength:"255" example:"node"`
	ID   string `json:"id,omitempty" doc:"The node's id, which only the type application can do without." maxLength:"255" example:"019db0aa-0202-76fd-aeeb-975729fae923"`
}

type resources struct {
	_ struct{} `additionalProperties:"true"`

	Type string `json:"type" doc:"node, a node type of the schema, or application." maxLength:"255" example:"node"`
}

type free struct {
	_ struct{} `additionalProperties:"true"`
}

// application is the type of the resource that stands for all nodes, node that of any node.
const (
	application = "application"
	node        = "node"
)

// parts are a question, or a piece of one, as it came.
type parts struct{ subject, action, resource jsontext.Value }

// question is what the parts ask. Problems are told beside it, and the question is then not
// to be asked.
type question struct {
	subjectType, subjectID, action, resourceType, resourceID string
}

// reader gathers what is wrong with a question.
type reader struct{ problems fault.Problems }

// object reads the members of a part.
func (r *reader) object(name string, raw jsontext.Value) map[string]jsontext.Value {
	switch {
	case raw == nil:
		r.problems.Add(name, "is required")
		return nil
	case raw.Kind() != '{':
		r.problems.Add(name, "must be an object")
		return nil
	}
	members := map[string]jsontext.Value{}
	if json.Unmarshal(raw, &members) != nil {
		r.problems.Add(name, "is not valid")
		return nil
	}
	return members
}

// text reads a member that has to be there.
func (r *reader) text(of map[string]jsontext.Value, part, member string) (s string) {
	name, raw := part+"."+member, of[member]
	switch {
	case of == nil: // that was told
	case raw == nil:
		r.problems.Add(name, "is required")
	case raw.Kind() != '"' || json.Unmarshal(raw, &s) != nil:
		r.problems.Add(name, "must be a string")
	case s == "" || utf8.RuneCountInString(s) > 255:
		r.problems.Add(name, "must be 1 to 255 characters")
	}
	return s
}

// ask reads a whole question.
func (r *reader) ask(p parts) question {
	var q question
	q.subjectType, q.subjectID = r.subject(p.subject)
	if q.subjectType != "" && !known(q.subjectType) {
		r.problems.Add("subject.type", "must be identity or user")
	}
	q.action = r.text(r.object("action", p.action), "action", "name")
	q.resourceType, q.resourceID = r.resource(p.resource)
	return q
}

func (r *reader) subject(raw jsontext.Value) (kind, id string) {
	of := r.object("subject", raw)
	return r.text(of, "subject", "type"), r.text(of, "subject", "id")
}

// resource reads what is asked about. An id that was lost is a mistake: without it the
// question would be about more.
func (r *reader) resource(raw jsontext.Value) (kind, id string) {
	of := r.object("resource", raw)
	if kind = r.text(of, "resource", "type"); kind == application {
		return kind, ""
	}
	return kind, r.text(of, "resource", "id")
}

// known reports whether subjects of a type are identities.
func known(kind string) bool { return kind == "identity" || kind == "user" }

// decided is the question as decisions know it.
func (q question) decided() decide.Question {
	d := decide.Question{Identity: idOf(q.subjectID), Permission: q.action, Scope: decide.AppWide}
	if q.resourceType != application {
		d.Scope, d.Node = decide.AtNode, idOf(q.resourceID)
	}
	return d
}

// idOf reads an id; what is none is the zero id, which names nothing.
func idOf(s string) id.ID {
	of, _ := id.Parse[id.ID](s)
	return of
}

// evaluating is the body of a single evaluation.
type evaluating struct {
	_ struct{} `additionalProperties:"true"`

	Subject  wire.Loose[subject]  `json:"subject"          doc:"Who."`
	Action   wire.Loose[action]   `json:"action"           doc:"What."`
	Resource wire.Loose[resource] `json:"resource"         doc:"Where."`
	Context  wire.Loose[free]     `json:"context,omitzero" doc:"Ignored."`
}

func (e *evaluating) parts() parts { return parts{e.Subject.Value, e.Action.Value, e.Resource.Value} }

// evaluated is the answer to a question.
type evaluated struct {
	Decision bool    `json:"decision" doc:"Whether the subject may."`
	Context  because `json:"context"  doc:"Why."`
}

// because is what the product says of an evaluation.
type because struct {
	Scope  string      `json:"scope_evaluated"          enum:"node,app_wide" doc:"Whether a node was asked about, or any."`
	Node   *string     `json:"effective_node_id"        doc:"The node asked about; null for the type application." maxLength:"255"`
	Roles  []string    `json:"granting_roles,omitempty" doc:"When allowed: names of all roles that grant, sorted." maxItems:"1001"`
	Reason *denialCode `json:"denial_reason,omitempty"  nullable:"false" doc:"When denied: the first reason that applies."`
}

// denialCode says why something was denied.
type denialCode string

// Enum lists the reasons, in the order of precedence, for schemas.
func (denialCode) Enum() (list []string) {
	for r := decide.IdentityNotFound; r <= decide.PermissionNotGranted; r++ {
		list = append(list, r.String())
	}
	return list
}

func viewEvaluated(q question, d decide.Decision) evaluated {
	v := evaluated{Decision: d.Allowed, Context: because{Scope: "app_wide", Roles: d.GrantingRoles}}
	if q.resourceType != application {
		v.Context.Scope, v.Context.Node = "node", &q.resourceID
	}
	if !d.Allowed {
		v.Context.Reason = new(denialCode(d.Reason.String()))
	}
	return v
}

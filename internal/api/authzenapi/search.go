package authzenapi

import (
	"context"
	"net/http"
	"slices"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

// Searches serves decisions asked the other way round, as AuthZEN words them.
type Searches struct{ Decisions *decision.Service }

const mostResults, usualResults = 1000, 100

// turn is which page is asked for.
type turn struct {
	_ struct{} `additionalProperties:"true"`

	Token *string `json:"token,omitempty" nullable:"true" doc:"The next_token of the page before; empty or null counts as absent." maxLength:"363" example:"q0Zk3v0r8n0b1Yx2u3Tt4QGdsKoCAnb9ruuXWXKfrpI"`
	Limit *int    `json:"limit,omitempty" nullable:"true" minimum:"1" maximum:"1000" doc:"The most results of the page; 100 when absent or null." example:"100"`
}

// rules holds what a turn says to its bounds.
func (t *turn) rules(f *text.Fields) {
	if t == nil {
		return
	}
	f.Check("page.token", t.Token == nil || len(*t.Token) <= page.MaxCursor, foreignToken)
	f.Check("page.limit", t.Limit == nil || *t.Limit >= 1 && *t.Limit <= mostResults, "must be 1 to 1000")
}

const foreignToken = "must be the next_token of an answer to the same question"

// place is where the page begins, as the page before gave it; nil for the first one.
func (t *turn) place(q page.Asked) ([]byte, error) {
	if t == nil || t.Token == nil || *t.Token == "" {
		return nil, nil
	}
	if place, is := q.Place(*t.Token); is {
		return place, nil
	}
	return nil, fault.Validation.WithDetails("page.token " + foreignToken)
}

// ids is place for a list that is behind a path of ids.
func (t *turn) ids(q page.Asked) ([]id.ID, error) {
	place, err := t.place(q)
	if err != nil {
		return nil, err
	}
	path, are := id.List(place)
	if !are {
		return nil, fault.Validation.WithDetails("page.token " + foreignToken)
	}
	return path, nil
}

func (t *turn) limit() int {
	if t == nil || t.Limit == nil {
		return usualResults
	}
	return *t.Limit
}

// subjectSearch asks who may.
type subjectSearch struct {
	_ struct{} `additionalProperties:"true"`

	Subject  wire.Loose[subjects] `json:"subject"          doc:"Of what type the results are."`
	Action   wire.Loose[action]   `json:"action"           doc:"What."`
	Resource wire.Loose[resource] `json:"resource"         doc:"Where."`
	Context  wire.Loose[free]     `json:"context,omitzero" doc:"Ignored."`
	Page     *turn                `json:"page,omitempty"   nullable:"false" doc:"Which page."`
}

// Rules implements text.Ruled.
func (s *subjectSearch) Rules(f *text.Fields) { s.Page.rules(f) }

// resourceSearch asks where somebody may.
type resourceSearch struct {
	_ struct{} `additionalProperties:"true"`

	Subject  wire.Loose[subject]   `json:"subject"          doc:"Who."`
	Action   wire.Loose[action]    `json:"action"           doc:"What."`
	Resource wire.Loose[resources] `json:"resource"         doc:"Of what type the results are."`
	Context  wire.Loose[free]      `json:"context,omitzero" doc:"Ignored."`
	Page     *turn                 `json:"page,omitempty"   nullable:"false" doc:"Which page."`
}

// Rules implements text.Ruled.
func (s *resourceSearch) Rules(f *text.Fields) { s.Page.rules(f) }

// actionSearch asks what somebody may.
type actionSearch struct {
	_ struct{} `additionalProperties:"true"`

	Subject  wire.Loose[subject]  `json:"subject"          doc:"Who."`
	Action   wire.Loose[free]     `json:"action,omitzero"  doc:"Ignored."`
	Resource wire.Loose[resource] `json:"resource"         doc:"Where."`
	Context  wire.Loose[free]     `json:"context,omitzero" doc:"Ignored."`
	Page     *turn                `json:"page,omitempty"   nullable:"false" doc:"Which page."`
}

// Rules implements text.Ruled.
func (s *actionSearch) Rules(f *text.Fields) { s.Page.rules(f) }

// found is a page of results.
type found[T any] struct {
	Results []T        `json:"results" doc:"What was found." maxItems:"1000"`
	Page    resultPage `json:"page"    doc:"Where the next page begins."`
}

type resultPage struct {
	Next  string `json:"next_token" doc:"To be sent as page.token for the page after this one; empty on the last page." maxLength:"363" example:"q0Zk3v0r8n0b1Yx2u3Tt4QGdsKoCAnb9ruuXWXKfrpI"`
	Count int    `json:"count"      doc:"Results on this page." example:"1"`
}

// foundEntity is a subject or a resource that was found, foundAction an action.
type (
	foundEntity struct {
		Type string `json:"type" doc:"As asked." maxLength:"255" example:"node"`
		ID   id.ID  `json:"id"   doc:"Its id."`
	}
	foundAction struct {
		Name string `json:"name" doc:"A key of the catalogue of permissions." maxLength:"128" example:"lease.approve"`
	}
)

func pageOf[T any](list []T, next string) found[T] {
	if list == nil {
		list = []T{}
	}
	return found[T]{list, resultPage{next, len(list)}}
}

// entities is a page of things of one type.
func entities(kind string, ids []id.ID, next string) found[foundEntity] {
	list := make([]foundEntity, len(ids))
	for i, of := range ids {
		list[i] = foundEntity{kind, of}
	}
	return pageOf(list, next)
}

// Routes registers the resource.
func (h *Searches) Routes(rt *wire.Router) {
	g := rt.Standard(prefix+"/search", tagAuthZEN)
	wire.HandleStandard(g, wire.Route{
		Method: http.MethodPost, Path: "/subject", ID: "authzenSearchSubject", Summary: "Search subjects",
		About: "Who may do this at this resource. It needs identity.view, too. What is unknown finds nothing.",
		Needs: permission.Evaluate, And: permission.IdentityView, Limits: wire.PerEnvironment(ratelimit.Evaluate),
		Quiet: true, Consistent: true, Status: http.StatusOK,
	}, h.subjects)
	wire.HandleStandard(g, wire.Route{
		Method: http.MethodPost, Path: "/resource", ID: "authzenSearchResource", Summary: "Search resources",
		About: "Where this subject may do this: nodes, nodes of one type, or the Application where it may do so " +
			"anywhere. What is unknown finds nothing.",
		Needs: permission.Evaluate, Limits: wire.PerEnvironment(ratelimit.Evaluate),
		Quiet: true, Consistent: true, Status: http.StatusOK,
	}, h.resources)
	wire.HandleStandard(g, wire.Route{
		Method: http.MethodPost, Path: "/action", ID: "authzenSearchAction", Summary: "Search actions",
		About: "What this subject may do at this resource, sorted. What is unknown finds nothing.",
		Needs: permission.Evaluate, Limits: wire.PerEnvironment(ratelimit.Evaluate),
		Quiet: true, Consistent: true, Status: http.StatusOK,
	}, h.actions)
}

func (h *Searches) subjects(
	ctx context.Context, _ *wire.Call, by wire.By, in subjectSearch,
) (none found[foundEntity], err error) {
	var r reader
	q := question{subjectType: r.text(r.object("subject", in.Subject.Value), "subject", "type")}
	q.action = r.text(r.object("action", in.Action.Value), "action", "name")
	q.resourceType, q.resourceID = r.resource(in.Resource.Value)
	if err := r.problems.Err(); err != nil {
		return none, err
	}
	asked := page.Ask("subjects", by.In.ID.String(), q.subjectType, q.action, q.resourceType, q.resourceID)
	after, err := in.Page.ids(asked)
	if err != nil {
		return none, err
	}
	var ids []id.ID
	var next id.ID
	look := decide.WhoQuery{Node: idOf(q.resourceID), Permission: q.action, Limit: in.Page.limit()}
	if len(after) > 0 {
		look.After = after[0]
	}
	switch {
	case !known(q.subjectType): // the revision is told all the same
		err = h.Decisions.Nothing(ctx, by.In)
	case q.resourceType == application:
		ids, next, err = h.Decisions.WhoCanAnywhere(ctx, by.Actor, by.In, q.action, look.After, look.Limit)
	default:
		var who decide.WhoPage
		who, err = h.Decisions.Holders(ctx, by.Actor, by.In, look)
		for _, holder := range who.Holders {
			ids = append(ids, holder.Identity)
		}
		next = who.Next
	}
	return entities(q.subjectType, ids, tokenOf(asked, next)), err
}

// tokenOf is the token of the page behind an id; empty for the zero one.
func tokenOf(q page.Asked, last id.ID) string {
	if last.IsZero() {
		return ""
	}
	return q.Cursor(last[:])
}

func (h *Searches) resources(
	ctx context.Context, _ *wire.Call, by wire.By, in resourceSearch,
) (none found[foundEntity], err error) {
	var r reader
	var q question
	q.subjectType, q.subjectID = r.subject(in.Subject.Value)
	q.action = r.text(r.object("action", in.Action.Value), "action", "name")
	q.resourceType = r.text(r.object("resource", in.Resource.Value), "resource", "type")
	if err := r.problems.Err(); err != nil {
		return none, err
	}
	asked := page.Ask("resources", by.In.ID.String(), q.subjectType, q.subjectID, q.action, q.resourceType)
	after, err := in.Page.ids(asked)
	if err != nil {
		return none, err
	}
	look := decide.ReachQuery{
		Identity: q.identity(), Permission: q.action, After: after, Limit: in.Page.limit(),
	}
	var p decide.ReachPage
	switch q.resourceType {
	case application:
		anywhere := decide.Question{Identity: look.Identity, Permission: q.action, Scope: decide.AppWide}
		d, err := h.Decisions.Evaluate(ctx, by.Actor, by.In, anywhere)
		if err != nil || !d.Allowed {
			return entities(application, nil, ""), err
		}
		return entities(application, []id.ID{id.ID(by.In.Application.ID)}, ""), nil
	case node:
		p, err = h.Decisions.AccessibleNodes(ctx, by.Actor, by.In, look)
	default:
		p, err = h.Decisions.AccessibleOfType(ctx, by.Actor, by.In, look, q.resourceType)
	}
	return entities(q.resourceType, p.Nodes, asked.Cursor(id.Bytes(p.Next))), err
}

// identity is whom a question is about; nobody where its type is none of ours.
func (q question) identity() id.ID {
	if !known(q.subjectType) {
		return id.ID{}
	}
	return idOf(q.subjectID)
}

func (h *Searches) actions(
	ctx context.Context, _ *wire.Call, by wire.By, in actionSearch,
) (none found[foundAction], err error) {
	var r reader
	var q question
	q.subjectType, q.subjectID = r.subject(in.Subject.Value)
	q.resourceType, q.resourceID = r.resource(in.Resource.Value)
	if err := r.problems.Err(); err != nil {
		return none, err
	}
	asked := page.Ask("actions", by.In.ID.String(), q.subjectType, q.subjectID, q.resourceType, q.resourceID)
	last, err := in.Page.place(asked)
	if err != nil {
		return none, err
	}
	d := q.decided()
	d.Identity = q.identity()
	keys, err := h.Decisions.Allowed(ctx, by.Actor, by.In, d)
	if err != nil {
		return none, err
	}
	from, exact := slices.BinarySearch(keys, string(last))
	if exact {
		from++
	}
	keys = keys[from:]
	next := ""
	if limit := in.Page.limit(); len(keys) > limit {
		keys = keys[:limit]
		next = asked.Cursor([]byte(keys[limit-1]))
	}
	list := make([]foundAction, len(keys))
	for i, key := range keys {
		list[i] = foundAction{key}
	}
	return pageOf(list, next), nil
}

package accessapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

// Reverse serves decisions asked the other way round: where may somebody, and who may?
type Reverse struct{ Decisions *decision.Service }

// cursorRule is of what an answer before gave. Whether it belongs to the question shows only
// where both are known.
var cursorRule = text.Rule{
	Normalize: func(s string) (string, string) {
		if len(s) < 1 || len(s) > page.MaxCursor {
			return "", foreignCursor
		}
		return s, ""
	},
	MinLength: 1, MaxLength: page.MaxCursor, Example: "q0Zk3v0r8n0b1Yx2u3Tt4QGdsKoCAnb9ruuXWXKfrpI",
}

const foreignCursor = "must be the next_cursor of an answer to the same question"

// placeOf is where a page begins, as the page before gave it.
func placeOf(q page.Asked, cursor *string) ([]id.ID, error) {
	if cursor == nil {
		return nil, nil
	}
	if place, is := q.Place(*cursor); is {
		if path, are := id.List(place); are {
			return path, nil
		}
	}
	return nil, fault.Validation.WithDetails("cursor " + foreignCursor)
}

// limited is how many items a page is to hold.
func limited(limit *int, absent int) int {
	if limit == nil {
		return absent
	}
	return *limit
}

// nextPage is where the page after a page begins.
type nextPage struct {
	Cursor *string `json:"next_cursor" doc:"To be sent as cursor for the page after this one; null on the last page." maxLength:"363" example:"q0Zk3v0r8n0b1Yx2u3Tt4QGdsKoCAnb9ruuXWXKfrpI"`
}

// nextPageOf is the page behind the path to the last item of a page; nil on the last page.
func nextPageOf(q page.Asked, path []id.ID) nextPage {
	if len(path) == 0 {
		return nextPage{}
	}
	return nextPage{new(q.Cursor(id.Bytes(path)))}
}

const (
	mostNodes, usualNodes   = 1000, 100
	mostPeople, usualPeople = 200, 50
)

// nodesQuestion asks where somebody may do something.
type nodesQuestion struct {
	IdentityID string  `json:"identity_id"      doc:"Whom it is about; an unknown id is denied."`
	Permission string  `json:"permission"       doc:"A key of the catalogue; an unknown one is denied."`
	Cursor     *string `json:"cursor,omitempty" nullable:"true" doc:"The next_cursor of the page before; null counts as absent."`
	Limit      *int    `json:"limit,omitempty"  nullable:"true" minimum:"1" maximum:"1000" doc:"The most nodes of the page; 100 when absent or null." example:"100"`
}

// Rules implements text.Ruled.
func (r *nodesQuestion) Rules(f *text.Fields) {
	f.Field("identity_id", &r.IdentityID, anyWord)
	f.Field("permission", &r.Permission, anyPermissionWord)
	f.Optional("cursor", r.Cursor, cursorRule)
	f.Check("limit", r.Limit == nil || *r.Limit >= 1 && *r.Limit <= mostNodes, "must be 1 to 1000")
}

// reachedNodes is a page of nodes.
type reachedNodes struct {
	Items      []id.ID  `json:"items"         doc:"Nodes: root after root, each before what lies below it, siblings by id." maxItems:"1000"`
	Roots      []id.ID  `json:"roots"         doc:"The topmost of all of them, on every page: everything live below them is reached, too." maxItems:"1000000"`
	Reason     *denial  `json:"denial_reason" doc:"Why there are none, as evaluate says it of the scope app_wide; null where there are some."`
	Pagination nextPage `json:"pagination"    doc:"Where the next page begins."`
}

// whoQuestion asks who may do something at a node.
type whoQuestion struct {
	Permission string  `json:"permission"       doc:"A key of the catalogue."`
	NodeID     string  `json:"node_id"          doc:"Where."`
	Cursor     *string `json:"cursor,omitempty" nullable:"true" doc:"The next_cursor of the page before; null counts as absent."`
	Limit      *int    `json:"limit,omitempty"  nullable:"true" minimum:"1" maximum:"200" doc:"The most identities of the page; 50 when absent or null." example:"50"`
}

// Rules implements text.Ruled.
func (a *whoQuestion) Rules(f *text.Fields) {
	f.Field("permission", &a.Permission, anyPermissionWord)
	f.Field("node_id", &a.NodeID, anyWord)
	f.Optional("cursor", a.Cursor, cursorRule)
	f.Check("limit", a.Limit == nil || *a.Limit >= 1 && *a.Limit <= mostPeople, "must be 1 to 200")
}

// peopleWhoMay is a page of identities.
type peopleWhoMay struct {
	Items      []whoMay `json:"items"         doc:"Identities, by id." maxItems:"200"`
	Reason     *denial  `json:"denial_reason" doc:"node_not_found, node_inactive or permission_unknown where nobody may because of that, else null."`
	Pagination nextPage `json:"pagination"    doc:"Where the next page begins."`
}

// whoMay is somebody who may.
type whoMay struct {
	Identity holder          `json:"identity" doc:"Who may."`
	Via      []viaAssignment `json:"via"      doc:"Every assignment that grants it, the root's first." maxItems:"16016"`
}

// viaAssignment is an assignment that grants.
type viaAssignment struct {
	ID       assignment.ID `json:"assignment_id"  doc:"The assignment."`
	RoleID   rbac.RoleID   `json:"role_id"        doc:"Its role."`
	RoleName string        `json:"role_name"      doc:"The role's name." example:"Regional Manager" maxLength:"100"`
	NodeID   hierarchy.ID  `json:"node_id"        doc:"Where it was made: at the node asked about, or above it."`
	From     *time.Time    `json:"effective_from" doc:"When it began; null for from its creation on."`
	To       *time.Time    `json:"effective_to"   doc:"When it ends, this instant not included; null for never."`
}

func viewPeople(w decision.Who) []whoMay {
	list := []whoMay{}
	for _, h := range w.Holders {
		n := w.People[enduser.ID(h.Identity)]
		one := whoMay{
			Identity: holder{enduser.ID(h.Identity), n.FirstName, n.LastName, n.Name(), n.Email, n.AvatarURL},
		}
		for _, a := range h.Assignments {
			one.Via = append(one.Via, viaAssignment{
				assignment.ID(a.ID), rbac.RoleID(a.Role), a.RoleName, hierarchy.ID(a.Node), bound(a.From), bound(a.To),
			})
		}
		list = append(list, one)
	}
	return list
}

// Routes registers the resource.
func (h *Reverse) Routes(rt *wire.Router) {
	g := rt.Twins("/permissions", tagDecisions)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/accessible-nodes", ID: "listAccessibleNodes", Summary: "List where somebody may",
		About: "The live nodes at which evaluate would allow. The list keeps its place when nodes come, go or move " +
			"between two pages.",
		Needs: permission.Evaluate, Limits: wire.PerEnvironment(ratelimit.Evaluate),
		Quiet: true, Consistent: true, Status: http.StatusOK,
	}, h.nodes)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/who-can", ID: "whoCan", Summary: "List who may",
		About: "The identities for whom evaluate would allow at a node, with what grants it to them. It needs " +
			"identity.view, too. The list keeps its place when people come and go between two pages.",
		Needs: permission.Evaluate, And: permission.IdentityView, Limits: wire.PerEnvironment(ratelimit.Evaluate),
		Quiet: true, Consistent: true, Status: http.StatusOK,
	}, h.people)
}

func (h *Reverse) nodes(
	ctx context.Context, _ *wire.Call, by wire.By, in nodesQuestion,
) (out reachedNodes, err error) {
	of := idOf(in.IdentityID)
	asked := page.Ask("accessible-nodes", by.In.ID.String(), of.String(), in.Permission)
	q := decide.ReachQuery{Identity: of, Permission: in.Permission, Limit: limited(in.Limit, usualNodes)}
	if q.After, err = placeOf(asked, in.Cursor); err != nil {
		return out, err
	}
	p, err := h.Decisions.AccessibleNodes(ctx, by.Actor, by.In, q)
	return reachedNodes{
		append([]id.ID{}, p.Nodes...), append([]id.ID{}, p.Roots...), because(p.Reason), nextPageOf(asked, p.Next),
	}, err
}

func (h *Reverse) people(ctx context.Context, _ *wire.Call, by wire.By, in whoQuestion) (out peopleWhoMay, err error) {
	at := idOf(in.NodeID)
	asked := page.Ask("who-can", by.In.ID.String(), in.Permission, at.String())
	path, err := placeOf(asked, in.Cursor)
	if err != nil {
		return out, err
	}
	q := decide.WhoQuery{Node: at, Permission: in.Permission, Limit: limited(in.Limit, usualPeople)}
	if len(path) > 0 {
		q.After = path[0]
	}
	w, err := h.Decisions.WhoCan(ctx, by.Actor, by.In, q)
	out = peopleWhoMay{Items: viewPeople(w), Reason: because(w.Reason)}
	if !w.Next.IsZero() {
		out.Pagination = nextPageOf(asked, []id.ID{w.Next})
	}
	return out, err
}

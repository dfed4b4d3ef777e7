package accessapi

import (
	"context"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

// Decisions serves what the product asks on every request: may this identity do this here?
type Decisions struct {
	Decisions *decision.Service
	Members   *membership.Service
	Keys      *apikey.Service // of who asks on the short way
}

// asked is where a question asks about.
type asked string

// The scopes of a question.
const (
	atNode  asked = "node"
	appWide asked = "app_wide"
)

// Enum lists the scopes, for schemas.
func (asked) Enum() []string { return []string{string(atNode), string(appWide)} }

// mostAsked is how many questions one call may ask.
const mostAsked = 1000

// anyWord is the rule of what names something that may not be there: an id that is no UUID
// is an unknown one.
var anyWord = text.Rule{
	Normalize: func(s string) (string, string) {
		if n := utf8.RuneCountInString(s); n < 1 || n > 255 {
			return "", "must be 1 to 255 characters"
		}
		return s, ""
	},
	MinLength: 1, MaxLength: 255, Example: "019db0aa-0202-76fd-aeeb-975729fae923",
}

// anyPermissionWord is anyWord for a permission.
var anyPermissionWord = func() text.Rule {
	r := anyWord
	r.Example = "lease.approve"
	return r
}()

// question is one question.
type question struct {
	IdentityID string  `json:"identity_id"       doc:"Whom it is about; an unknown id is a denial."`
	Permission string  `json:"permission"        doc:"A key of the catalogue; an unknown one is a denial."`
	Scope      asked   `json:"scope"             doc:"node: here? app_wide: anywhere? The latter shows or hides menus, and protects nothing."`
	NodeID     *string `json:"node_id,omitempty" nullable:"true" doc:"Where; only with the scope node, which needs it. null counts as absent."`
}

// Rules implements text.Ruled.
func (q *question) Rules(f *text.Fields) {
	f.Field("identity_id", &q.IdentityID, anyWord)
	f.Field("permission", &q.Permission, anyPermissionWord)
	f.Optional("node_id", q.NodeID, anyWord)
	f.Check("scope", q.Scope == atNode || q.Scope == appWide, "must be node or app_wide")
	f.Check("node_id", q.Scope != atNode || q.NodeID != nil, "is needed with the scope node")
	f.Check("node_id", q.Scope != appWide || q.NodeID == nil, "must be absent with the scope app_wide")
}

func (q *question) decided() decide.Question {
	d := decide.Question{Identity: idOf(q.IdentityID), Permission: q.Permission, Scope: decide.AppWide}
	if q.Scope == atNode {
		d.Scope, d.Node = decide.AtNode, idOf(*q.NodeID)
	}
	return d
}

// idOf reads an id; what is none is the zero id, which names nothing.
func idOf(s string) id.ID {
	of, _ := id.Parse[id.ID](s)
	return of
}

type questions struct {
	Checks []question `json:"checks" doc:"1 to 1,000 questions, answered in their order as of one moment." maxItems:"1000"`
}

// Rules implements text.Ruled.
func (q *questions) Rules(f *text.Fields) {
	f.Check("checks", len(q.Checks) >= 1 && len(q.Checks) <= mostAsked, "must hold 1 to 1000 questions")
	for i := range q.Checks {
		f.Each("checks", i, &q.Checks[i])
	}
}

// denial says why something was denied.
type denial string

// Enum lists the reasons, in the order of precedence, for schemas.
func (denial) Enum() (list []string) {
	for r := decide.IdentityNotFound; r <= decide.PermissionNotGranted; r++ {
		list = append(list, r.String())
	}
	return list
}

func because(r decide.Reason) *denial {
	if r == decide.None {
		return nil
	}
	return new(denial(r.String()))
}

// verdict is the answer to a question.
type verdict struct {
	Allowed    bool     `json:"allowed"           doc:"Whether the identity may."`
	Permission string   `json:"permission"        doc:"As asked." example:"lease.approve" maxLength:"255"`
	Scope      asked    `json:"scope_evaluated"   doc:"As asked."`
	Node       *string  `json:"effective_node_id" doc:"The node asked for; null for the scope app_wide." maxLength:"255"`
	Roles      []string `json:"granting_roles"    doc:"Names of all roles that grant, sorted; empty on a denial." maxItems:"1001"`
	Reason     *denial  `json:"denial_reason"     doc:"Why not: the first reason that applies; null when allowed."`
}

func viewVerdict(q question, d decide.Decision) verdict {
	v := verdict{d.Allowed, q.Permission, q.Scope, nil, d.GrantingRoles, because(d.Reason)}
	if q.Scope == atNode {
		v.Node = q.NodeID
	}
	if v.Roles == nil {
		v.Roles = []string{}
	}
	return v
}

// explained asks how a question about a node is decided.
type explained struct {
	IdentityID string         `json:"identity_id"   doc:"Whom it is about."`
	Permission string         `json:"permission"    doc:"A key of the catalogue."`
	NodeID     string         `json:"node_id"       doc:"Where."`
	At         text.Clearable `json:"at,omitzero" doc:"An instant in place of now, for windows only: all else is as it is."`
}

// Rules implements text.Ruled.
func (e *explained) Rules(f *text.Fields) {
	f.Field("identity_id", &e.IdentityID, anyWord)
	f.Field("permission", &e.Permission, anyPermissionWord)
	f.Field("node_id", &e.NodeID, anyWord)
	f.Clearable("at", &e.At, text.InstantRule)
}

// trace is a decision with everything that led to it.
type trace struct {
	IdentityID    string      `json:"identity_id"       doc:"As asked." maxLength:"255"`
	Permission    string      `json:"permission"        doc:"As asked." example:"lease.approve" maxLength:"255"`
	NodeID        string      `json:"node_id"           doc:"As asked." maxLength:"255"`
	Allowed       bool        `json:"allowed"           doc:"What evaluate answers."`
	Reason        *denial     `json:"denial_reason"     doc:"Why not; null when allowed."`
	EffectiveNode string      `json:"effective_node_id" doc:"The node asked for." maxLength:"255"`
	GrantingRoles []id.ID     `json:"granting_role_ids" doc:"Roles that grant, by name." maxItems:"1001"`
	GrantingNodes []id.ID     `json:"granting_node_ids" doc:"Nodes of the lineage with an assignment that grants, root first." maxItems:"16"`
	Lineage       []traceNode `json:"lineage"           doc:"The root first, the node asked for last." maxItems:"16"`
}

type traceNode struct {
	NodeID      id.ID             `json:"node_id"     doc:"A node of the lineage."`
	Name        string            `json:"name"        doc:"Its name." example:"North" maxLength:"200"`
	Type        string            `json:"node_type"   doc:"Its type." example:"region" maxLength:"100"`
	Depth       int               `json:"depth"       doc:"0 for the root."`
	IsTarget    bool              `json:"is_target"   doc:"Whether it is the node asked for."`
	Assignments []traceAssignment `json:"assignments" doc:"All of the identity's assignments here, by role." maxItems:"1001"`
}

type traceAssignment struct {
	ID       id.ID      `json:"assignment_id"     doc:"The assignment."`
	RoleID   id.ID      `json:"role_id"           doc:"Its role."`
	RoleName string     `json:"role_name"         doc:"The role's name." example:"Regional Manager" maxLength:"100"`
	Active   bool       `json:"active"            doc:"Whether its window contains the instant."`
	From     *time.Time `json:"effective_from"    doc:"When it begins; null for from its creation on."`
	To       *time.Time `json:"effective_to"      doc:"When it ends, this instant not included; null for never."`
	Grants   bool       `json:"grants_permission" doc:"Whether its role is active and holds the permission."`
	IsActive bool       `json:"role_is_active"    doc:"Whether its role is switched on."`
}

func viewTrace(q explained, t decision.Trace) trace {
	v := trace{
		q.IdentityID, q.Permission, q.NodeID, t.Allowed, because(t.Reason), q.NodeID,
		append([]id.ID{}, t.GrantingRoleIDs...), append([]id.ID{}, t.GrantingNodeIDs...),
		[]traceNode{},
	}
	for _, n := range t.Lineage {
		named := t.Names[n.ID]
		node := traceNode{n.ID, named.Name, named.Type, n.Depth, n.Target, []traceAssignment{}}
		for _, a := range n.Assignments {
			node.Assignments = append(node.Assignments, traceAssignment{
				a.ID, a.Role, a.RoleName, a.Active, bound(a.From), bound(a.To), a.GrantsPermission, a.RoleActive,
			})
		}
		v.Lineage = append(v.Lineage, node)
	}
	return v
}

// bound is an end of a window; nil where it is open.
func bound(t decide.Instant) *time.Time {
	if t == decide.Beginning || t == decide.Forever {
		return nil
	}
	return new(time.UnixMicro(int64(t)).UTC())
}

// grant is a permission, and where it was given.
type grant struct {
	Permission string  `json:"permission" doc:"A key of the catalogue." example:"lease.approve" maxLength:"128"`
	Nodes      []id.ID `json:"nodes"      doc:"Nodes at which it was given: it reaches everything live below them." maxItems:"1000000"`
}

var (
	tagDecisions = wire.Tag{
		Name: "Decisions", About: "May this identity do this here? Answers hold every write that was answered before.",
	}
	identityID     = wire.PathID[enduser.ID]("id", "The identity's id.", enduser.ErrNotFound)
	permissionNode = wire.QueryAnyID[hierarchy.ID]("node_id", "What it holds at this node; anywhere when absent.")
)

// Routes registers the resource.
func (h *Decisions) Routes(rt *wire.Router) {
	g := rt.Twins("/permissions", tagDecisions)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/evaluate", ID: "evaluate", Summary: "Decide",
		About: "May this identity do this here, or anywhere? A denial is an answer like any other: 200.",
		Needs: permission.Evaluate, Limits: wire.PerEnvironment(ratelimit.Evaluate),
		Quiet: true, Consistent: true, Status: http.StatusOK,
	}, h.evaluate)
	rt.Express("/api/v1/permissions/evaluate", ratelimit.Evaluate, mostOfQuestion, h.evaluateExpress)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/evaluate/bulk", ID: "evaluateBulk", Summary: "Decide many",
		About: "Up to 1,000 questions, answered in their order as of one moment.",
		Needs: permission.Evaluate, Limits: wire.PerEnvironment(ratelimit.EvaluateBulk), Body: wire.BodyRows,
		Quiet: true, Consistent: true, Status: http.StatusOK,
	}, h.bulk)
	rt.Express("/api/v1/permissions/evaluate/bulk", ratelimit.EvaluateBulk, mostOfQuestions, h.bulkExpress)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/evaluate/explain", ID: "explain", Summary: "Explain a decision",
		About: "What evaluate answers about a node, with every assignment on the way there.",
		Needs: permission.Evaluate, Limits: wire.PerEnvironment(ratelimit.Explain),
		Quiet: true, Consistent: true, Status: http.StatusOK,
		Faults: []*fault.Error{enduser.ErrNotFound, hierarchy.ErrNotFound},
	}, h.explain)
	p := rt.Twins("/identities/{id}", tagDecisions)
	wire.HandleTwins(p, wire.Route{
		Method: http.MethodGet, Path: "/permissions", ID: "listIdentityPermissions", Summary: "List what an identity may do",
		About: "Keys that the identity holds now, anywhere or at a node; none while it is switched off.",
		Needs: permission.IdentityView, Params: []wire.Parameter{identityID, permissionNode},
		Consistent: true, Status: http.StatusOK,
		Faults: []*fault.Error{hierarchy.ErrNotFound},
	}, h.permissions)
	wire.Handle(rt.InDefaultEnvironment("/identities/{id}", tagDecisions), wire.Route{
		Method: http.MethodGet, Path: "/permissions", ID: "listApplicationIdentityPermissions",
		Summary: "List what an Application's identity may do",
		About: "Keys that it holds now in the default Environment, anywhere or at a node; none where it is no member " +
			"there or switched off.",
		Needs: permission.IdentityView, Params: []wire.Parameter{identityID, permissionNode},
		Consistent: true, Status: http.StatusOK,
		Faults: []*fault.Error{hierarchy.ErrNotFound},
	}, h.ofApplication)
	wire.HandleTwins(p, wire.Route{
		Method: http.MethodGet, Path: "/grants", ID: "listIdentityGrants", Summary: "List an identity's grants",
		About: "For applications that decide by themselves: what grants now, and at which nodes it was given. " +
			"With GET /nodes/parents they walk up from a node until they meet one of them.",
		Needs: permission.IdentityView, Params: []wire.Parameter{identityID}, ValidUntil: true,
		Consistent: true, Status: http.StatusOK,
	}, h.grants)
}

func (h *Decisions) evaluate(
	ctx context.Context, _ *wire.Call, by wire.By, in question,
) (wire.Data[verdict], error) {
	d, err := h.Decisions.Evaluate(ctx, by.Actor, by.In, in.decided())
	return wire.Of(viewVerdict(in, d), err)
}

func (h *Decisions) bulk(ctx context.Context, _ *wire.Call, by wire.By, in questions) (wire.Items[verdict], error) {
	list := make([]decide.Question, len(in.Checks))
	for i := range in.Checks {
		list[i] = in.Checks[i].decided()
	}
	decided, err := h.Decisions.Bulk(ctx, by.Actor, by.In, list)
	answers := wire.Items[verdict]{Items: make([]verdict, len(decided))}
	for i, d := range decided {
		answers.Items[i] = viewVerdict(in.Checks[i], d)
	}
	return answers, err
}

func (h *Decisions) explain(ctx context.Context, _ *wire.Call, by wire.By, in explained) (wire.Data[trace], error) {
	var at *time.Time
	if in.At.Value != nil {
		at = new(in.At.Time())
	}
	t, err := h.Decisions.Explain(ctx, by.Actor, by.In, idOf(in.IdentityID), in.Permission, idOf(in.NodeID), at)
	return wire.Of(viewTrace(in, t), err)
}

func (h *Decisions) permissions(
	ctx context.Context, c *wire.Call, by wire.By, _ wire.None,
) (wire.Items[string], error) {
	keys, err := h.Decisions.Permissions(ctx, by.Actor, by.In, identityID.Of(c), permissionNode.Of(c))
	return wire.ItemsOf(keys, err, func(key string) string { return key })
}

// ofApplication is permissions for who is seen from an Application, and may be no member of its
// default Environment.
func (h *Decisions) ofApplication(
	ctx context.Context, c *wire.Call, by wire.At[scope.Environment], _ wire.None,
) (wire.Items[string], error) {
	who := identityID.Of(c)
	if _, err := h.Members.Get(ctx, membership.InApplication(by.In.Application, by.In), who); err != nil {
		return wire.Items[string]{}, err
	}
	keys, err := h.Decisions.Permissions(ctx, by.Actor, by.In, who, permissionNode.Of(c))
	if errors.Is(err, enduser.ErrNotFound) {
		keys, err = nil, nil
	}
	return wire.ItemsOf(keys, err, func(key string) string { return key })
}

func (h *Decisions) grants(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Items[grant], error) {
	list, err := h.Decisions.Grants(ctx, by.Actor, by.In, identityID.Of(c))
	if until := bound(list.Until); err == nil && until != nil {
		c.SetValidUntil(*until)
	}
	return wire.ItemsOf(list.Grants, err, func(g decide.Grant) grant { return grant{g.Permission, g.Nodes} })
}

package accessapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"canopy.dev/canopy/internal/access/preview"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

// Previews serves what a change would do to access, before it is made.
type Previews struct{ Previews *preview.Service }

// previewed asks what a change would do.
type previewed struct {
	Change preview.Change `json:"change"           doc:"The call, as it has not been made."`
	Cursor *string        `json:"cursor,omitempty" nullable:"true" doc:"The next_cursor of the page before, with the same change; null or absent for the first page."`
	Limit  *int           `json:"limit,omitempty"  nullable:"false" doc:"How many people a page has at most: 1 to 200, 50 when absent." example:"50"`
}

const (
	usualPreviewed = 50
	mostPreviewed  = 200
)

// Rules implements text.Ruled.
func (p *previewed) Rules(f *text.Fields) {
	f.Within("change", &p.Change)
	f.Check("limit", p.Limit == nil || *p.Limit >= 1 && *p.Limit <= mostPreviewed, "must be 1 to 200")
	f.Optional("cursor", p.Cursor, text.Rule{
		Normalize: func(s string) (string, string) { return s, "" }, MaxLength: 54,
	})
}

func (p *previewed) query() preview.Query {
	q := preview.Query{Change: p.Change, Limit: usualPreviewed}
	if p.Cursor != nil {
		q.Cursor = *p.Cursor
	}
	if p.Limit != nil {
		q.Limit = *p.Limit
	}
	return q
}

// accessPreview is a page of what a change would do.
type accessPreview struct {
	Allowed    bool             `json:"allowed"     doc:"Whether the real call would refuse nothing."`
	Problems   []previewProblem `json:"problems"    doc:"What the real call would refuse, by its own codes." maxItems:"10000"`
	Revision   string           `json:"revision"    doc:"The revision of the Environment at which this is so." example:"1841" maxLength:"20"`
	ValidUntil *time.Time       `json:"valid_until" doc:"When time alone would change the answer; null for never."`
	Summary    *previewSummary  `json:"summary"     doc:"What the change does in all, on the first page; null on later ones."`
	Items      []previewItem    `json:"items"       doc:"Everybody whose answers change, by id, and nobody else." maxItems:"200"`
	Pagination previewNext      `json:"pagination"  doc:"How to go on."`
}

type previewProblem struct {
	Code    string  `json:"code"    doc:"A code of the real call." example:"nodes.cycle" maxLength:"100"`
	Message string  `json:"message" doc:"Its sentence." example:"A node can't be moved below itself" maxLength:"1000"`
	ID      *string `json:"id"      doc:"What it is about: an id as it was sent, of what is in the way, or a permission's key; null for nothing in particular." maxLength:"255"`
}

type previewSummary struct {
	Gaining     int  `json:"gaining"             doc:"People who gain something." example:"2"`
	Losing      int  `json:"losing"              doc:"People who lose something; some may do both." example:"7"`
	Complete    bool `json:"complete"            doc:"Whether everybody was counted; else these two are lower bounds."`
	Nodes       int  `json:"nodes"               doc:"Nodes that are moved, switched or removed, with all below them." example:"214"`
	Assignments int  `json:"assignments_removed" doc:"Assignments that go." example:"0"`
	Invites     int  `json:"invites_revoked"     doc:"Pending invites that are withdrawn." example:"0"`
}

type previewItem struct {
	Identity previewIdentity `json:"identity" doc:"Whose answers change."`
	Gains    []previewArea   `json:"gains"    doc:"What is allowed then and not now, at most 20." maxItems:"20"`
	Losses   []previewArea   `json:"losses"   doc:"What is allowed now and not then, at most 20." maxItems:"20"`
	More     int             `json:"more"     doc:"How many gains and losses are left out." example:"0"`
}

type previewIdentity struct {
	ID    principal.IdentityID `json:"id"    doc:"The identity."`
	Name  string               `json:"name"  doc:"First and last name." example:"Ann Lee" maxLength:"201"`
	Email string               `json:"email" doc:"The address." example:"ann@acme.com" maxLength:"254"`
}

type previewArea struct {
	Permission string      `json:"permission"   doc:"A key of the catalogue." example:"lease.approve" maxLength:"128"`
	Node       previewNode `json:"node"         doc:"At this node and everything live below it."`
	Excepted   int         `json:"except_count" doc:"How many subtrees within are not part of it." example:"0"`
}

type previewNode struct {
	ID   id.ID  `json:"id"   doc:"The node."`
	Name string `json:"name" doc:"Its name." example:"North" maxLength:"200"`
}

type previewNext struct {
	NextCursor *string `json:"next_cursor" doc:"To be sent as cursor for the next page; null on the last one." maxLength:"54"`
}

func viewPreview(p preview.Page) accessPreview {
	v := accessPreview{
		Allowed: len(p.Problems) == 0, Problems: make([]previewProblem, len(p.Problems)),
		Revision: strconv.FormatUint(p.Revision, 10), ValidUntil: bound(p.Until), Items: make([]previewItem, len(p.Items)),
	}
	for i, one := range p.Problems {
		v.Problems[i] = previewProblem{one.Code, one.Message, orNull(one.ID)}
	}
	if s := p.Summary; s != nil {
		v.Summary = &previewSummary{s.Gaining, s.Losing, s.Complete, s.Going.Nodes, s.Going.Assignments, s.Going.Invites}
	}
	for i, one := range p.Items {
		v.Items[i] = previewItem{
			Identity: previewIdentity{one.Identity.ID, one.Identity.Name(), one.Identity.Email},
			Gains:    viewAreas(one.Gains), Losses: viewAreas(one.Losses), More: one.More,
		}
	}
	v.Pagination.NextCursor = orNull(p.Next)
	return v
}

func viewAreas(list []preview.Area) []previewArea {
	areas := make([]previewArea, len(list))
	for i, a := range list {
		areas[i] = previewArea{a.Permission, previewNode{a.Node, a.NodeName}, len(a.Except)}
	}
	return areas
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Routes registers the resource.
func (h *Previews) Routes(rt *wire.Router) {
	wire.Handle(rt.InEnvironment("/access-preview", tagDecisions), wire.Route{
		Method: http.MethodPost, ID: "previewAccess", Summary: "Preview a change",
		About: "What a call would do to access now, before it is sent: whether it would be refused, who would gain and " +
			"lose what, and what would go. It changes nothing and writes no audit row.",
		Needs: permission.Evaluate, Body: wire.BodyRows,
		Limits: []wire.Limit{{Name: ratelimit.AccessPreview, By: wire.ByPrincipal}},
		Status: http.StatusOK, Faults: []*fault.Error{preview.ErrOutdated},
	}, h.preview)
}

func (h *Previews) preview(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], in previewed,
) (accessPreview, error) {
	p, err := h.Previews.Preview(ctx, by.In, in.query())
	return viewPreview(p), err
}

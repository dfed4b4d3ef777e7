package portalapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/invite"
	"canopy.dev/canopy/internal/portal/portaluser"
)

type inviteBody struct {
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

// Check implements wire.Checked.
func (b *inviteBody) Check(p *fault.Problems) {
	keep(p, "email", &b.Email, text.Email)
	keepNames(p, &b.FirstName, &b.LastName)
}

// inviteView is the contract's nine fields.
type inviteView struct {
	ID        id.ID         `json:"id"`
	Email     string        `json:"email"`
	FirstName string        `json:"first_name"`
	LastName  string        `json:"last_name"`
	Name      string        `json:"name"`
	Status    invite.Status `json:"status"`
	ExpiresAt time.Time     `json:"expires_at"`
	InvitedBy id.ID         `json:"invited_by"`
	CreatedAt time.Time     `json:"created_at"`
}

func viewInvite(i invite.Invite) inviteView {
	return inviteView{i.ID, i.Email, i.FirstName, i.LastName, i.Name(), i.Status, i.ExpiresAt, i.InvitedBy, i.CreatedAt}
}

// inviteRow adds how the mail fares.
type inviteRow struct {
	ID         id.ID           `json:"id"`
	Email      string          `json:"email"`
	FirstName  string          `json:"first_name"`
	LastName   string          `json:"last_name"`
	Name       string          `json:"name"`
	Status     invite.Status   `json:"status"`
	ExpiresAt  time.Time       `json:"expires_at"`
	InvitedBy  id.ID           `json:"invited_by"`
	CreatedAt  time.Time       `json:"created_at"`
	Delivery   invite.Delivery `json:"delivery"`
	LastSentAt *time.Time      `json:"last_sent_at"`
	SendCount  int             `json:"send_count"`
}

func viewRow(i invite.Invite) inviteRow {
	return inviteRow{i.ID, i.Email, i.FirstName, i.LastName, i.Name(), i.Status, i.ExpiresAt, i.InvitedBy, i.CreatedAt, i.Delivery, i.LastSentAt, i.SendCount}
}

type inviteCounts struct {
	TotalInvites  int `json:"total_invites"`
	PendingCount  int `json:"pending_count"`
	AcceptedCount int `json:"accepted_count"`
	ExpiredCount  int `json:"expired_count"`
	RevokedCount  int `json:"revoked_count"`
}

type bulkBody struct {
	Invites []any `json:"invites" nullable:"false"`
}

// Check implements wire.Checked.
func (b *bulkBody) Check(p *fault.Problems) {
	if n := len(b.Invites); n < 1 || n > 200 {
		p.Add("invites", "must hold 1 to 200 rows")
	}
}

type bulkSummary struct {
	Total     int `json:"total"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
}

type bulkError struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Details []string `json:"details,omitempty"`
	Data    any      `json:"data,omitempty"`
}

type bulkResult struct {
	Index  int            `json:"index"`
	Status string         `json:"status"`
	Code   int            `json:"code"`
	Data   *inviteView    `json:"data,omitempty"`
	Input  jsontext.Value `json:"input,omitempty"`
	Error  *bulkError     `json:"error,omitempty"`
}

type bulkAnswer struct {
	Summary bulkSummary  `json:"summary"`
	Results []bulkResult `json:"results"`
}

// HTTPStatus is 207 once a row has failed.
func (a bulkAnswer) HTTPStatus() int {
	if a.Summary.Failed > 0 {
		return http.StatusMultiStatus
	}
	return http.StatusOK
}

type previewView struct {
	Email        string        `json:"email"`
	Intent       invite.Intent `json:"intent"`
	FirstName    string        `json:"first_name"`
	LastName     string        `json:"last_name"`
	AppName      string        `json:"app_name"`
	InviterEmail *string       `json:"inviter_email"`
}

type acceptBody struct {
	Token     string `json:"token"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Password  string `json:"password"`
}

// Check implements wire.Checked. Whether the password must be a good new one
// depends on the invite; that rule is the room's.
func (b *acceptBody) Check(p *fault.Problems) {
	keepNames(p, &b.FirstName, &b.LastName)
	keep(p, "password", &b.Password, text.PresentPassword)
}

func (d *Door) inviteRoutes(rt *wire.Router) {
	const base = prefix + "/user-invites"
	create := []*fault.Error{invite.ErrAlreadyMember, invite.ErrMemberDeactivated, invite.ErrAlreadyPending, fault.RateLimited}
	token := []*fault.Error{invite.ErrNotFound, invite.ErrExpired, invite.ErrRevoked, invite.ErrAlreadyAccepted}
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: base, ID: "createUserInvite", Summary: "Invite a colleague", Status: 201, Access: wire.User,
		Idempotent: true, Faults: create}, d.createInvite)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: base + "/bulk-create", ID: "bulkCreateUserInvites", Summary: "Invite many", Status: 200, Also: []int{http.StatusMultiStatus},
		Access: wire.User, Idempotent: true, Large: true, Faults: create}, d.createInvites)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: base, ID: "listUserInvites", Summary: "List invites", Status: 200, Access: wire.User,
		Query: append([]wire.Param{{Name: "status", Doc: "pending, accepted, revoked or expired"}}, wire.PageParams...)}, d.invites)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: base + "/summary", ID: "userInvitesSummary", Summary: "Count invites", Status: 200,
		Access: wire.User}, d.inviteSummary)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: base + "/{id}", ID: "getUserInvite", Summary: "Read an invite", Status: 200,
		Access: wire.User, Faults: []*fault.Error{invite.ErrNotFound}}, d.invite)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: base + "/{id}/resend", ID: "resendUserInvite", Summary: "Send a new link", Status: 200,
		Access: wire.User, Faults: []*fault.Error{invite.ErrNotFound, invite.ErrNotPending, invite.ErrCooldown, fault.RateLimited}}, d.resendInvite)
	wire.Handle(rt, wire.Route{Method: http.MethodDelete, Path: base + "/{id}", ID: "revokeUserInvite", Summary: "Withdraw an invite", Status: 204,
		Access: wire.User, Faults: []*fault.Error{invite.ErrNotFound, invite.ErrNotPending}}, d.revokeInvite)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/invite-info", ID: "inviteInfo", Summary: "Preview an invite by its token",
		Status: 200, PerIP: string(ratelimit.Link), Faults: token}, d.inviteInfo)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/accept-invite", ID: "acceptInvite", Summary: "Accept an invite by its token",
		Status: 200, PerIP: string(ratelimit.Link),
		Faults: append([]*fault.Error{portaluser.ErrInvalidCredentials, portaluser.ErrLocked, portaluser.ErrTooManyAttempts, fault.Busy}, token...)}, d.acceptInvite)
}

func (d *Door) createInvite(ctx context.Context, _ *wire.Call, in inviteBody) (wire.Data[inviteView], error) {
	inv, err := d.Invites.Create(ctx, invite.Draft{Email: in.Email, FirstName: in.FirstName, LastName: in.LastName})
	if err != nil {
		return wire.Data[inviteView]{}, err
	}
	return wire.Data[inviteView]{Data: viewInvite(inv)}, nil
}

func (d *Door) createInvites(ctx context.Context, c *wire.Call, in bulkBody) (bulkAnswer, error) {
	answer := bulkAnswer{Summary: bulkSummary{Total: len(in.Invites)}, Results: []bulkResult{}}
	for i, row := range in.Invites {
		raw, err := json.Marshal(row)
		if err != nil {
			return answer, err
		}
		body, err := wire.DecodeRow[inviteBody](c, raw)
		var inv invite.Invite
		if err == nil {
			inv, err = d.Invites.Create(ctx, invite.Draft{Email: body.Email, FirstName: body.FirstName, LastName: body.LastName})
		}
		f := fault.As(err)
		switch {
		case err == nil:
			v := viewInvite(inv)
			answer.Summary.Succeeded++
			answer.Results = append(answer.Results, bulkResult{Index: i, Status: "success", Code: http.StatusCreated, Data: &v})
		case f == nil:
			// Rows that are stored stay stored; the rest of the batch can be sent
			// again, and the stored ones will answer invites.already_pending.
			return answer, err
		default:
			answer.Summary.Failed++
			answer.Results = append(answer.Results, bulkResult{Index: i, Status: "error", Code: wire.Status(f), Input: withoutSecrets(row),
				Error: &bulkError{f.Code, f.Message, f.Details, f.Data}})
		}
	}
	return answer, nil
}

// withoutSecrets repeats a row without what may be a password.
func withoutSecrets(row any) jsontext.Value {
	if object, ok := row.(map[string]any); ok {
		clean := map[string]any{}
		for name, v := range object {
			if slices.Contains([]string{"email", "first_name", "last_name"}, name) {
				clean[name] = v
			}
		}
		row = clean
	}
	raw, err := wire.Encode(row)
	if err != nil {
		return nil
	}
	return raw
}

func (d *Door) invites(ctx context.Context, c *wire.Call, _ wire.None) (out wire.Paged[inviteRow], err error) {
	var p fault.Problems
	r := c.Page(&p, true, "created_at", "expires_at", "email", "name")
	status := c.OneOf(&p, "status", string(invite.Pending), string(invite.Accepted), string(invite.Revoked), string(invite.Expired))
	if err := p.Err(); err != nil {
		return out, err
	}
	list, info, err := d.Invites.List(ctx, r, invite.Status(status))
	out = wire.Paged[inviteRow]{Items: []inviteRow{}, Pagination: info}
	for _, i := range list {
		out.Items = append(out.Items, viewRow(i))
	}
	return out, err
}

func (d *Door) inviteSummary(ctx context.Context, _ *wire.Call, _ wire.None) (wire.Data[inviteCounts], error) {
	n, err := d.Invites.Summary(ctx)
	return wire.Data[inviteCounts]{Data: inviteCounts{n.Total, n.Pending, n.Accepted, n.Expired, n.Revoked}}, err
}

func (d *Door) invite(ctx context.Context, c *wire.Call, _ wire.None) (out wire.Data[inviteRow], err error) {
	inviteID, err := wire.PathID(c, "id", invite.ErrNotFound)
	if err != nil {
		return out, err
	}
	inv, err := d.Invites.Get(ctx, inviteID)
	return wire.Data[inviteRow]{Data: viewRow(inv)}, err
}

func (d *Door) resendInvite(ctx context.Context, c *wire.Call, _ emptyBody) (out wire.Data[wire.Message], err error) {
	inviteID, err := wire.PathID(c, "id", invite.ErrNotFound)
	if err != nil {
		return out, err
	}
	if err := d.Invites.Resend(ctx, inviteID); err != nil {
		return out, err
	}
	return wire.Say("Invite resent"), nil
}

func (d *Door) revokeInvite(ctx context.Context, c *wire.Call, _ wire.None) (out wire.Empty, err error) {
	inviteID, err := wire.PathID(c, "id", invite.ErrNotFound)
	if err != nil {
		return out, err
	}
	return out, d.Invites.Revoke(ctx, inviteID)
}

func (d *Door) inviteInfo(ctx context.Context, c *wire.Call, in tokenBody) (wire.Data[previewView], error) {
	v, err := d.Invites.Preview(ctx, in.Token)
	return wire.Data[previewView]{Data: previewView{v.Email, v.Intent, v.FirstName, v.LastName, v.AccountName, v.InviterEmail}}, err
}

func (d *Door) acceptInvite(ctx context.Context, c *wire.Call, in acceptBody) (wire.Data[wire.Message], error) {
	return wire.Say("Invite accepted"), d.Invites.Accept(ctx, invite.Acceptance{Token: in.Token, FirstName: in.FirstName,
		LastName: in.LastName, Password: in.Password})
}

package portalapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/member"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
)

type personView struct {
	ID            id.ID     `json:"id"`
	Email         string    `json:"email"`
	FirstName     string    `json:"first_name"`
	LastName      string    `json:"last_name"`
	Name          string    `json:"name"`
	AvatarURL     *string   `json:"avatar_url"`
	IsActive      bool      `json:"is_active"`
	EmailVerified bool      `json:"email_verified"`
	CreatedAt     time.Time `json:"created_at"`
	JoinedAt      time.Time `json:"joined_at"`
}

func viewPerson(m member.Member) personView {
	return personView{m.UserID, m.Email, m.FirstName, m.LastName, m.Name(), nil, m.Active, true, m.CreatedAt, m.JoinedAt}
}

type memberView struct {
	UserID      id.ID        `json:"user_id"`
	Email       string       `json:"email"`
	FirstName   string       `json:"first_name"`
	LastName    string       `json:"last_name"`
	AvatarURL   *string      `json:"avatar_url"`
	AccountRole account.Role `json:"account_role"`
	JoinedAt    time.Time    `json:"joined_at"`
}

func viewMember(m member.Member) memberView {
	return memberView{m.UserID, m.Email, m.FirstName, m.LastName, nil, m.Role, m.JoinedAt}
}

type userCounts struct {
	TotalUsers    int `json:"total_users"`
	ActiveCount   int `json:"active_count"`
	InactiveCount int `json:"inactive_count"`
}

type roleBody struct {
	AccountRole string `json:"account_role"`
}

// Check implements wire.Checked.
func (b *roleBody) Check(p *fault.Problems) {
	if r := account.Role(b.AccountRole); r != account.Owner && r != account.Admin {
		p.Add("account_role", "must be owner or admin")
	}
}

func (d *Door) memberRoutes(rt *wire.Router) {
	missing := []*fault.Error{portaluser.ErrNotFound}
	guarded := append([]*fault.Error{member.ErrPermissionDenied, member.ErrLastOwner}, missing...)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: prefix + "/users", ID: "listUsers", Summary: "List users", Status: 200, Access: wire.User,
		Query: append([]wire.Param{{Name: "status", Doc: "active or inactive"}}, wire.PageParams...)}, d.users)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: prefix + "/users/summary", ID: "usersSummary", Summary: "Count users", Status: 200,
		Access: wire.User}, d.userSummary)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: prefix + "/users/{id}", ID: "getUser", Summary: "Read a user", Status: 200,
		Access: wire.User, Faults: missing}, d.user)
	wire.Handle(rt, wire.Route{Method: http.MethodDelete, Path: prefix + "/users/{id}", ID: "removeUser", Summary: "Remove a user", Status: 204,
		Access: wire.User, Faults: guarded}, d.removeUser)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: prefix + "/users/{id}/deactivate", ID: "deactivateUser", Summary: "Deactivate a user",
		Status: 200, Access: wire.User, Faults: guarded}, d.deactivate)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: prefix + "/users/{id}/activate", ID: "activateUser", Summary: "Activate a user",
		Status: 200, Access: wire.User, Faults: guarded}, d.activate)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: prefix + "/members", ID: "listMembers", Summary: "List members", Status: 200,
		Access: wire.User}, d.members)
	wire.Handle(rt, wire.Route{Method: http.MethodPatch, Path: prefix + "/members/{id}", ID: "updateMember", Summary: "Change a member's role", Status: 200,
		Access: wire.User, Faults: guarded}, d.setRole)
	wire.Handle(rt, wire.Route{Method: http.MethodDelete, Path: prefix + "/members/{id}", ID: "removeMember", Summary: "Remove a member", Status: 204,
		Access: wire.User, Faults: guarded}, d.removeUser)
}

func (d *Door) users(ctx context.Context, c *wire.Call, _ wire.None) (out wire.Paged[personView], err error) {
	var p fault.Problems
	r := c.Page(&p, true, "joined_at", "email", "name")
	var active *bool
	if status := c.OneOf(&p, "status", "active", "inactive"); status != "" {
		is := status == "active"
		active = &is
	}
	if err := p.Err(); err != nil {
		return out, err
	}
	list, info, err := d.Members.List(ctx, r, active)
	out = wire.Paged[personView]{Items: []personView{}, Pagination: info}
	for _, m := range list {
		out.Items = append(out.Items, viewPerson(m))
	}
	return out, err
}

func (d *Door) userSummary(ctx context.Context, _ *wire.Call, _ wire.None) (wire.Data[userCounts], error) {
	total, active, err := d.Members.Counts(ctx)
	return wire.Data[userCounts]{Data: userCounts{total, active, total - active}}, err
}

func (d *Door) user(ctx context.Context, c *wire.Call, _ wire.None) (out wire.Data[personView], err error) {
	userID, err := wire.PathID(c, "id", portaluser.ErrNotFound)
	if err != nil {
		return out, err
	}
	m, err := d.Members.Get(ctx, userID)
	return wire.Data[personView]{Data: viewPerson(m)}, err
}

func (d *Door) removeUser(ctx context.Context, c *wire.Call, _ wire.None) (out wire.Empty, err error) {
	userID, err := wire.PathID(c, "id", portaluser.ErrNotFound)
	if err != nil {
		return out, err
	}
	return out, d.Members.Remove(ctx, userID)
}

func (d *Door) deactivate(ctx context.Context, c *wire.Call, _ emptyBody) (wire.Data[wire.Message], error) {
	return d.setActive(ctx, c, false, "User deactivated")
}

func (d *Door) activate(ctx context.Context, c *wire.Call, _ emptyBody) (wire.Data[wire.Message], error) {
	return d.setActive(ctx, c, true, "User activated")
}

func (d *Door) setActive(ctx context.Context, c *wire.Call, active bool, done string) (out wire.Data[wire.Message], err error) {
	userID, err := wire.PathID(c, "id", portaluser.ErrNotFound)
	if err != nil {
		return out, err
	}
	return wire.Say(done), d.Members.SetActive(ctx, userID, active)
}

func (d *Door) members(ctx context.Context, _ *wire.Call, _ wire.None) (out wire.Items[memberView], err error) {
	list, err := d.Members.All(ctx)
	out.Items = []memberView{}
	for _, m := range list {
		out.Items = append(out.Items, viewMember(m))
	}
	return out, err
}

func (d *Door) setRole(ctx context.Context, c *wire.Call, in roleBody) (out wire.Data[memberView], err error) {
	userID, err := wire.PathID(c, "id", portaluser.ErrNotFound)
	if err != nil {
		return out, err
	}
	m, err := d.Members.SetRole(ctx, userID, account.Role(in.AccountRole))
	return wire.Data[memberView]{Data: viewMember(m)}, err
}

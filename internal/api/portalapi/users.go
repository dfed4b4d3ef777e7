package portalapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/member"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
)

// Users serves the people of an Account, as users and as members.
type Users struct{ Members *member.Service }

// accountUser is a person of the Account as the list of users shows them.
type accountUser struct {
	ID            portaluser.ID `json:"id"             doc:"The user's id."`
	Email         string        `json:"email"          doc:"The user's address." format:"email" example:"dana@acme.example"`
	FirstName     string        `json:"first_name"     doc:"First name." example:"Dana" maxLength:"100"`
	LastName      string        `json:"last_name"      doc:"Last name." example:"Cole" maxLength:"100"`
	Name          string        `json:"name"           doc:"First and last name." example:"Dana Cole" maxLength:"201"`
	AvatarURL     *string       `json:"avatar_url"     doc:"Always null for now." format:"uri"`
	IsActive      bool          `json:"is_active"      doc:"Whether the person may enter the Account."`
	EmailVerified bool          `json:"email_verified" doc:"Always true: a user exists only for a proven address."`
	CreatedAt     time.Time     `json:"created_at"     doc:"When the user came into being."`
	JoinedAt      time.Time     `json:"joined_at"      doc:"When the person joined the Account."`
}

func viewAccountUser(m portaluser.Member) accountUser {
	return accountUser{
		ID: m.UserID, Email: m.Email, FirstName: m.FirstName, LastName: m.LastName, Name: m.Name(),
		IsActive: m.Active, EmailVerified: true, CreatedAt: m.CreatedAt, JoinedAt: m.JoinedAt,
	}
}

// accountMember is a person of the Account as the list of members shows them.
type accountMember struct {
	UserID      portaluser.ID          `json:"user_id"      doc:"The user's id."`
	Email       string                 `json:"email"        doc:"The user's address." format:"email" example:"dana@acme.example"`
	FirstName   string                 `json:"first_name"   doc:"First name." example:"Dana" maxLength:"100"`
	LastName    string                 `json:"last_name"    doc:"Last name." example:"Cole" maxLength:"100"`
	AvatarURL   *string                `json:"avatar_url"   doc:"Always null for now." format:"uri"`
	AccountRole permission.AccountRole `json:"account_role" doc:"The person's role in the Account."`
	JoinedAt    time.Time              `json:"joined_at"    doc:"When the person joined the Account."`
}

func viewMember(m portaluser.Member) accountMember {
	return accountMember{
		UserID: m.UserID, Email: m.Email, FirstName: m.FirstName, LastName: m.LastName,
		AccountRole: m.Role, JoinedAt: m.JoinedAt,
	}
}

type userCounts struct {
	TotalUsers    int `json:"total_users"    doc:"All people of the Account." example:"3"`
	ActiveCount   int `json:"active_count"   doc:"Those who may enter it." example:"2"`
	InactiveCount int `json:"inactive_count" doc:"Those who may not." example:"1"`
}

var (
	userID       = wire.PathID[portaluser.ID]("id", "The user's id.", portaluser.ErrNotFound)
	userPaging   = wire.Paged(portaluser.Sorts)
	userActivity = wire.QueryEnum("status", "Only those who may, or may not, enter the Account.",
		portaluser.Active, portaluser.Inactive)
)

// Routes registers the resource.
func (h *Users) Routes(rt *wire.Router) {
	g := rt.InAccount("/users", tagUsers)
	guarded := []*fault.Error{portaluser.ErrNotFound, fault.PermissionDenied, member.ErrLastOwner}
	one := []wire.Parameter{userID}
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, ID: "listUsers", Summary: "List users",
		About: "One page of the people of the Account.",
		Needs: permission.UserView, Params: []wire.Parameter{userActivity, userPaging}, Status: http.StatusOK,
	}, h.list)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "usersSummary", Summary: "Count users",
		About: "How many people there are, active and not.",
		Needs: permission.UserView, Status: http.StatusOK,
	}, h.summary)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getUser", Summary: "Read a user",
		About: "A person of the Account.",
		Needs: permission.UserView, Params: one, Status: http.StatusOK,
	}, h.get)
	wire.Handle(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "removeUser", Summary: "Remove a user",
		About: "Takes the person out of the Account and ends the sessions bound to it. Other Accounts are not touched.",
		Needs: permission.UserManage, Params: one, Status: http.StatusNoContent, Faults: guarded,
		Writes: []wire.EventType{member.Removed, session.AllRevoked},
	}, h.remove)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/deactivate", ID: "deactivateUser", Summary: "Deactivate a user",
		About: "Keeps the person out of the Account and ends the sessions bound to it.",
		Needs: permission.UserManage, Params: one, Status: http.StatusOK, Faults: guarded,
		Writes: []wire.EventType{member.Deactivated, session.AllRevoked},
	}, h.deactivate)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/activate", ID: "activateUser", Summary: "Activate a user",
		About: "Lets the person enter the Account again.", // and takes no owner away
		Needs: permission.UserManage, Params: one, Status: http.StatusOK, Faults: guarded[:2],
		Writes: []wire.EventType{member.Activated},
	}, h.activate)
	h.memberRoutes(rt, guarded)
}

func (h *Users) memberRoutes(rt *wire.Router, guarded []*fault.Error) {
	g := rt.InAccount("/members", tagUsers)
	one := []wire.Parameter{userID}
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, ID: "listMembers", Summary: "List members",
		About: "Everybody in the Account with their roles: owners first, then by name.",
		Needs: permission.UserView, Status: http.StatusOK,
	}, h.members)
	wire.Handle(g, wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "updateMember", Summary: "Change a member's role",
		About: "For owners. The Account keeps an active owner.",
		Needs: permission.UserManageOwners, Params: one, Status: http.StatusOK, Faults: guarded,
		Writes: []wire.EventType{member.RoleChanged},
	}, h.setRole)
	wire.Handle(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "removeMember", Summary: "Remove a member",
		About: "The same as removeUser.",
		Needs: permission.UserManage, Params: one, Status: http.StatusNoContent, Faults: guarded,
		Writes: []wire.EventType{member.Removed, session.AllRevoked},
	}, h.remove)
}

func (h *Users) list(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Page[accountUser], error) {
	list, info, err := h.Members.List(ctx, by.In, userPaging.Of(c), userActivity.Of(c))
	return wire.PageOf(list, info, err, viewAccountUser)
}

func (h *Users) summary(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Data[userCounts], error) {
	total, active, err := h.Members.Counts(ctx, by.In)
	return wire.Of(userCounts{total, active, total - active}, err)
}

func (h *Users) get(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Data[accountUser], error) {
	m, err := h.Members.Get(ctx, by.In, userID.Of(c))
	return wire.Of(viewAccountUser(m), err)
}

func (h *Users) remove(ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Members.Remove(ctx, by.User, by.In, userID.Of(c))
}

func (h *Users) deactivate(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Data[wire.Message], error) {
	return wire.Say("User deactivated", h.Members.SetActive(ctx, by.User, by.In, userID.Of(c), false))
}

func (h *Users) activate(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Data[wire.Message], error) {
	return wire.Say("User activated", h.Members.SetActive(ctx, by.User, by.In, userID.Of(c), true))
}

func (h *Users) members(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Items[accountMember], error) {
	list, err := h.Members.All(ctx, by.In)
	return wire.ItemsOf(list, err, viewMember)
}

func (h *Users) setRole(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], in member.RoleChange,
) (wire.Data[accountMember], error) {
	m, err := h.Members.SetRole(ctx, by.User, by.In, userID.Of(c), in.Role)
	return wire.Of(viewMember(m), err)
}

package peopleapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/platform/wire"
)

// Sessions serves the sessions of an Environment's members.
type Sessions struct{ Sessions *identitysession.Service }

// identitySession is a session of an identity.
type identitySession struct {
	ID        identitysession.ID `json:"id"                 doc:"The session's id. It is no credential."`
	CreatedAt time.Time          `json:"created_at"         doc:"When it began."`
	ExpiresAt time.Time          `json:"expires_at"         doc:"When it ends by itself."`
	IPAddress *string            `json:"ip_address"         doc:"Of the browser, as far as it is known." example:"203.0.113.7" maxLength:"64"`
	UserAgent *string            `json:"user_agent"         doc:"Of the browser, as far as it is known." example:"Mozilla/5.0" maxLength:"1024"`
	OrgNode   *string            `json:"active_org_node_id" doc:"The node of the organization that the session is in." format:"uuid"`
}

func viewSession(s identitysession.Session) identitySession {
	return identitySession{s.ID, s.CreatedAt, s.ExpiresAt, s.IPAddress, s.UserAgent, s.OrgNode}
}

var sessionID = wire.PathID[identitysession.ID]("sessionId", "The session's id.", identitysession.ErrNotFound)

// Routes registers the resource.
func (h *Sessions) Routes(rt *wire.Router) {
	g := rt.Twins("/identities/{id}/sessions", tagIdentities)
	one := []wire.Parameter{identityID}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, ID: "listIdentitySessions", Summary: "List an identity's sessions",
		About: "The live sessions that are bound to this Environment, newest first.",
		Needs: permission.IdentityView, Params: one, Status: http.StatusOK,
	}, h.list)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodDelete, Path: "/{sessionId}", ID: "revokeIdentitySession", Summary: "End an identity's session",
		About: "Its next renewal is refused. Access tokens already issued live out their minutes where nobody asks.",
		Needs: permission.IdentityManage, Params: []wire.Parameter{identityID, sessionID}, Status: http.StatusNoContent,
		Faults: []*fault.Error{identitysession.ErrNotFound}, Writes: []wire.EventType{identitysession.Revoked},
	}, h.revoke)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/revoke", ID: "revokeIdentitySessions", Summary: "End an identity's sessions",
		About: "All of them, in the whole Account. Without any it writes nothing.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusNoContent,
		Writes: []wire.EventType{identitysession.AdminRevoked, identitysession.AllRevoked},
	}, from(inEnvironment, h.revokeAll))
}

func (h *Sessions) list(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Items[identitySession], error) {
	list, err := h.Sessions.List(ctx, by.In, identityID.Of(c))
	return wire.ItemsOf(list, err, viewSession)
}

func (h *Sessions) revoke(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Sessions.Revoke(ctx, by.Actor, by.In, identityID.Of(c), sessionID.Of(c))
}

func (h *Sessions) revokeAll(ctx context.Context, c *wire.Call, by caller, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Sessions.RevokeAll(ctx, by.Actor, by.at, identityID.Of(c))
}
